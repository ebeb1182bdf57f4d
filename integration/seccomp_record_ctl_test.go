package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// TestSeccompRecordCommand records a command in the sandbox of try, with its exit status and its output.
func TestSeccompRecordCommand(t *testing.T) {
	requireRoot(t)
	file := filepath.Join(t.TempDir(), "r.json")
	r := run(t, ctl(t, "seccomp", "record", "--recorder", "bpf", "--name", "a command", "-o", file, "--", "sh", "-c", "echo out; mkdir /tmp/x; exit 7"))
	equal(t, "exit status", r.code, 7)
	equal(t, "output", r.stdout, "out\n")
	if !strings.HasPrefix(r.stderr, file+": ") || !strings.HasSuffix(r.stderr, " system calls, 0 of them denied\n") {
		t.Errorf("standard error is %q", r.stderr)
	}
	rec := readRecording(t, file)
	if rec.Ended.IsZero() || rec.Losses.Lost() || rec.Name != "a command" || callOf(rec, "mkdir").Count() != 1 || !strings.HasPrefix(rec.Libc, "glibc ") {
		t.Errorf("recording is %+v", rec)
	}
	r = run(t, ctl(t, "seccomp", "record", "--recorder", "bpf", "-o", file, "--", "true"))
	refused(t, r, "make recording: open ", ": file exists")
}

// TestSeccompRecordBundle records a bundle from its first execve, without an ID.
func TestSeccompRecordBundle(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", args("sh", "-c", "ln -s a /tmp/b; exit 3"), writableTmp)
	file := filepath.Join(t.TempDir(), "r.json")
	r := run(t, ctl(t, "seccomp", "record", "--recorder", "bpf", "--root", b.state, "--bundle", b.dir, "-o", file))
	equal(t, "exit status", r.code, 3)
	rec := readRecording(t, file)
	if rec.Ended.IsZero() || rec.Losses.Lost() || callOf(rec, "symlink").Count() != 1 || callOf(rec, "execve").Count() != 1 {
		t.Errorf("recording is %+v: %v", rec, counts(rec))
	}
	if left, err := os.ReadDir(b.state); err == nil && len(left) > 0 {
		t.Errorf("the container is left: %v", left)
	}
}

// TestSeccompRecordRunning joins a container, is marked, and ends with a signal: the file is complete, the container goes on.
func TestSeccompRecordRunning(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", args("sh", "-c", "while true; do sleep 0.05; done"))
	b.running(t)
	file := filepath.Join(t.TempDir(), "r.json")
	name := "running-" + b.id
	cmd := ctl(t, "seccomp", "record", "--root", b.state, "--name", name, "-o", file, b.id)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	until := func(phase string) {
		eventually(t, "calls in "+phase, func() error {
			r, err := recording.Read(file)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(callOf(r, "execve").Seen, func(s recording.Seen) bool { return s.Phase == phase }) {
				return errors.New("execve is not among them")
			}
			if !r.Losses.CutShort || !r.Ended.IsZero() {
				return fmt.Errorf("recording is %+v", r)
			}
			return nil
		})
	}
	until(recording.Startup)
	equal(t, "mark", must(t, run(t, ctl(t, "seccomp", "mark", name))), name+" serves from now on")
	until(recording.Serving)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	r := readRecording(t, file)
	if r.Ended.IsZero() || r.Losses.Lost() || !r.Joined || r.Phases[1].By != recording.ByMark {
		t.Errorf("recording is %+v", r)
	}
	equal(t, "status", b.status(t), "running")
	refused(t, run(t, ctl(t, "seccomp", "mark", name)), fmt.Sprintf("find recording %q: nothing of that name is being recorded", name))
}

// TestSeccompRecorderApart looks at the recorder's process: it holds nothing of the container's or of the runtime's caller.
func TestSeccompRecorderApart(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead")
	pipe, held, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	cmd := b.command("--record", "--record-file", filepath.Join(t.TempDir(), "r.json"), "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id)
	out := b.outputFile(t, "stdout")
	defer out.Close()
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = out, out, []*os.File{held}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
	p := recorderOf(t, b)
	link := func(name string, pid any) string {
		to, err := os.Readlink(fmt.Sprintf("/proc/%v/%s", pid, name))
		if err != nil {
			t.Error(err)
		}
		return to
	}
	equal(t, "mount namespace", link("ns/mnt", p.Pid), link("ns/mnt", "self"))
	equal(t, "working directory", link("cwd", p.Pid), "/")
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		to := link("fd/"+fd.Name(), p.Pid)
		// The limits are Go's own: it looks how many processors it may use.
		own := slices.ContainsFunc([]string{"/dev/null", "anon_inode:", "pidfd:", "/sys/fs/cgroup/"}, func(p string) bool { return strings.HasPrefix(to, p) })
		if !own {
			t.Errorf("descriptor %s is %s", fd.Name(), to)
		}
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", p.Pid))
	if err != nil || string(own) != string(theirs) {
		t.Errorf("cgroup is %s, want %s: %v", theirs, own, err)
	}
	if sid := must(t, run(t, exec.Command("ps", "-o", "sid=", "-p", fmt.Sprint(p.Pid)))); strings.TrimSpace(sid) != fmt.Sprint(p.Pid) {
		t.Errorf("session is %s, want its own", sid)
	}
	b.do(t, "delete", b.id)
	// Nobody but the recorder could still hold the other end.
	if n, err := pipe.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v", n, err)
	}
}
