package recording

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

// FuzzParse: whatever is accepted can be written, and what is written is read as the same.
func FuzzParse(f *testing.F) {
	for _, r := range []*Recording{full(), {
		Version: 1, Recorder: ByNotify, Architecture: "SCMP_ARCH_AARCH64", Started: began, Phases: []Phase{{Startup, began, ByJoin}}, Joined: true,
		Calls: []Call{{Name: "ioctl", Number: 29, Seen: []Seen{{Startup, 1, began, began}}, Arguments: &Arguments{Indices: []int{1}, Masks: []uint64{7}, Any: true}}},
	}} {
		text, err := Text(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"version":1,"name":"a","recorder":"bpf","runtime":"","kernel":"","architecture":"SCMP_ARCH_X86_64","started":"2026-01-02T15:04:05+07:00","phases":[{"name":"startup","began":"2026-01-02T15:04:05Z","by":"exec"}],"calls":[],"losses":{}}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`[{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		written, err := Text(r)
		if err != nil {
			t.Fatalf("it was read, and is not written: %v", err)
		}
		again, err := Parse(written)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, written)
		}
		twice, err := Text(again)
		if err != nil || string(twice) != string(written) {
			t.Fatalf("got %s\nthen %s (%v)", written, twice, err)
		}
	})
}

// randomCalls gives calls as a recorder may write them.
func randomCalls(r *rand.Rand) []Call {
	rec := &Recording{Version: 1, Recorder: ByBPF, Architecture: "SCMP_ARCH_X86_64", Started: began, Phases: []Phase{{Startup, began, ByExec}, {Serving, began, ByListen}}}
	names := []Call{{Number: 7777}, {Number: 8888}, {Name: "read"}, {Name: "socket", Number: 41}, {Name: "ioctl", Number: 16}, {Name: "read", Number: 3, Architecture: "SCMP_ARCH_X86"}}
	for _, c := range names {
		if r.IntN(3) == 0 {
			continue
		}
		for _, p := range rec.Phases {
			if r.IntN(3) > 0 {
				first := began.Add(time.Duration(r.IntN(100)) * time.Second)
				c.Seen = append(c.Seen, Seen{p.Name, 1 + r.Uint64N(9), first, first.Add(time.Duration(r.IntN(100)) * time.Second)})
			}
		}
		if c.Seen == nil {
			continue
		}
		if len(c.Name) > 4 {
			c.Arguments = randomArguments(r)
		}
		rec.Calls = append(rec.Calls, c)
	}
	slices.SortFunc(rec.Calls, compareCalls)
	if err := rec.Check(); err != nil {
		panic(err)
	}
	return rec.Calls
}

func randomArguments(r *rand.Rand) *Arguments {
	var a Arguments
	for i := range 3 {
		if r.IntN(3) > 0 {
			a.Indices = append(a.Indices, i)
			a.Masks = append(a.Masks, 1+r.Uint64N(15))
		}
	}
	if a.Indices == nil {
		return nil
	}
	if a.Any = r.IntN(4) == 0; a.Any {
		return &a
	}
	seen := map[[3]uint64]bool{}
	for range 1 + r.IntN(5) {
		var v [3]uint64
		for i := range a.Indices {
			v[i] = r.Uint64() & a.Masks[i]
		}
		if !seen[v] {
			seen[v] = true
			a.Values = append(a.Values, Combination{slices.Clone(v[:len(a.Indices)]), 1 + r.Uint64N(9)})
		}
	}
	slices.SortFunc(a.Values, func(x, y Combination) int { return slices.Compare(x.Values, y.Values) })
	return &a
}

// FuzzMerge checks that the order and the grouping of lists do not matter, that nothing is lost and that the arguments stay as they were.
func FuzzMerge(f *testing.F) {
	for i := range uint64(200) {
		f.Add(i, i*3)
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		a, b, c := randomCalls(r), randomCalls(r), randomCalls(r)
		whole := Merge(a, b, c)
		for name, other := range map[string][]Call{
			"the order":    Merge(c, a, b),
			"the grouping": Merge(a, Merge(b, c)),
			"an empty one": Merge(nil, a, b, c),
		} {
			if !reflect.DeepEqual(whole, other) {
				t.Fatalf("%s matters:\n%+v\n%+v", name, whole, other)
			}
		}
		if one := Merge(a); !reflect.DeepEqual(one, append([]Call(nil), a...)) && len(a) > 0 {
			t.Fatalf("one list changes:\n%+v\n%+v", a, one)
		}
		for _, list := range [][]Call{a, b, c} {
			for _, call := range list {
				i := slices.IndexFunc(whole, func(o Call) bool { return compareCalls(o, call) == 0 })
				if i < 0 || whole[i].Count() < call.Count() {
					t.Fatalf("%s is lost", call)
				}
				covered(t, call.Arguments, whole[i].Arguments)
			}
		}
	})
}

// covered checks that each combination of one recording is in the merged ones, as far as those look.
func covered(t *testing.T, a, merged *Arguments) {
	if a == nil || merged == nil || merged.Any {
		return
	}
	if a.Any {
		t.Fatalf("any became %+v", merged)
	}
	for _, v := range project(a, merged) {
		if !slices.ContainsFunc(merged.Values, func(o Combination) bool { return slices.Equal(o.Values, v.Values) && o.Count >= v.Count }) {
			t.Fatalf("%v is lost in %+v", v, merged)
		}
	}
}
