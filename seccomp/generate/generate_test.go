package generate

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

var began = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// recorded is a recording of some calls without arguments.
func recorded(name string, calls ...string) *recording.Recording {
	r := &recording.Recording{
		Version: 1, Name: name, Recorder: recording.ByBPF, Kernel: "6.18.1", Architecture: "SCMP_ARCH_X86_64", Started: began, Ended: began,
		Phases: []recording.Phase{{Name: recording.Startup, Began: began, By: recording.ByExec}},
	}
	slices.Sort(calls)
	for _, c := range calls {
		nr, _ := syscalls.Number("amd64", c)
		r.Calls = append(r.Calls, recording.Call{Name: c, Number: nr, Seen: []recording.Seen{{Phase: recording.Startup, Count: 2, First: began, Last: began}}})
	}
	return r
}

var everything = seccomp.Profile{Arch: "amd64", Default: seccomp.Verdict{Action: seccomp.Allow}}

func TestErrors(t *testing.T) {
	flawed := recorded("flawed", "read")
	flawed.Calls[0].Seen = nil
	arm := recorded("arm")
	arm.Architecture = "SCMP_ARCH_AARCH64"
	for _, c := range []struct {
		recordings []*recording.Recording
		options    Options
		want       string
	}{
		{nil, Options{}, `generate profile: there is no recording`},
		{[]*recording.Recording{flawed}, Options{Ceiling: everything}, `generate profile: recording "flawed": calls[0].seen: it is empty`},
		{[]*recording.Recording{arm}, Options{Ceiling: everything}, `generate profile: recording "arm" is of arm64, the profile is for amd64: make one for each architecture`},
		{[]*recording.Recording{recorded("a")}, Options{Ceiling: everything, Base: &everything}, `generate profile: the base permits every call that it does not name (SCMP_ACT_ALLOW)`},
		{[]*recording.Recording{recorded("a")}, Options{Ceiling: everything, Margins: []string{"opne"}}, `generate profile: unknown margin "opne", did you mean "open"?`},
	} {
		if _, err := Generate(c.recordings, c.options); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// The starts decide what the runtime's calls bring.
func TestStarts(t *testing.T) {
	for kinds, want := range map[starts.Start]string{
		starts.CreateNoNewPrivs | starts.ExecNoNewPrivs: "capset false, write true",
		starts.ExecNoNewPrivs:                           "capset false, write false",
		starts.ExecPrivileged:                           "capset true, write false",
		0:                                               "capset true, write true",
	} {
		r, err := Generate([]*recording.Recording{recorded("a", "read")}, Options{Ceiling: everything, Starts: kinds})
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) string {
			if r.Profile.Evaluate(name, [6]uint64{}).Action.Permits() {
				return name + " true"
			}
			return name + " false"
		}
		if got := has("capset") + ", " + has("write"); got != want {
			t.Errorf("starts %b: got %s, want %s", kinds, got, want)
		}
	}
}

func TestBase(t *testing.T) {
	eperm := seccomp.Verdict{Action: seccomp.Errno, Errno: 1}
	base := seccomp.Profile{Arch: "amd64", Default: eperm, Calls: []seccomp.Call{
		{Name: "personality", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Allow}, Conds: []seccomp.Cond{{Op: seccomp.NotEqual, Value: 8}}}}},
		{Name: "ptrace", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Log}}}},
		{Name: "reboot", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Allow}}}},
	}}
	ceiling := everything
	ceiling.Calls = []seccomp.Call{{Name: "reboot", Rules: []seccomp.Rule{{Verdict: eperm}}}}
	r, err := Generate([]*recording.Recording{recorded("a", "read")}, Options{Ceiling: ceiling, Base: &base})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		value uint64
		want  bool
	}{{"personality", 0, true}, {"personality", 8, false}, {"personality", 1<<32 + 8, true}, {"ptrace", 0, false}, {"reboot", 0, false}, {"read", 0, true}, {"readv", 0, false}} {
		if got := r.Profile.Evaluate(c.name, [6]uint64{c.value}).Action.Permits(); got != c.want {
			t.Errorf("%s(%#x) is permitted: %v", c.name, c.value, got)
		}
	}
	if want := []string{`the base's SCMP_ACT_LOG of "ptrace" is not taken over`}; !slices.Equal(r.Report.Notes, want) {
		t.Errorf("got the notes %q", r.Report.Notes)
	}
}

