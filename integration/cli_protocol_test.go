package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// What engines read and pass besides arguments.
var protocolCases = []cliCase{
	{"version", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		lines := strings.Split(b.do(t, "--version"), "\n")
		if len(lines) < 3 || !strings.Contains(lines[0], "version") || !strings.HasPrefix(lines[1], "commit:") || !strings.HasPrefix(lines[2], "spec:") {
			t.Errorf("version is %q", lines)
		}
	}},
	{"features", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		var f struct {
			OCIVersionMax string `json:"ociVersionMax"`
			Linux         struct {
				Namespaces      []string
				MountExtensions struct{ Idmap struct{ Enabled bool } }
				Seccomp         struct{ Archs, Actions []string }
			}
			Annotations map[string]string
		}
		r := b.try(t, "features")
		if err := json.Unmarshal([]byte(must(t, r)), &f); err != nil {
			t.Fatal(err)
		}
		equal(t, "stderr", r.stderr, "")
		equal(t, "user namespaces", slices.Contains(f.Linux.Namespaces, "user"), true)
		equal(t, "idmapped mounts", f.Linux.MountExtensions.Idmap.Enabled, true)
		if runtime == "bulkhead" {
			equal(t, "architectures of a filter", len(f.Linux.Seccomp.Archs), 1)
			equal(t, "an agent", slices.Contains(f.Linux.Seccomp.Actions, "SCMP_ACT_NOTIFY"), false)
			equal(t, "annotation that has an effect", f.Annotations["dev.bulkhead.annotations.read"], "dev.bulkhead.profile")
			equal(t, "checkpoint", f.Annotations["org.opencontainers.runc.checkpoint.enabled"], "false")
		}
	}},
	{"spec", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		if err := os.Remove(b.dir + "/config.json"); err != nil {
			t.Fatal(err)
		}
		b.do(t, "spec")
		var spec specs.Spec
		if err := json.Unmarshal([]byte(b.output(t, "config.json")), &spec); err != nil || spec.Process == nil || spec.Root == nil {
			t.Fatalf("spec is %v: %v", spec, err)
		}
		refused(t, b.try(t, "spec"))
	}},
	{"log/json", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("nothing-of-the-kind"))
		r := b.withFiles(t, "--log", b.dir+"/log.json", "--log-format", "json", "create", "--bundle", b.dir, b.id)
		equal(t, "exit status", r.code, 1)
		last := ""
		for _, line := range strings.Split(strings.TrimSpace(b.output(t, "log.json")), "\n") {
			var entry struct{ Level, Msg string }
			if err := json.Unmarshal([]byte(line), &entry); err != nil {
				t.Fatalf("line %q of the log: %v", line, err)
			}
			if entry.Level == "error" {
				last = entry.Msg
			}
		}
		if !strings.Contains(last, "nothing-of-the-kind") || !strings.Contains(r.stderr, "nothing-of-the-kind") {
			t.Errorf("last error of the log is %q, stderr %q: want the program's name in both", last, r.stderr)
		}
	}},
	{"console-socket", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, func(s *specs.Spec) {
			s.Process.Terminal = true
			s.Process.Args = []string{"sh", "-c", "test -t 0 && tty; echo typed: $(head -1)"}
		})
		receive := consoleSocket(t, b.dir+"/c")
		must(t, b.create(t, "--console-socket", b.dir+"/c"))
		master := receive()
		defer master.Close()
		b.do(t, "start", b.id)
		if _, err := master.WriteString("hello\n"); err != nil {
			t.Fatal(err)
		}
		b.waitStatus(t, "stopped")
		shown, err := io.ReadAll(master) // up to EIO: nobody has the other end any more. One read may give a part.
		if out := string(shown); !strings.Contains(out, "/dev/pts/0") && !strings.Contains(out, "/dev/console") || !strings.Contains(out, "typed: hello") {
			t.Errorf("terminal shows %q: %v", out, err)
		}
	}},
	{"preserve-fds", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "cat <&3; ls /proc/self/fd | xargs"))
		if err := os.WriteFile(b.dir+"/passed", []byte("passed on\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(b.dir + "/passed")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd := b.command("run", "--preserve-fds", "1", "--bundle", b.dir, b.id)
		cmd.ExtraFiles = []*os.File{f}
		if out := must(t, run(t, cmd)); !strings.HasPrefix(out, "passed on\n") {
			t.Errorf("output is %q", out)
		}
	}},
	{"no-descriptors-leak", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "for f in /proc/self/fd/*; do echo ${f##*/}; done"))
		out := strings.Fields(b.do(t, "run", "--bundle", b.dir, b.id))
		out = slices.DeleteFunc(out, func(fd string) bool { return fd == "3" || fd == "*" }) // the shell's own, on the directory
		equal(t, "descriptors", strings.Join(out, " "), "0 1 2")
	}},
	{"events", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		eventually(t, "the program", func() error { // until then the runtime's own threads are there
			if text := procFile(t, pid, "cmdline"); !strings.HasPrefix(text, "sleep") {
				return fmt.Errorf("it runs %q", text)
			}
			return nil
		})
		var event struct {
			Type, ID string
			Data     struct {
				Pids   struct{ Current uint64 }
				Memory struct{ Usage struct{ Usage uint64 } }
			}
		}
		if err := json.Unmarshal([]byte(b.do(t, "events", "--stats", b.id)), &event); err != nil {
			t.Fatal(err)
		}
		equal(t, "event", fmt.Sprint(event.Type, " ", event.ID), "stats "+b.id)
		equal(t, "processes", event.Data.Pids.Current, 1)
		equal(t, "uses memory", event.Data.Memory.Usage.Usage > 0, true)
	}},
	{"delete --force of a paused container", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		b.do(t, "pause", b.id)
		b.do(t, "delete", "--force", b.id)
		eventually(t, "the end of its process", func() error {
			if unix.Kill(pid, 0) == nil {
				return fmt.Errorf("process %d is still there", pid)
			}
			return nil
		})
	}},
	{"checkpoint", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		b.running(t)
		if help := b.do(t, "checkpoint", "--help"); !strings.Contains(help, "bulkhead takes no checkpoints") {
			t.Errorf("the help is %q", help)
		}
		refused(t, b.try(t, "checkpoint", b.id))
		refused(t, b.try(t, "restore", b.id))
		equal(t, "status", b.status(t), "running")
	}},
}

// consoleSocket listens as an engine does and gives a function that receives the terminal.
func consoleSocket(t testing.TB, path string) func() *os.File {
	t.Helper()
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	return func() *os.File {
		defer func() { _ = listener.Close() }()
		conn, err := listener.AcceptUnix()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		data, rights := make([]byte, 4096), make([]byte, 4096)
		_, n, _, _, err := conn.ReadMsgUnix(data, rights)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := syscall.ParseSocketControlMessage(rights[:n])
		if err != nil || len(messages) == 0 {
			t.Fatalf("receive the terminal: %d messages: %v", len(messages), err)
		}
		fds, err := syscall.ParseUnixRights(&messages[0])
		if err != nil || len(fds) != 1 {
			t.Fatalf("receive the terminal: %d descriptors: %v", len(fds), err)
		}
		return os.NewFile(uintptr(fds[0]), "terminal")
	}
}
