package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// deniedProgram builds a program that makes denied calls and hides the errors.
var deniedProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "denied")
	if err != nil {
		return "", err
	}
	atEnd(func() error { return os.RemoveAll(dir) })
	source, err := os.ReadFile("testdata/seccomp/denied.go.txt")
	if err == nil {
		err = os.WriteFile(dir+"/main.go", source, 0o600)
	}
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir+"/denied", dir+"/main.go")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir + "/denied", nil
})

// newDenied makes a bundle whose process is that program.
func newDenied(t *testing.T, mode string) *bundle {
	t.Helper()
	program, err := deniedProgram()
	if err != nil {
		t.Fatal(err)
	}
	b := newBundle(t, "bulkhead", args("/denied", mode))
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(b.dir+"/rootfs/denied", data, 0o755) //nolint:gosec // a program of the container
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A denialsDocument is what `seccomp denials --json` prints.
type denialsDocument struct {
	Container, Profile string
	Ended              bool
	Denied             uint64
	Denials            []denialRow
	Losses             struct{ WithoutProcess, Missed uint64 }
	Notes              []string
}

type denialRow struct {
	Process, Call, Arguments, Verdict, By, Group, Rule, Why string
	Pid, HostPid                                            int
	Count                                                   uint64
}

// A denialsWatch is a running `seccomp denials`.
type denialsWatch struct {
	cmd    *exec.Cmd
	stdout *os.File
}

// watchDenials returns when the container is being watched.
func watchDenials(t *testing.T, b *bundle, options ...string) *denialsWatch {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	w := &denialsWatch{cmd: ctl(t, slices.Concat([]string{"seccomp", "denials", "--root", b.state}, options, []string{b.id})...), stdout: out}
	w.cmd.Stdout = out
	stderr, err := w.cmd.StderrPipe()
	if err == nil {
		err = w.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.cmd.Process.Kill()
		_ = w.cmd.Wait()
		_ = out.Close()
	})
	line, err := bufio.NewReader(stderr).ReadString('\n')
	if want := fmt.Sprintf("watching %s (profile \"default\"); Ctrl-C ends with a summary\n", b.id); line != want {
		rest, _ := io.ReadAll(stderr)
		t.Fatalf("first line is %q (%v), want %q\n%s", line, err, want, rest)
	}
	return w
}

