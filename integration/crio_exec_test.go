package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// crioExecs: the ways in which CRI-O runs a command in a container. ExecSync is in [crio.exec]; streams come from the runtime in the
// foreground, with pipes or with a terminal of CRI-O's; older releases and health checks go through conmon.
func crioExecs(t *testing.T, name string) {
	c := newCRIO(t, name, args("sleep", "1000"))
	c.create(t)
	c.do(t, "start", c.id)

	stream := c.command("exec", "--process", c.processFile(t, false, "sh", "-c", "cat; echo err >&2; exit 5"), c.id)
	stream.Stdin = strings.NewReader("typed\n")
	r := run(t, stream)
	equal(t, "a stream", fmt.Sprintf("%q %q %d", r.stdout, r.stderr, r.code), `"typed\n" "err\n" 5`)
	equal(t, "the end by a signal", c.exec(t, "sh", "-c", "kill -9 $$").code, 137)

	terminal := c.command("exec", "--process", c.processFile(t, true, "sh"), c.id)
	shown := typeInto(t, terminal, "stty size; tty; echo $((6*7)); exit\n", 33, 77)
	for _, want := range []string{"33 77", "/dev/pts/", "42"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the terminal shows %q, want %q in it", shown, want)
		}
	}

	e := c.conmonExec(t, false, "detached", "sh", "-c", "echo out; echo err >&2; exit 6")
	equal(t, "exit code of a detached exec", e.code, "6")
	equal(t, "its log", sortedLines(e.log(t)), "stderr F err\nstdout F out")
	e = c.conmonExec(t, true, "attached", "sh")
	shown = e.attach(t, "tty; stty size; echo $((6*7)); exit 8\n")
	for _, want := range []string{"/dev/pts/", "42"} {
		if !strings.Contains(shown, want) {
			t.Errorf("conmon's attach socket shows %q, want %q in it", shown, want)
		}
	}
	equal(t, "exit code of an exec with a terminal", e.exitCode(t), "8")
	if name == "bulkhead" {
		e = c.conmonExec(t, false, "status", "cat", "/proc/self/status")
		equal(t, "exit code", e.code, "0")
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(e.log(t), want) {
				t.Errorf("an exec through conmon has %s, want %q", e.log(t), want)
			}
		}
	}
	c.killed(t)
}

