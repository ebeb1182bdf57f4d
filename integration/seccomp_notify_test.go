package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// TestSeccompNotifyCounts compares a run with what the program is known to do, and with what it may do.
func TestSeccompNotifyCounts(t *testing.T) {
	requireRoot(t)
	rec, r := recordDirect(t, nil, []string{requireNotifyProgram(t), "calls"})
	equal(t, "output", r.stdout, "unshare: EPERM\nkeyctl: EPERM\nclone3: ENOSYS\nAF_ALG: EPERM\n")
	got := callCounts(rec)
	for name, want := range map[string]uint64{
		"getppid startup": 2000, "clone startup": 4, "exit startup": 4, "socketpair startup": 1, "socket startup": 2, "listen serving": 1,
		"getpgid serving": 1, "execve startup": 1, "exit_group serving": 1, "unshare startup": 0, "keyctl startup": 0, "clone3 startup": 0,
	} {
		if got[name] != want {
			t.Errorf("%s: got %d, want %d", name, got[name], want)
		}
	}
	for _, want := range []string{"socket [0x1 0x1 0x0]", "socket [0x2 0x2 0x11]", "setsockopt [0x1 0x2]", "prctl [0xf]", "prctl [0x3]", "fcntl [0x3]", "ioctl [0x541b]", "mprotect [0x4]"} {
		if !permitted(rec)[want] {
			t.Errorf("%s is missing of %q", want, slices.Sorted(maps.Keys(permitted(rec))))
		}
	}
	if permitted(rec)["socket [0x26 0x5 0x0]"] {
		t.Error("a denied socket is in the recording")
	}
	equal(t, "recorder", rec.Recorder, recording.ByNotify)
	equal(t, "phase", rec.Phases[1].By, recording.ByListen)
}

// TestSeccompNotifyUnprivileged records as nobody without any capability, in a directory of nobody's.
func TestSeccompNotifyUnprivileged(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "setpriv")
	program := requireNotifyProgram(t)
	dir, err := os.MkdirTemp("", "nobody") //nolint:usetesting // t.TempDir is below a directory that is closed to others
	if err == nil {
		err = os.Chown(dir, 65534, 65534)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	// The tool's own directory may be closed to others.
	tool := filepath.Join(dir, "bulkheadctl")
	data, err := os.ReadFile(ctl(t).Path)
	if err == nil {
		err = os.WriteFile(tool, data, 0o755) //nolint:gosec // nobody runs it
	}
	if err != nil {
		t.Fatal(err)
	}
	asNobody := func(args ...string) result {
		return run(t, exec.Command("setpriv", append([]string{"--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
			"--bounding-set=-all", "--inh-caps=-all", tool}, args...)...))
	}
	r := asNobody("seccomp", "record", "--", program, "hostile")
	refused(t, r, "record: /var/lib/bulkhead/recordings is root's, so name a file with --output")
	r = asNobody("seccomp", "record", "-o", dir+"/r.json", "--", program, "hostile", "recorder")
	equal(t, "output", r.stdout, "listeners: 0\nsecond listener: EBUSY\nfilter: ok\ntrace the recorder: EPERM\ndescriptors of the recorder: 0\nunshare: EPERM\nkeyctl: EPERM\n")
	rec := mustRecording(t, dir+"/r.json", r)
	if n := callCounts(rec)["readlink startup"]; n == 0 {
		t.Errorf("no readlink in %v", callCounts(rec))
	}
	// A recorder under a recorder: the kernel takes one listener.
	r = asNobody("seccomp", "record", "-o", dir+"/outer.json", "--", tool, "seccomp", "record", "-o", dir+"/inner.json", "--", program, "calls")
	refused(t, r, "start command: get listener: load filter: a filter of this process has a listener already, and the kernel takes only one")
}

// TestSeccompNotifyChildren records many short-lived children, to the last call of each.
func TestSeccompNotifyChildren(t *testing.T) {
	requireRoot(t)
	rec, r := recordDirect(t, nil, []string{requireNotifyProgram(t), "children", "400"})
	equal(t, "status", r.code, 0)
	got := callCounts(rec)
	for name, want := range map[string]uint64{"clone startup": 400, "execve startup": 401, "getpgid startup": 400, "exit_group startup": 401} {
		if got[name] != want {
			t.Errorf("%s: got %d, want %d", name, got[name], want)
		}
	}
}

// TestSeccompNotifyCompat has calls of other architectures end their process, as without a recorder, and not appear as native ones.
func TestSeccompNotifyCompat(t *testing.T) {
	requireRoot(t)
	rec, r := recordDirect(t, nil, []string{requireNotifyProgram(t), "compat"})
	equal(t, "output", r.stdout, "int 0x80: Bad system call\nx32: Bad system call\n")
	for _, c := range rec.Calls {
		if c.Name == "writev" || c.Name == "getpid" || c.Architecture != "" {
			t.Errorf("%s is in the recording", c)
		}
	}
}

