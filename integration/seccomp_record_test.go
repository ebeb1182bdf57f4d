package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// recordedCreate creates a bundle's container with a recording, and gives the file.
func recordedCreate(t *testing.T, b *bundle) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "recording.json")
	must(t, b.withFiles(t, "--record", "--record-file", file, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
	return file
}

// readRecording reads a file that has to be valid.
func readRecording(t *testing.T, file string) *recording.Recording {
	t.Helper()
	r, err := recording.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// completeRecording waits for the end of a recording.
func completeRecording(t *testing.T, file string) *recording.Recording {
	t.Helper()
	eventually(t, "the recording's end", func() error {
		r, err := recording.Read(file)
		if err == nil && r.Ended.IsZero() {
			err = errors.New("it goes on")
		}
		return err
	})
	return readRecording(t, file)
}

// counts are a recording's calls by name; one without a name is told as strace does.
func counts(r *recording.Recording) map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range r.Calls {
		name := c.Name
		if name == "" {
			name = fmt.Sprintf("syscall_%#x", c.Number)
		}
		out[name] += c.Count()
	}
	return out
}

func callOf(r *recording.Recording, name string) recording.Call {
	for _, c := range r.Calls {
		if c.Name == name {
			return c
		}
	}
	return recording.Call{}
}

// Lines of strace's output, after the thread's ID: the beginning of a call, and a result.
var (
	beganCall = regexp.MustCompile(`^(\d+) +([a-z_0-9]+)\(`)
	madeCall  = regexp.MustCompile(`^(\d+) .* = (?:-?\d|0x)`)
)

// workloadCalls counts by name what strace saw from the first execve of a container's first process on, and how many of those had no
// result because their thread was ended in them: a tracer sees a call before filter and recorder do.
func (s *denialsTrace) workloadCalls(t *testing.T) (calls, cut map[string]uint64) {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	data, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	calls, cut = map[string]uint64{}, map[string]uint64{}
	began, inside := false, map[string]string{}
	for line := range strings.Lines(string(data)) {
		if m := beganCall.FindStringSubmatch(line); m != nil {
			if began = began || m[2] == "execve"; began {
				calls[m[2]]++
				inside[m[1]] = m[2]
			}
		}
		if m := madeCall.FindStringSubmatch(line); m != nil {
			delete(inside, m[1])
		}
	}
	for _, name := range inside {
		cut[name]++
	}
	return calls, cut
}

// TestSeccompRecordLikeStrace records a program with threads, children that end at once, swapped programs, denied and unknown calls,
// and compares every count with strace's, while another container and the host make calls, too.
func TestSeccompRecordLikeStrace(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "strace", "go")
	before := bulkheadPrograms(t)
	b := newDenied(t, "all")
	file := recordedCreate(t, b)
	trace := straceOf(t, b.pid(t))
	noise := newDenied(t, "noise")
	noise.running(t)
	noise.waitStatus(t, "stopped")
	b.do(t, "start", b.id)
	b.waitStatus(t, "stopped")
	r := completeRecording(t, file)
	got := counts(r)
	want, cut := trace.workloadCalls(t)
	for name := range cut {
		if got[name] < want[name] && got[name]+cut[name] >= want[name] {
			want[name] = got[name]
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("recorded:\n%s\nstrace saw:\n%s\nof which without a result:\n%s", denialsLines(got), denialsLines(want), denialsLines(cut))
	}
	if r.Losses.Lost() || r.Joined || r.Container != b.id || r.Phases[0].By != recording.ByExec || r.Command[0] != "/denied" || r.Libc != "" || r.Profile != "default" {
		t.Errorf("recording is %+v", r)
	}
	for name, denied := range map[string]uint64{"unshare": 48, "socket": 5, "keyctl": 4, "ioctl": 2, "personality": 1, "openat": 0} {
		if c := callOf(r, name); c.Denied != denied {
			t.Errorf("%s was denied %d times, want %d", name, c.Denied, denied)
		}
	}
	family := callOf(r, "socket").Arguments
	if family == nil || !slices.EqualFunc(family.Values, [][]uint64{{16, 3, 12}, {38, 5, 0}}, func(c recording.Combination, v []uint64) bool { return slices.Equal(c.Values, v) }) {
		t.Errorf("arguments of socket are %+v", family)
	}
	b.do(t, "delete", b.id)
	noNewPrograms(t, before)
}

// TestSeccompRecordExec has what exec'd processes do, but not what the runtime does on the way to them.
func TestSeccompRecordExec(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", args("sleep", "1000"), writableTmp)
	file := recordedCreate(t, b)
	b.do(t, "start", b.id)
	for i := range 5 {
		b.do(t, "exec", b.id, "mkdir", fmt.Sprintf("/tmp/%d", i))
	}
	b.do(t, "kill", b.id, "KILL")
	b.waitStatus(t, "stopped")
	r := completeRecording(t, file)
	if n := callOf(r, "mkdir").Count(); n != 5 {
		t.Errorf("mkdir was made %d times, want 5", n)
	}
	if n := callOf(r, "execve").Count(); n != 6 {
		t.Errorf("execve was made %d times, want 6: the first process's and those of 5 exec'd ones", n)
	}
	// A static busybox makes none of these, the Go program that is the runtime all.
	for _, name := range []string{"epoll_ctl", "epoll_create1", "capset", "sigaltstack", "futex", "seccomp"} {
		if c := callOf(r, name); c.Count() > 0 {
			t.Errorf("%s was made %d times: it is the runtime's", name, c.Count())
		}
	}
}

// TestSeccompRecordApart records two containers at once, each of which makes a call that the other does not.
func TestSeccompRecordApart(t *testing.T) {
	requireRoot(t)
	one := newBundle(t, "bulkhead", args("sh", "-c", "i=0; while test $i -lt 50; do mkdir /tmp/$i; i=$((i+1)); done"), writableTmp)
	other := newBundle(t, "bulkhead", args("sh", "-c", "i=0; while test $i -lt 50; do ln -s a /tmp/$i; i=$((i+1)); done"), writableTmp)
	files := []string{recordedCreate(t, one), recordedCreate(t, other)}
	for _, b := range []*bundle{one, other} {
		b.do(t, "start", b.id)
	}
	must(t, run(t, exec.Command("mkdir", filepath.Join(t.TempDir(), "of-the-host"))))
	for i, want := range []map[string]uint64{{"mkdir": 50, "symlink": 0}, {"mkdir": 0, "symlink": 50}} {
		r := completeRecording(t, files[i])
		for name, n := range want {
			if got := callOf(r, name).Count(); got != n {
				t.Errorf("container %d made %s %d times, want %d", i, name, got, n)
			}
		}
	}
}

// recorderOf is the process that records a container.
func recorderOf(t *testing.T, b *bundle) *os.Process {
	t.Helper()
	out := must(t, run(t, ctl(t, "explain", "--root", b.state, "--json", b.id)))
	m := regexp.MustCompile(`"recorder": \{\s*"file": "[^"]*",\s*"pid": (\d+)`).FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no recorder in %s", out)
	}
	var pid int
	_, _ = fmt.Sscan(m[1], &pid)
	p, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSeccompRecordKilled kills the recorder: what it saw until then is in the file, which says that it was cut short. The
// container goes on.
func TestSeccompRecordKilled(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", args("sh", "-c", "mkdir /tmp/a; while ! test -e /tmp/go; do sleep 0.1; done"), writableTmp)
	file := recordedCreate(t, b)
	b.do(t, "start", b.id)
	eventually(t, "the first calls in the file", func() error {
		r, err := recording.Read(file)
		if err == nil && callOf(r, "mkdir").Count() == 0 {
			err = errors.New("mkdir is not in it")
		}
		return err
	})
	if err := recorderOf(t, b).Kill(); err != nil {
		t.Fatal(err)
	}
	b.do(t, "exec", b.id, "touch", "/tmp/go")
	b.waitStatus(t, "stopped")
	b.do(t, "delete", b.id)
	r := readRecording(t, file)
	if !r.Losses.CutShort || !r.Ended.IsZero() || callOf(r, "mkdir").Count() != 1 {
		t.Errorf("recording is %+v", r)
	}
}

// TestSeccompRecordNothing leaves no file of a container that never began, and no process.
func TestSeccompRecordNothing(t *testing.T) {
	requireRoot(t)
	before := bulkheadPrograms(t)
	b := newBundle(t, "bulkhead")
	file := recordedCreate(t, b)
	p := recorderOf(t, b)
	if state := b.do(t, "state", b.id); !strings.Contains(state, fmt.Sprintf("%q: %q", "dev.bulkhead.recording", file)) {
		t.Errorf("state does not name the recording: %s", state)
	}
	b.do(t, "delete", b.id)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/exe", p.Pid)); err == nil {
		t.Error("the recorder has not ended")
	}
	noNewPrograms(t, before)
}

// TestSeccompRecordRefusals are containers that cannot be recorded: there is none then.
func TestSeccompRecordRefusals(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead")
	file := filepath.Join(b.dir, "there")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := b.withFiles(t, "--record", "--record-file", file, "create", "--bundle", b.dir, b.id)
	refused(t, r, "record ", b.id, fmt.Sprintf(": make recording: open %s: file exists\"\n", file))
	equal(t, "state", b.try(t, "state", b.id).code, 1)
	r = b.withFiles(t, "--record", "--record-file", b.dir+"/not/there", "create", "--bundle", b.dir, b.id)
	refused(t, r, fmt.Sprintf(": make recording: open %s/not/there: it is absent\"\n", b.dir))
	equal(t, "state", b.try(t, "state", b.id).code, 1)
}