// crioTerminal: attaching to a container with a terminal and input, and giving the terminal a size, as kubectl attach does.
func crioTerminal(t *testing.T, name string) {
	c := newCRIO(t, name, args("sh", "-c", "read go; stty size; read x; echo got $x; exit 4"), func(s *specs.Spec) { s.Process.Terminal = true })
	c.stdin = true
	c.create(t)
	c.do(t, "start", c.id)
	// CRI-O writes "1 HEIGHT WIDTH" into this pipe.
	ctl, err := os.OpenFile(c.dir+"/ctl", os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ctl.WriteString("1 25 91\n"); err != nil {
		t.Fatal(err)
	}
	_ = ctl.Close()
	time.Sleep(200 * time.Millisecond) // conmon sets the size in its own time, and the shell waits
	shown := c.attach(t, "go\nword\n")
	for _, want := range []string{"25 91", "got word"} {
		if !strings.Contains(shown, want) {
			t.Errorf("the terminal shows %q, want %q in it", shown, want)
		}
	}
	equal(t, "exit code", c.exitCode(t), "4")
	c.do(t, "delete", "--force", c.id)
}

// crioLife: kill -a, update from a file, and what CRI-O reads again when it, or conmon, has died meanwhile.
func crioLife(t *testing.T, name string) {
	c := newCRIO(t, name, args("sh", "-c", "sleep 1000 & sleep 1001 & wait; wait"))
	pid := c.create(t)
	c.do(t, "start", c.id)
	eventually(t, "the children", func() error {
		if n := strings.Count(c.exec(t, "ps", "-o", "args").stdout, "sleep 100"); n < 2 {
			return fmt.Errorf("%d children", n)
		}
		return nil
	})
	if err := os.WriteFile(c.dir+"/resources", []byte(`{"memory": {"limit": 100663296}, "cpu": {"shares": 256, "quota": 50000, "period": 100000}, "pids": {"limit": 77}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.do(t, "update", "--resources", c.dir+"/resources", c.id)
	equal(t, "memory limit", cgroupValue(t, pid, "memory", memoryLimitFile()), "100663296")
	equal(t, "limit of tasks", cgroupValue(t, pid, "pids", "pids.max"), "77")

	conmon, err := strconv.Atoi(strings.TrimSpace(readDoc(t, c.dir+"/conmon-pidfile")))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(conmon, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	state := c.state(t)
	equal(t, "state without conmon", fmt.Sprint(state.Status, state.Pid), fmt.Sprint(specs.StateRunning, pid))
	equal(t, "bundle", state.Bundle, c.dir)
	equal(t, "an exec without conmon", must(t, c.exec(t, "echo", "fine")), "fine")
	c.do(t, "kill", "-a", c.id, "KILL")
	eventually(t, "the end", func() error {
		if s := c.state(t); s.Status != specs.StateStopped {
			return fmt.Errorf("state is %s", s.Status)
		}
		return nil
	})
	// CRI-O takes these words of kill for "it has ended".
	if r := c.try(t, "kill", c.id, "TERM"); r.code == 0 || !strings.Contains(r.stderr, "container not running") {
		t.Errorf("kill after the end: %s", r)
	}
	c.do(t, "delete", "--force", c.id)
}

// killed ends a container as CRI-O does when its time is up.
func (c *crio) killed(t *testing.T) {
	t.Helper()
	c.do(t, "kill", "-a", c.id, "KILL")
	equal(t, "exit code", c.exitCode(t), "137")
	c.do(t, "delete", "--force", c.id)
}

// processFile is the process of an exec as CRI-O makes it of the container's own.
func (c *crio) processFile(t *testing.T, terminal bool, command ...string) string {
	t.Helper()
	var s specs.Spec
	decode(t, readDoc(t, c.dir+"/config.json"), &s)
	s.Process.Args, s.Process.Terminal = command, terminal
	data, err := json.Marshal(s.Process)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(c.dir, "exec-process-")
	if err == nil {
		_, err = file.Write(data)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// A crioExec is an exec that conmon looks after.
type crioExec struct {
	dir, id, container string
	// code is the exit code of one that nobody attaches to.
	code string
}

// conmonExec runs a command by conmon, which detaches it from the runtime: with --console-socket when it has a terminal.
func (c *crio) conmonExec(t *testing.T, terminal bool, id string, command ...string) crioExec {
	t.Helper()
	e := crioExec{dir: filepath.Join(c.dir, "exec-"+id), id: id, container: c.id}
	must(t, run(t, exec.Command("mkdir", e.dir, e.dir+"/exits", e.dir+"/sockets")))
	list := []string{"-b", e.dir, "-c", c.id, "-u", id, "-n", "exec", "-r", c.program, "--runtime-arg", "--root=" + c.bundle.state, "--exit-dir", e.dir + "/exits",
		"-l", e.dir + "/log", "-p", e.dir + "/pid", "-P", e.dir + "/conmon-pidfile", "--socket-dir-path", e.dir + "/sockets",
		"-e", "--exec-process-spec", c.processFile(t, terminal, command...)}
	if terminal {
		list = append(list, "--api-version", "1", "-t", "-i", "--exec-attach")
	}
	sync, syncWrite := pipe(t)
	attach, attachWrite := pipe(t)
	startRead, start := pipe(t)
	cmd := exec.Command("conmon", list...)
	cmd.Dir = e.dir
	output, err := os.Create(e.dir + "/conmon-output")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = output.Close() }()
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{syncWrite, startRead, attachWrite}
	cmd.Env = append(os.Environ(), "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4", "_OCI_ATTACHPIPE=5")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _, _ = syncWrite.Close(), startRead.Close(), attachWrite.Close()
	if _, err := start.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if terminal { // conmon says when its socket is there, and waits for the next byte
		if _, err := bufio.NewReader(attach).ReadBytes('\n'); err != nil {
			t.Fatalf("read conmon's attach pipe: %v: %s", err, readDoc(t, e.dir+"/conmon-output"))
		}
		if _, err := start.Write([]byte{0}); err != nil {
			t.Fatal(err)
		}
	}
	_ = start.Close()
	line, err := bufio.NewReader(sync).ReadBytes('\n')
	_ = cmd.Wait()
	var report conmonReport
	decode := json.Unmarshal(line, &report)
	// It tells the process of an exec that somebody attaches to, and of another only how it ended.
	if decode != nil || terminal && report.Data <= 0 || !terminal && report.ExitCode == nil {
		t.Fatalf("conmon reports %q: %v: %v: %s", line, err, decode, readDoc(t, e.dir+"/conmon-output"))
	}
	if report.ExitCode != nil {
		e.code = strconv.Itoa(*report.ExitCode)
	}
	return e
}
