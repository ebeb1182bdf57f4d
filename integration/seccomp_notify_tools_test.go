package integration

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// notifyProgram builds a program whose system calls are known.
var notifyProgram = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		return "", err
	}
	atEnd(func() error { return os.RemoveAll(dir) })
	source, err := os.ReadFile("testdata/seccomp/notify.c.txt")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("gcc", "-static", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror", "-o", dir+"/notify", "-xc", "-")
	cmd.Stdin = bytes.NewReader(source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return dir + "/notify", os.Chmod(dir, 0o755) //nolint:gosec // nobody runs it
})

func requireNotifyProgram(t *testing.T) string {
	t.Helper()
	requireProgram(t, "gcc")
	path, err := notifyProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// notifyBundle makes a bundle that runs the program in a mode.
func notifyBundle(t *testing.T, mode ...string) *bundle {
	t.Helper()
	program := requireNotifyProgram(t)
	b := newBundle(t, "bulkhead", args(append([]string{"/notify"}, mode...)...))
	data, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(b.dir+"/rootfs/notify", data, 0o755) //nolint:gosec // a program of the container
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// recordBundle records a run of a bundle.
func recordBundle(t *testing.T, b *bundle, options ...string) (*recording.Recording, result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "recording.json")
	r := run(t, ctl(t, slices.Concat([]string{"seccomp", "record", "--root", b.state, "-o", file, "--bundle", b.dir}, options)...))
	return mustRecording(t, file, r), r
}

// recordDirect records a command without a container.
func recordDirect(t *testing.T, options, command []string) (*recording.Recording, result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "recording.json")
	r := run(t, ctl(t, slices.Concat([]string{"seccomp", "record", "--direct", "-o", file}, options, []string{"--"}, command)...))
	return mustRecording(t, file, r), r
}

func mustRecording(t *testing.T, file string, r result) *recording.Recording {
	t.Helper()
	rec, err := recording.Read(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if rec.Ended.IsZero() || rec.Losses.Lost() {
		t.Fatalf("the recording is not complete: %+v\n%s", rec.Losses, r)
	}
	return rec
}

// permitted are the calls of a recording with the values of their arguments; those that were only ever denied do not reach the recorder
// by notification.
func permitted(recs ...*recording.Recording) map[string]bool {
	out := map[string]bool{}
	for _, r := range recs {
		for _, c := range r.Calls {
			if c.Denied == c.Count() {
				continue
			}
			out[c.Name] = true
			if c.Arguments == nil {
				continue
			}
			if c.Arguments.Any {
				out[c.Name+" any"] = true
			}
			for _, v := range c.Arguments.Values {
				out[fmt.Sprintf("%s %#x", c.Name, v.Values)] = true
			}
		}
		for _, u := range r.Unseen {
			out[u.Name] = true
		}
	}
	return out
}

// callCounts are the counts of a recording by name and phase.
func callCounts(r *recording.Recording) map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range r.Calls {
		for _, s := range c.Seen {
			out[c.Name+" "+s.Phase] += s.Count
		}
	}
	return out
}

// difference names what one set has and the other has not.
func difference(a, b map[string]bool) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(a)) {
		if !b[k] {
			out = append(out, k)
		}
	}
	return out
}

// unseenToo is permitted with the arguments of what was let pass.
func unseenToo(r *recording.Recording) map[string]bool {
	out := permitted(r)
	for _, u := range r.Unseen {
		if u.Arguments == nil {
			continue
		}
		for _, v := range u.Arguments.Values {
			out[fmt.Sprintf("%s %#x", u.Name, v.Values)] = true
		}
	}
	return out
}

// childOf is the one child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		data, _ := os.ReadFile(task)
		var child int
		if _, err := fmt.Sscan(string(data), &child); err == nil {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}