// text waits for the end and gives what was printed.
func (w *denialsWatch) text(t *testing.T) string {
	t.Helper()
	if err := w.cmd.Wait(); err != nil {
		t.Fatalf("seccomp denials: %v", err)
	}
	data, err := os.ReadFile(w.stdout.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (w *denialsWatch) document(t *testing.T) denialsDocument {
	t.Helper()
	var d denialsDocument
	if err := json.Unmarshal([]byte(w.text(t)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// wantDenied is what the program does, by process name: every call that it makes on purpose, and no other.
var wantDenied = map[string]uint64{
	"denied unshare(CLONE_NEWUSER) = EPERM profile namespaces":                               5,
	"denied socket(AF_ALG, SOCK_SEQPACKET, 0) = EPERM profile network":                       3,
	"denied socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, 12) = EPROTONOSUPPORT profile network": 2,
	"denied keyctl(0) = EPERM profile keys":                                                  4,
	"denied clone3() = ENOSYS profile process":                                               1,
	"denied personality(0x40000) = EPERM profile control":                                    1,
	"denied ioctl(TIOCSTI) = EPERM profile control":                                          2,
	"denied io_uring_setup() = EPERM profile io_uring":                                       1,
	"denied system call 1000() = ENOSYS runtime ":                                            1,
	"denied unshare(CLONE_NEWNET) = EPERM profile namespaces":                                40,
	"exe unshare(CLONE_NEWNS) = EPERM profile namespaces":                                    3,
	"exe bpf(BPF_PROG_LOAD) = EPERM profile tracing":                                         2,
}

func (r denialRow) text() string {
	return fmt.Sprintf("%s %s(%s) = %s %s %s", r.Process, r.Call, r.Arguments, r.Verdict, r.By, r.Group)
}

// TestSeccompDenials watches a container from before its first instruction to its end, while another container and the host
// make denied calls too, and compares with what the program does and with what strace sees.
func TestSeccompDenials(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "strace", "go")
	b := newDenied(t, "all")
	must(t, b.create(t))
	w := watchDenials(t, b, "--json")
	trace := straceOf(t, b.pid(t))
	noise := newDenied(t, "noise")
	noise.running(t)
	noise.waitStatus(t, "stopped")
	b.do(t, "start", b.id)
	b.waitStatus(t, "stopped")
	d := w.document(t)
	if d.Container != b.id || d.Profile != "default" || !d.Ended || d.Losses.WithoutProcess+d.Losses.Missed != 0 {
		t.Errorf("document is %+v", d)
	}
	got, sum := map[string]uint64{}, uint64(0)
	for _, r := range d.Denials {
		got[r.text()] += r.Count
		sum += r.Count
		if r.Pid == 0 || r.HostPid == 0 || r.Why == "" || r.By == "profile" && r.Rule == "" {
			t.Errorf("row without PID or reason: %+v", r)
		}
	}
	if !maps.Equal(got, wantDenied) || sum != d.Denied {
		t.Errorf("denied (sum %d of %d):\n%s\nwant:\n%s", sum, d.Denied, denialsLines(got), denialsLines(wantDenied))
	}
	byCall := map[string]uint64{}
	for _, r := range d.Denials {
		byCall[r.Call+" "+r.Verdict] += r.Count
	}
	if seen := trace.failed(t, byCall); !maps.Equal(byCall, seen) {
		t.Errorf("denied:\n%s\nstrace saw:\n%s", denialsLines(byCall), denialsLines(seen))
	}
}

func denialsLines(m map[string]uint64) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%6d  %s", m[k], k))
	}
	return strings.Join(out, "\n")
}

// TestSeccompDenialsLines are what a pipe gets, with the summary that Ctrl-C asks for; nothing stays in the kernel.
func TestSeccompDenialsLines(t *testing.T) {
	requireRoot(t)
	before := bulkheadPrograms(t)
	b := newBundle(t, "bulkhead", args("sh", "-c", "while ! test -e /tmp/go; do sleep 0.1; done; unshare -U true; touch /tmp/done; exec sleep 1000"), writableTmp)
	b.running(t)
	w := watchDenials(t, b)
	b.do(t, "exec", b.id, "touch", "/tmp/go")
	want := "unshare(CLONE_NEWUSER) = EPERM, 1 time: namespaces: new and joined namespaces open"
	eventually(t, "a line", func() error {
		data, err := os.ReadFile(w.stdout.Name())
		if err == nil && !strings.Contains(string(data), want) {
			err = fmt.Errorf("output is %q", data)
		}
		return err
	})
	refused(t, b.try(t, "exec", b.id, "unshare", "-U", "true"), "unshare")
	if err := w.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	text := w.text(t)
	for _, want := range []string{want, "2 system calls of " + b.id + " denied in ", "       2  unshare [2 processes] unshare(CLONE_NEWUSER) = EPERM\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	noNewPrograms(t, before)
}

func writableTmp(s *specs.Spec) {
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/tmp", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev"}})
}

// TestSeccompDenialsKilled leaves nothing behind when the watcher is killed.
func TestSeccompDenialsKilled(t *testing.T) {
	requireRoot(t)
	before := bulkheadPrograms(t)
	b := newBundle(t, "bulkhead")
	b.running(t)
	w := watchDenials(t, b)
	if during := bulkheadPrograms(t); len(during) < len(before)+3 {
		t.Errorf("programs while watching: %v, before: %v", during, before)
	}
	_ = w.cmd.Process.Kill()
	_ = w.cmd.Wait()
	noNewPrograms(t, before)
}

// bulkheadPrograms are the BPF programs of bulkhead in the kernel.
func bulkheadPrograms(t *testing.T) map[ebpf.ProgramID]bool {
	t.Helper()
	out := map[ebpf.ProgramID]bool{}
	for id := ebpf.ProgramID(0); ; {
		next, err := ebpf.ProgramGetNextID(id)
		if err != nil {
			return out
		}
		id = next
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if info, err := p.Info(); err == nil && strings.HasPrefix(info.Name, "bulkhead_") {
			out[id] = true
		}
		_ = p.Close()
	}
}

// noNewPrograms waits until the kernel has freed what was not there before.
func noNewPrograms(t *testing.T, before map[ebpf.ProgramID]bool) {
	t.Helper()
	eventually(t, "the programs to be freed", func() error {
		for id := range bulkheadPrograms(t) {
			if !before[id] {
				return fmt.Errorf("program %d is there", id)
			}
		}
		return nil
	})
}

// TestSeccompDenialsRefusals are the messages for what cannot be watched.
func TestSeccompDenialsRefusals(t *testing.T) {
	b := newBundle(t, "bulkhead", args("true"))
	b.running(t)
	b.waitStatus(t, "stopped")
	r := run(t, ctl(t, "seccomp", "denials", "--root", b.state, b.id))
	equal(t, "message", r.stderr, fmt.Sprintf("bulkheadctl: watch %q: it is stopped and has no process\n", b.id))
	r = run(t, ctl(t, "seccomp", "denials", "--root", b.state, "--duration", "-1s", b.id))
	equal(t, "message", r.stderr, "bulkheadctl: read --duration: got -1s, want a positive time\n")
}
