package record

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// recordChild records a workload from its start to its end.
func recordChild(t *testing.T, what string, sizes recorderSizes) *recording.Recording {
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
	c.finish(t)
	rec := &recording.Recording{}
	if _, err := r.Read(rec, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := rec.Check(); err != nil {
		t.Error(err)
	}
	return rec
}

// TestRecorderCounts compares with what the workload does.
func TestRecorderCounts(t *testing.T) {
	rec := recordChild(t, "processes", usualSizes())
	for name, want := range map[string]uint64{"getppid": 60, "clone": 61} {
		i := slices.IndexFunc(rec.Calls, func(c recording.Call) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("%s was not seen", name)
		}
		if got := rec.Calls[i].Count(); got < want {
			t.Errorf("%s was made %d times, want at least %d", name, got, want)
		}
	}
}
