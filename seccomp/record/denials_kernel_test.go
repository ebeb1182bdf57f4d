package record

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// workloadVariable has the test program be a workload instead: see workload_test.go.
const workloadVariable = "BULKHEAD_RECORD_WORKLOAD"

func TestMain(m *testing.M) {
	if what := os.Getenv(workloadVariable); what != "" {
		workload(what)
		return
	}
	os.Exit(m.Run())
}

// requireBPF skips only where the kernel does not let the tests load anything.
func requireBPF(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading BPF programs takes root")
	}
	m, err := newMaps()
	if err != nil {
		t.Skipf("this host takes no BPF: %v", err)
	}
	_ = m.close()
}

func errno(n uint) *uint { return &n }

// testProfile denies in every way that there is.
func testProfile() *specs.LinuxSeccomp {
	rule := func(action specs.LinuxSeccompAction, ret *uint, name string, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{name}, Action: action, ErrnoRet: ret, Args: args}
	}
	arch := map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}[runtime.GOARCH]
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow, Architectures: []specs.Arch{arch},
		Syscalls: []specs.LinuxSyscall{
			rule(specs.ActErrno, errno(1), "getppid"),
			rule(specs.ActErrno, errno(97), "socket", specs.LinuxSeccompArg{Index: 0, Value: 38, Op: specs.OpEqualTo}),
			rule(specs.ActTrap, nil, "times"),
			rule(specs.ActKillThread, nil, "sysinfo"),
			rule(specs.ActKillProcess, nil, "getpgid"),
		},
	}
}

// A child is a workload in a mount namespace of its own and under the test profile's filter.
type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// startChild returns when the child has its filter and waits.
func startChild(t *testing.T, what string) *child {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), workloadVariable+"="+what)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("child says %q: %v", line, err)
	}
	return &child{cmd, stdin}
}

// finish lets the child do its work and waits for its end.
func (c *child) finish(t *testing.T) {
	t.Helper()
	hung := time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() })
	defer hung.Stop()
	_, err := io.WriteString(c.stdin, "go\n")
	if err == nil {
		err = c.cmd.Wait()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watchChild runs a workload from its start to its end under a watcher and gives the rows, without PIDs.
func watchChild(t *testing.T, what string) map[string]uint64 {
	t.Helper()
	requireBPF(t)
	e, err := NewExplainer(testProfile(), nil, "test", runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	c := startChild(t, what)
	target, err := DenialTargetOf(c.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	w, err := WatchDenials(target, e, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	before := time.Now()
	c.finish(t)
	list, losses, err := w.Read()
	if err != nil || losses != (Losses{NoDeaths: losses.NoDeaths}) {
		t.Fatalf("read: %+v, %v", losses, err)
	}
	rows := map[string]uint64{}
	for _, d := range list {
		rows[fmt.Sprintf("%s(%s) = %s by %s", d.Call, d.Arguments, d.Verdict, d.By)] += d.Count
		if d.HostPID == 0 || d.Process == "" || d.Last.Before(before.Add(-time.Second)) || d.Last.After(time.Now().Add(time.Second)) {
			t.Errorf("row without process or time: %+v", d)
		}
	}
	return rows
}

// TestDenialsOfEveryKind compares what is told with what the workload does.
func TestDenialsOfEveryKind(t *testing.T) {
	for what, want := range map[string]map[string]uint64{
		"errno": {
			"getppid() = EPERM by profile":                             3,
			"socket(AF_ALG, SOCK_STREAM, 0) = EAFNOSUPPORT by profile": 2,
		},
		// A thread that was in user mode when the watcher came, and whose first call is denied.
		"first": {"getppid() = EPERM by profile": 1},
		// A filter that the workload brings itself.
		"own":          {"umask() = EDOM by process": 2, "getppid() = EPERM by profile": 1},
		"trap":         {"times() = SIGSYS by profile": 1},
		"kill-thread":  {"sysinfo() = killed by profile": 1, "getppid() = EPERM by profile": 1},
		"kill-process": {"getpgid() = killed by profile": 1},
		"foreign":      {"system call 1073741863() = killed by runtime": 1},
		"nothing":      {},
	} {
		t.Run(what, func(t *testing.T) {
			if what == "foreign" && runtime.GOARCH != "amd64" {
				t.Skip("x32 calls are of amd64")
			}
			if got := watchChild(t, what); !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestDenialsOfShortProcesses has 60 processes that end right after their one denied call.
func TestDenialsOfShortProcesses(t *testing.T) {
	if got, want := watchChild(t, "processes"), map[string]uint64{"getppid() = EPERM by profile": 60}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