func TestEvidenceFigures(t *testing.T) {
	recs := []*recording.Recording{recorded("a", "read", "write"), recorded("b", "read", "close", "write"), recorded("c", "read", "lseek")}
	r, err := Generate(recs, Options{Ceiling: everything})
	if err != nil {
		t.Fatal(err)
	}
	e := r.Report.Evidence
	// read is in 3, write in 2, close and lseek in 1: one shows 7/3 on the average, two 1 + 1 + 2 * 2/3, all 4.
	for i, want := range []float64{7.0 / 3, 2 + 4.0/3, 4} {
		if math.Abs(e.Expected[i]-want) > 1e-9 {
			t.Errorf("%d recordings: got %v, want %v", i+1, e.Expected[i], want)
		}
	}
	// Chao: (2/3) * 2 * 1 / (2 * (1 + 1)).
	if want := 1.0 / 3; math.Abs(e.Unseen-want) > 1e-9 {
		t.Errorf("got %v unseen, want %v", e.Unseen, want)
	}
	left := []LeftOut{{"a", []Denied{}}, {"b", nil}, {"c", []Denied{{Call: "lseek", Count: 2}}}}
	left[1].Denied = []Denied{} // close is the runtime's own
	if !reflect.DeepEqual(e.LeaveOneOut, left) {
		t.Errorf("got %+v", e.LeaveOneOut)
	}
	if want := []string{"2 calls were seen in one recording only: close, lseek"}; !slices.Equal(e.Reasons, want) || e.Saturated {
		t.Errorf("got %q", e.Reasons)
	}
}

func TestMargins(t *testing.T) {
	groups := Margins()
	if !slices.IsSortedFunc(groups, func(a, b MarginGroup) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("they are not sorted")
	}
	for _, g := range groups {
		if len(g.Why) < 20 || len(g.Calls) == 0 || len(g.Calls) < 2 && len(g.If) == 0 {
			t.Errorf("%s says too little", g.Name)
		}
		for _, c := range slices.Concat(g.Calls, g.If) {
			if !syscalls.Known(c) {
				t.Errorf("%s has %q", g.Name, c)
			}
		}
	}
	// A group is brought in by its own calls, not by those of another one or of the runtime.
	r, err := Generate([]*recording.Recording{recorded("a", "listen")}, Options{Ceiling: everything, Margins: []string{"all"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"unlink": true, "unlinkat": false, "munmap": false, "waitid": false} {
		if got := r.Profile.Evaluate(name, [6]uint64{}).Action.Permits(); got != want {
			t.Errorf("%s is permitted: %v", name, got)
		}
	}
}

// The runtime's own arguments are among those that recorders keep.
func TestRuntimeArguments(t *testing.T) {
	for name, a := range runtimeArguments {
		kept, ok := recording.ArgumentsOf(name)
		i := slices.Index(kept.Indices, a.index)
		if !ok || i < 0 || !slices.ContainsFunc(starts.Calls(), func(c starts.Call) bool { return c.Name == name }) {
			t.Errorf("%s: argument %d is not recorded, or it is no call of the runtime", name, a.index)
			continue
		}
		for _, v := range a.values {
			if v&^kept.Masks[i] != 0 {
				t.Errorf("%s: %#x is outside of the mask", name, v)
			}
		}
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("web", "6.18", "glibc 2.36", 3)
	f.Add(`a"; arch x,"`, `"`, "", 0)
	f.Add("\x00\n\xff", ",", ";", 1<<31-1)
	f.Fuzz(func(t *testing.T, name, kernel, libc string, n int) {
		o := Origin{Name: name, Architecture: "amd64", Kernels: []string{kernel, "x"}, Recordings: max(0, n) % (1 << 31)}
		if libc != "" {
			o.Libcs = []string{libc}
		}
		got, ok := ReadOrigin(o.String())
		if !ok || !reflect.DeepEqual(got, o) {
			t.Fatalf("%s: got %+v, want %+v", o, got, o)
		}
		ReadOrigin(originMark + name + kernel + libc) // whatever it is, it does not panic
		ReadOrigin(originMark + `name "` + name + `"; arch ` + kernel + "; kernel " + libc)
	})
}