// TestSeccompNotifyGo runs threads of a Go program, which are sent signals all the time: each call counts once.
func TestSeccompNotifyGo(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "go")
	dir := t.TempDir()
	source, err := os.ReadFile("testdata/seccomp/threads.go.txt")
	if err == nil {
		err = os.WriteFile(dir+"/main.go", source, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", dir+"/threads", dir+"/main.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	must(t, run(t, build))
	rec, r := recordDirect(t, nil, []string{dir + "/threads"})
	equal(t, "output", r.stdout, "40000 calls\n")
	got := callCounts(rec)
	equal(t, "getpgid", got["getpgid startup"], 40000)
	if got["tgkill startup"] == 0 || got["rt_sigreturn startup"] == 0 {
		t.Errorf("no thread was preempted by a signal: %v", got)
	}
}

// TestSeccompNotifyContainer records a container with an exec'd process, and what the filter of the container denies is denied.
func TestSeccompNotifyContainer(t *testing.T) {
	b := notifyBundle(t, "calls")
	rec, r := recordBundle(t, b, "--recorder", "notify")
	equal(t, "output", r.stdout, "unshare: EPERM\nkeyctl: EPERM\nclone3: ENOSYS\nAF_ALG: EPERM\n")
	equal(t, "getppid", callCounts(rec)["getppid startup"], 2000)
	if len(rec.Unseen) != 1 || rec.Unseen[0].Name != "write" {
		t.Errorf("unseen are %v, want write, which the runtime cannot have notified", rec.Unseen)
	}
	h := notifyBundle(t, "hostile")
	_, r = recordBundle(t, h, "--recorder", "notify")
	equal(t, "output", r.stdout, "listeners: 0\nsecond listener: EBUSY\nfilter: ok\nunshare: EPERM\nkeyctl: EPERM\n")
}

// TestSeccompNotifyLearns gives the first recording to the second: nearly nothing is notified any more, and the second has it all.
func TestSeccompNotifyLearns(t *testing.T) {
	requireRoot(t)
	program := requireNotifyProgram(t)
	first, _ := recordDirect(t, nil, []string{program, "calls"})
	file := filepath.Join(t.TempDir(), "first.json")
	if err := recording.Write(file, first); err != nil {
		t.Fatal(err)
	}
	second, _ := recordDirect(t, []string{"--known", file}, []string{program, "calls"})
	if lost := difference(permitted(first), unseenToo(second)); len(lost) > 0 {
		t.Errorf("the second recording lacks %q", lost)
	}
	got := callCounts(second)
	for name := range got {
		// execve and listen are always notified. What else: calls of which a filter cannot decide the values in few enough conditions.
		if !slices.Contains([]string{"execve startup", "listen serving", "ioctl startup", "socket startup", "setsockopt startup", "prctl startup", "fcntl startup", "clone startup", "futex startup", "madvise startup", "mprotect startup", "mmap startup"}, name) {
			t.Errorf("%s was notified again", name)
		}
	}
	if got["getppid startup"] != 0 {
		t.Error("getppid was notified again")
	}
	// Another value of a known call is notified: the program's other mode.
	third, _ := recordDirect(t, []string{"--known", file}, []string{program, "hostile"})
	for _, want := range []string{"readlink", "seccomp [0x1]"} {
		if !permitted(third)[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

// TestSeccompNotifyKilled kills the recorder: the file says so, the command is gone, and what lives on gets ENOSYS for what would be
// notified, and for what the profile denies the profile's answer as before.
func TestSeccompNotifyKilled(t *testing.T) {
	requireRoot(t)
	program := requireNotifyProgram(t)
	dir := t.TempDir()
	known, _ := recordDirect(t, nil, []string{program, "compat"})
	if err := recording.Write(dir+"/known.json", known); err != nil {
		t.Fatal(err)
	}
	cmd := ctl(t, "seccomp", "record", "--direct", "--known", dir+"/known.json", "-o", dir+"/r.json", "--", program, "loop", dir+"/out")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a recording with the call", func() error {
		r, err := recording.Read(dir + "/r.json")
		if err == nil && callCounts(r)["getpgid startup"] == 0 {
			err = fmt.Errorf("it has %v", callCounts(r))
		}
		return err
	})
	command := childOf(t, cmd.Process.Pid)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	const want = "begun\ngetpgid: ENOSYS\nunshare: EPERM\n"
	eventually(t, "the end of the child", func() error {
		data, err := os.ReadFile(dir + "/out")
		if err == nil && string(data) != want {
			err = fmt.Errorf("it has written %q", data)
		}
		return err
	})
	eventually(t, "the end of the command", func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command))
		if err == nil && !strings.Contains(string(stat), ") Z ") { // who adopted it may be slow to reap it
			return fmt.Errorf("process %d is still there: %s", command, stat)
		}
		return nil
	})
	rec, err := recording.Read(dir + "/r.json")
	if err != nil {
		t.Fatal(err)
	}
	if !rec.Losses.CutShort || !rec.Ended.IsZero() {
		t.Errorf("losses are %+v, ended %v", rec.Losses, rec.Ended)
	}
}

