package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

var lawBegan = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// randomRecording is one that a recorder may have written: names of all groups, arguments that are common, odd or random.
func randomRecording(r *rand.Rand, arch string) *recording.Recording {
	rec := &recording.Recording{
		Version: recording.Version, Name: string(rune('a' + r.IntN(26))), Recorder: recording.ByBPF, Runtime: "1", Kernel: []string{"6.18", "6.12"}[r.IntN(2)],
		Architecture: map[string]string{"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[arch], Started: lawBegan, Ended: lawBegan,
		Phases: []recording.Phase{{Name: recording.Startup, Began: lawBegan, By: recording.ByExec}},
	}
	if r.IntN(4) == 0 {
		rec.Losses.Calls = 1
	}
	add := func(name string, nr uint32, arch string) {
		c := recording.Call{Name: name, Number: nr, Architecture: arch, Seen: []recording.Seen{{Phase: recording.Startup, Count: 1 + r.Uint64N(9), First: lawBegan, Last: lawBegan}}}
		if kept, ok := recording.ArgumentsOf(name); ok && arch == "" {
			c.Arguments = randomArguments(r, name, kept)
		}
		rec.Calls = append(rec.Calls, c)
	}
	for _, name := range syscalls.Names(arch) {
		_, arguments := recording.ArgumentsOf(name)
		if r.IntN(6) == 0 || arguments && r.IntN(2) == 0 {
			nr, _ := syscalls.Number(arch, name)
			add(name, nr, "")
		}
	}
	if r.IntN(3) == 0 {
		rec.Calls = slices.Insert(rec.Calls, 0, recording.Call{Number: 9999, Seen: []recording.Seen{{Phase: recording.Startup, Count: 1, First: lawBegan, Last: lawBegan}}})
	}
	if r.IntN(3) == 0 {
		rec.Recorder = recording.ByNotify
		for _, name := range []string{"prctl", "read", "socket", "write"} {
			nr, _ := syscalls.Number(arch, name)
			u := recording.Unseen{Name: name, Number: nr}
			if kept, ok := recording.ArgumentsOf(name); ok && r.IntN(2) == 0 {
				u.Arguments = randomArguments(r, name, kept)
			}
			rec.Unseen = append(rec.Unseen, u)
		}
	}
	if r.IntN(3) == 0 && arch == "amd64" {
		add("socketcall", 102, "SCMP_ARCH_X86")
	}
	return rec
}

func randomArguments(r *rand.Rand, name string, kept recording.Recorded) *recording.Arguments {
	a := &recording.Arguments{Indices: kept.Indices, Masks: kept.Masks}
	if a.Any = r.IntN(8) == 0; a.Any {
		return a
	}
	common := map[string][][]uint64{
		"socket": {{1, 1, 0}, {2, 1, 6}, {10, 2, 17}, {16, 3, 0}, {16, 3, 15}, {38, 5, 0}, {40, 1, 0}}, "ioctl": {{0x5401}, {0x5413}, {0x5421}, {0x5412}, {0x541b}},
		"clone": {{0x3d0f00}, {0x1200000}, {0x10000000}, {0x4000}}, "personality": {{0}, {0xffffffff}, {0x40000}}, "prctl": {{15}, {22}, {38}, {4}},
		"mmap": {{0}, {2}, {4}, {6}}, "arch_prctl": {{0x1002}, {0x3001}, {0x1004}},
	}[name]
	for range 1 + r.IntN(6) {
		v := make([]uint64, len(a.Indices))
		for i := range v {
			v[i] = r.Uint64N(64) & a.Masks[i]
			if r.IntN(4) == 0 {
				v[i] = r.Uint64() & a.Masks[i]
			}
		}
		if len(common) > 0 && r.IntN(4) > 0 {
			v = slices.Clone(common[r.IntN(len(common))])
		}
		if !slices.ContainsFunc(a.Values, func(c recording.Combination) bool { return slices.Equal(c.Values, v) }) {
			a.Values = append(a.Values, recording.Combination{Values: v, Count: 1 + r.Uint64N(9)})
		}
	}
	slices.SortFunc(a.Values, func(x, y recording.Combination) int { return slices.Compare(x.Values, y.Values) })
	return a
}

func lawCeiling(t *testing.T, name, arch string) seccomp.Profile {
	t.Helper()
	s, err := profiles.SeccompProfileFor(name, arch)
	if err != nil {
		t.Fatal(err)
	}
	p, err := seccomp.FromOCI(s, arch)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lawOptions(t *testing.T, r *rand.Rand, arch string) generate.Options {
	o := generate.Options{Ceiling: lawCeiling(t, []string{"default", "restricted", "compatible"}[r.IntN(3)], arch), ArgumentRules: r.IntN(2) == 0, Compat: r.IntN(4) == 0}
	switch r.IntN(3) {
	case 0:
		o.Margins = []string{"all"}
	case 1:
		o.Margins = []string{"stat", "open", "fork"}
	}
	if r.IntN(3) == 0 {
		base := lawCeiling(t, []string{"restricted", "compatible"}[r.IntN(2)], arch)
		o.Base = &base
	}
	if r.IntN(2) == 0 {
		o.Starts = starts.CreateNoNewPrivs | starts.ExecNoNewPrivs
	}
	return o
}

// FuzzGenerate checks what is promised of each generated profile, for the hardening profiles' own filters.
func FuzzGenerate(f *testing.F) {
	for i := range uint64(12) {
		f.Add(i, i*11)
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		arch := []string{"amd64", "arm64"}[r.IntN(2)]
		o := lawOptions(t, r, arch)
		var recs []*recording.Recording
		for range 1 + r.IntN(3) {
			recs = append(recs, randomRecording(r, arch))
		}
		got, err := generate.Generate(recs, o)
		if err != nil {
			t.Fatal(err)
		}
		lawWithin(t, got, o.Ceiling)
		for _, rec := range recs {
			lawPermits(t, got, o.Ceiling, rec)
		}
		lawForm(t, got, o)
		text := lawText(t, got, recs)
		for range 2 {
			r.Shuffle(len(recs), func(i, j int) { recs[i], recs[j] = recs[j], recs[i] })
			again, err := generate.Generate(recs, o)
			if err != nil || lawText(t, again, recs) != text {
				t.Fatalf("the order of the recordings matters (%v)", err)
			}
		}
		// A margin brings a call without conditions, which more recordings may give it; and a base's rules may be too many beside them.
		exact := !slices.ContainsFunc(got.Report.Notes, func(n string) bool { return strings.Contains(n, "too many") }) && (!o.ArgumentRules || o.Margins == nil)
		if fewer, err := generate.Generate(recs[:1], o); err != nil || len(lawWidenings(fewer.Profile, got.Profile)) > 0 && exact {
			t.Fatalf("one recording alone permits what all together do not (%v): %+v\n%q", err, lawWidenings(fewer.Profile, got.Profile), got.Report.Notes)
		}
	})
}

// lawWidenings is what a permits and b does not, by the algebra that creates no profile.
func lawWidenings(a, b seccomp.Profile) []algebra.Change {
	return slices.DeleteFunc(algebra.Changes(a, b), func(c algebra.Change) bool { return !c.Widens() })
}

func lawWithin(t *testing.T, got *generate.Result, ceiling seccomp.Profile) {
	if w := lawWidenings(got.Profile, ceiling); len(w) > 0 {
		t.Fatalf("it exceeds the ceiling: %+v", w)
	}
}

func lawPermits(t *testing.T, got *generate.Result, ceiling seccomp.Profile, rec *recording.Recording) {
	calls := slices.Clone(rec.Calls)
	for _, u := range rec.Unseen {
		calls = append(calls, recording.Call{Name: u.Name, Arguments: u.Arguments})
	}
	for _, c := range calls {
		if c.Name == "" || c.Architecture != "" {
			continue
		}
		tuples := [][6]uint64{{}}
		if a := c.Arguments; a != nil && !a.Any {
			tuples = nil
			for _, v := range a.Values {
				var args [6]uint64
				for i, index := range a.Indices {
					args[index] = v.Values[i]
				}
				tuples = append(tuples, args)
			}
		}
		for _, args := range tuples {
			if ceiling.Evaluate(c.Name, args).Action.Permits() && !got.Profile.Evaluate(c.Name, args).Action.Permits() {
				t.Fatalf("%s%#x was recorded and is denied; notes %v", c.Name, args, got.Report.Notes)
			}
		}
	}
}

// lawForm checks the operators, the indices, ENOSYS, and that the text means the profile.
func lawForm(t *testing.T, got *generate.Result, o generate.Options) {
	for _, s := range got.OCI.Syscalls {
		seen := map[uint]bool{}
		for _, a := range s.Args {
			if seen[a.Index] || a.Op != specs.OpEqualTo && a.Op != specs.OpMaskedEqual {
				t.Fatalf("%v has %+v", s.Names, s.Args)
			}
			seen[a.Index] = true
		}
	}
	for _, name := range seccomp.Probed {
		if v := got.Profile.Evaluate(name, [6]uint64{}); !v.Action.Permits() && v.Errno != 38 && len(got.Profile.Call(name).Rules) == 0 {
			t.Fatalf("%s gets %s", name, v)
		}
	}
	names := got.OCI.Architectures
	if len(names) != 1 && !o.Compat {
		t.Fatalf("got the architectures %v", names)
	}
}

func lawText(t *testing.T, got *generate.Result, recs []*recording.Recording) string {
	text, err := generate.Text(got.OCI, generate.OriginOf("x", recs))
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.Parse(text, source.Facts{Arch: got.Profile.Arch}, source.Options{})
	if err != nil {
		t.Fatalf("what was written is not read: %v\n%s", err, text)
	}
	if len(got.OCI.Architectures) == 1 && !algebra.Equal(s.Profile, got.Profile) {
		t.Fatalf("what was written means something else:\n%s", text)
	}
	if o, ok := generate.ReadOrigin(s.Entries[0].Comment); !ok || o.String() != s.Entries[0].Comment {
		t.Fatalf("the origin is not read: %s", s.Entries[0].Comment)
	}
	return string(text)
}
