package record

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// recordChild records a workload from its start to its end. during may be nil.
func recordChild(t *testing.T, what string, sizes recorderSizes, during func(*Recorder)) *recording.Recording {
	t.Helper()
	requireBPF(t)
	c := startChild(t, what)
	target, err := DenialTargetOf(c.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRecorder(target, time.Now(), sizes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}()
	if !r.Joined() {
		t.Error("the child runs already: want a recorder that joined")
	}
	if during != nil {
		during(r)
	}
	c.finish(t)
	rec := &recording.Recording{}
	if changed, err := r.Read(rec, time.Now()); err != nil || !changed {
		t.Fatalf("changed %t, %v", changed, err)
	}
	if err := rec.Check(); err != nil {
		t.Error(err)
	}
	if began, err := r.Began(); err != nil || !began {
		t.Errorf("began %t, %v", began, err)
	}
	return rec
}

// recordedCall is a call by name, or the zero Call.
func recordedCall(rec *recording.Recording, name string) recording.Call {
	i := slices.IndexFunc(rec.Calls, func(c recording.Call) bool { return c.Name == name })
	if i < 0 {
		return recording.Call{}
	}
	return rec.Calls[i]
}

// TestRecorderCounts compares with what the workload does: calls that pass, that are denied, and that end a thread or a process.
func TestRecorderCounts(t *testing.T) {
	for _, test := range []struct {
		what, call     string
		count, denied  uint64
		arguments      string
		architecture   string
		needsProcessor string
	}{
		{what: "errno", call: "getppid", count: 3, denied: 3},
		{what: "errno", call: "socket", count: 3, denied: 2, arguments: "[{[1 1 0] 1} {[38 1 0] 2}]"},
		{what: "errno", call: "chdir", count: 1},
		{what: "own", call: "umask", count: 2, denied: 2},
		{what: "trap", call: "times", count: 1, denied: 1},
		{what: "kill-thread", call: "sysinfo", count: 1, denied: 1},
		{what: "kill-process", call: "getpgid", count: 1, denied: 1},
		{what: "processes", call: "getppid", count: 60, denied: 60},
		{what: "foreign", call: "getpid", count: 1, denied: 1, architecture: "SCMP_ARCH_X32", needsProcessor: "amd64"},
	} {
		t.Run(test.what+"/"+test.call, func(t *testing.T) {
			if test.needsProcessor != "" && test.needsProcessor != runtime.GOARCH {
				t.Skipf("x32 calls are of %s", test.needsProcessor)
			}
			rec := recordChild(t, test.what, usualSizes(), nil)
			if rec.Losses.Lost() {
				t.Errorf("losses: %+v", rec.Losses)
			}
			i := slices.IndexFunc(rec.Calls, func(c recording.Call) bool { return c.Name == test.call && c.Architecture == test.architecture })
			if i < 0 {
				t.Fatalf("%s was not seen in %v", test.call, rec.Calls)
			}
			c := rec.Calls[i]
			if c.Count() != test.count || c.Denied != test.denied {
				t.Errorf("%s: %d calls, %d denied, want %d and %d", test.call, c.Count(), c.Denied, test.count, test.denied)
			}
			if test.arguments != "" && fmt.Sprint(c.Arguments.Values) != test.arguments {
				t.Errorf("arguments: %v, want %s", c.Arguments.Values, test.arguments)
			}
		})
	}
}

// TestRecorderTooMany gives up the arguments of a call with many combinations, which is no loss: the calls are counted.
func TestRecorderTooMany(t *testing.T) {
	sizes := usualSizes()
	sizes.combinations = 1
	rec := recordChild(t, "errno", sizes, nil)
	c := recordedCall(rec, "socket")
	if c.Count() != 3 || c.Arguments == nil || !c.Arguments.Any || len(c.Arguments.Values) > 0 || rec.Losses.Lost() {
		t.Errorf("socket is %d, %+v; losses %+v", c.Count(), c.Arguments, rec.Losses)
	}
}

// TestRecorderLosses forces losses with small tables: each is told.
func TestRecorderLosses(t *testing.T) {
	sizes := usualSizes()
	sizes.held = 1
	rec := recordChild(t, "errno", sizes, nil)
	if rec.Losses.Combinations == 0 {
		t.Errorf("losses of a full table of combinations: %+v", rec.Losses)
	}
	if c := recordedCall(rec, "socket"); c.Count() != 3 {
		t.Errorf("socket was made %d times, want 3", c.Count())
	}
	for _, c := range rec.Calls {
		if c.Arguments != nil && !c.Arguments.Any && len(c.Arguments.Values) == 0 {
			t.Errorf("%s has neither values nor any", c)
		}
	}
	sizes = usualSizes()
	sizes.odd = 1
	rec = recordChild(t, "odd", sizes, nil)
	if rec.Losses.Calls < 50 {
		t.Errorf("losses of a full table of numbers: %+v, want about 100", rec.Losses)
	}
	rec = recordChild(t, "odd", usualSizes(), nil)
	numbers := 0
	for _, c := range rec.Calls {
		if c.Name == "" && c.Number >= 5000 && c.Number < 5100 && c.Count() == 1 {
			numbers++
		}
	}
	if numbers != 100 || rec.Losses.Lost() {
		t.Errorf("%d numbers without a name, want 100; losses %+v", numbers, rec.Losses)
	}
}

// TestRecorderMark begins the second phase by hand, once.
func TestRecorderMark(t *testing.T) {
	rec := recordChild(t, "errno", usualSizes(), func(r *Recorder) {
		for range 2 {
			if err := r.Mark(); err != nil {
				t.Fatal(err)
			}
		}
	})
	if len(rec.Phases) != 2 || rec.Phases[1].By != recording.ByMark || rec.Phases[1].Began.Before(rec.Started) {
		t.Fatalf("phases are %+v", rec.Phases)
	}
	if seen := recordedCall(rec, "getppid").Seen; len(seen) != 1 || seen[0].Phase != recording.Serving {
		t.Errorf("getppid was made in %+v", seen)
	}
}

// TestRecorderPhases ends the startup with listen, with accept, and not with a denied call.
func TestRecorderPhases(t *testing.T) {
	for what, want := range map[string]string{"listen": recording.ByListen, "accept": recording.ByAccept, "errno": ""} {
		rec := recordChild(t, what, usualSizes(), nil)
		by := ""
		if len(rec.Phases) > 1 {
			by = rec.Phases[1].By
		}
		if by != want {
			t.Errorf("%s: the second phase began by %q, want %q", what, by, want)
		}
	}
}

// TestRecorderOutside sees nothing of processes that are in no container, and of those of another one.
func TestRecorderOutside(t *testing.T) {
	rec := recordChild(t, "nothing", usualSizes(), func(*Recorder) {
		other := startChild(t, "errno")
		other.finish(t)
		call(unix.SYS_GETPPID, 5)
	})
	if c := recordedCall(rec, "getppid"); c.Count() != 0 {
		t.Errorf("getppid was seen %d times", c.Count())
	}
}

// TestRecorderPrivileges loads everything as nobody with two capabilities, and has the message without them.
func TestRecorderPrivileges(t *testing.T) {
	requireBPF(t)
	c := startChild(t, "nothing")
	target, err := DenialTargetOf(c.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		caps []uintptr
		want string
	}{
		{[]uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "recording"},
		{nil, `record system calls: make map "bulkhead_ctl": the process lacks CAP_BPF and CAP_PERFMON: run it as root: operation not permitted`},
		{[]uintptr{unix.CAP_BPF}, `record system calls: load program for tracepoint "sys_enter": the process lacks CAP_PERFMON: run it as root: operation not permitted`},
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), workloadVariable+"=record", "BULKHEAD_RECORD_TARGET="+string(encoded))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: test.caps}
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != test.want {
			t.Errorf("with capabilities %v: got %q (%v), want %q", test.caps, got, err, test.want)
		}
	}
}