// TestSeccompNotifyRecordingRuntime has the runtime itself start a recorder by notification, as for an engine: the container, a process of
// exec, and an end that leaves nothing.
func TestSeccompNotifyRecordingRuntime(t *testing.T) {
	b := notifyBundle(t, "children", "3")
	file := filepath.Join(t.TempDir(), "recording.json")
	record := []string{"--record", "--recorder", "notify", "--record-file", file}
	must(t, b.withFiles(t, append(record, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id)...))
	before, err := recording.Read(file)
	if err != nil || len(before.Calls) != 0 {
		t.Errorf("before the start: %v, %+v", err, before)
	}
	b.do(t, "start", b.id)
	b.waitStatus(t, "stopped")
	b.do(t, "delete", b.id)
	rec := mustRecording(t, file, result{})
	got := callCounts(rec)
	if got["execve startup"] != 4 || got["getpgid startup"] != 3 || rec.Recorder != recording.ByNotify || rec.Container != b.id {
		t.Errorf("%s of %q has %v", rec.Recorder, rec.Container, got)
	}

	long := newBundle(t, "bulkhead")
	file = filepath.Join(t.TempDir(), "recording.json")
	must(t, long.withFiles(t, "--record", "--recorder", "notify", "--record-file", file, "create", "--bundle", long.dir, "--pid-file", long.dir+"/pid", long.id))
	long.do(t, "start", long.id)
	equal(t, "exec", long.do(t, "exec", long.id, "sh", "-c", "mkdir /tmp/x && echo made"), "made")
	long.do(t, "kill", long.id, "KILL")
	long.waitStatus(t, "stopped")
	long.do(t, "delete", long.id)
	if got := callCounts(mustRecording(t, file, result{})); got["mkdir startup"] != 1 {
		t.Errorf("mkdir of exec is missing: %v", got)
	}

	// A create that fails leaves no recorder, no directory and no file.
	failed := newBundle(t, "bulkhead", args("/nowhere"))
	file = filepath.Join(t.TempDir(), "recording.json")
	r := failed.try(t, "--record", "--recorder", "notify", "--record-file", file, "create", "--bundle", failed.dir, failed.id)
	refused(t, r, "/nowhere")
	eventually(t, "the end of the recorder", func() error {
		if _, err := os.Stat(file); err == nil {
			return fmt.Errorf("%s is still there", file)
		}
		left, err := filepath.Glob("/run/bulkhead/watch-*")
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%q are still there", left)
		}
		return err
	})
}

// TestSeccompNotifyWithoutRecorder kills the recorder of a container: its processes go on with less, exec fails, delete works.
func TestSeccompNotifyWithoutRecorder(t *testing.T) {
	b := newBundle(t, "bulkhead")
	file := filepath.Join(t.TempDir(), "recording.json")
	must(t, b.withFiles(t, "--record", "--recorder", "notify", "--record-file", file, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
	b.do(t, "start", b.id)
	eventually(t, "a recording", func() error {
		r, err := recording.Read(file)
		if err == nil && len(r.Calls) == 0 {
			err = fmt.Errorf("it is empty")
		}
		return err
	})
	entries, err := filepath.Glob("/run/bulkhead/recorders/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, _ := os.ReadFile(entry)
		var e struct {
			PID  int
			File string
		}
		if json.Unmarshal(data, &e) == nil && e.File == file {
			if err := syscall.Kill(e.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			// The next recorder removes what a killed one left; this is the last one.
			t.Cleanup(func() {
				must(t, run(t, exec.Command("sh", "-c", fmt.Sprintf("rm -r /run/bulkhead/watch-%d-*", e.PID))))
			})
		}
	}
	// The recorder may be on its way out yet: an exec then fails later, and never hangs.
	eventually(t, "a refusal", func() error {
		r := b.try(t, "exec", b.id, "true")
		if r.code == 0 || !strings.Contains(r.stderr, "reach the recorder, which has to answer for each system call: dial unix ") {
			return fmt.Errorf("got %s", r)
		}
		return nil
	})
	b.do(t, "delete", "--force", b.id)
	rec, err := recording.Read(file)
	if err != nil || !rec.Losses.CutShort {
		t.Errorf("%v, losses %+v", err, rec.Losses)
	}
}
