package generate

import (
	"slices"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// Evidence says how complete recordings are. A call of it is one that the ceiling permits; combinations are those of recorded arguments.
// Calls that a recorder let pass unseen count as made by its workload, except in LeaveOneOut.
type Evidence struct {
	// Growth has a line for each recording, in the given order.
	Growth []Growth `json:"growth"`
	// Expected is how many calls k recordings show on the average over all orders, for k from 1 on: it does not depend on the order.
	Expected []float64 `json:"expected"`
	// Singletons were seen in one recording only.
	Singletons []Singleton `json:"singletons"`
	// LeaveOneOut is for each recording what the profile of all others would have denied in it.
	LeaveOneOut []LeftOut `json:"leaveOneOut,omitempty"`
	// Unseen estimates from the singletons how many calls at least no recording shows (Chao 1987, bias-corrected, with the recordings as
	// samples). It holds for workloads like the recorded ones, and says nothing about others.
	Unseen float64 `json:"unseen"`
	// Saturated tells that no recording has anything that the others lack and nothing is known to be missing. Reasons say why not.
	Saturated bool     `json:"saturated"`
	Reasons   []string `json:"reasons,omitempty"`
}

// Growth is what a recording added to those before it.
type Growth struct {
	Recording string `json:"recording"`
	Calls     int    `json:"calls"`
	// New are the calls that it brought, NewCombinations counts new arguments of calls that were there.
	New             []string `json:"new"`
	NewCombinations int      `json:"newCombinations"`
	Total           int      `json:"total"`
}

// A Singleton is a call, or a combination of arguments of a call that others show too, of one recording only.
type Singleton struct {
	Call      string `json:"call"`
	Arguments string `json:"arguments,omitempty"`
	Recording string `json:"recording"`
	Count     uint64 `json:"count"`
}

// LeftOut is a recording and what a profile without it would have denied.
type LeftOut struct {
	Recording string   `json:"recording"`
	Denied    []Denied `json:"denied"`
}

// Denied is a call that would have been denied, whole or with some arguments.
type Denied struct {
	Call      string   `json:"call"`
	Arguments []string `json:"arguments,omitempty"`
	Count     uint64   `json:"count"`
}

func evidence(recordings []*recording.Recording, o Options) Evidence {
	within := make([][]recording.Call, len(recordings))
	for i, r := range recordings {
		for _, c := range recording.Merge(r.Calls, unseen(r)) {
			if c, ok := evident(c, o); ok {
				within[i] = append(within[i], c)
			}
		}
	}
	e := Evidence{Growth: growth(recordings, within), Singletons: singletons(recordings, within)}
	e.Expected, e.Unseen = expectation(within)
	if len(recordings) > 1 {
		e.LeaveOneOut = leaveOneOut(recordings, within, o)
	}
	e.Reasons = e.why(recordings)
	e.Saturated = len(e.Reasons) == 0
	return e
}

// evident gives what of a call the profile can have and looks at. False: nothing.
func evident(c recording.Call, o Options) (recording.Call, bool) {
	if c.Architecture != "" || !named(c) || !permitsSome(o.Ceiling, c.Name) {
		return c, false
	}
	if !o.ArgumentRules || c.Arguments == nil {
		c.Arguments = nil
		return c, true
	}
	a := *c.Arguments
	a.Values = nil
	for _, v := range c.Arguments.Values {
		if o.Ceiling.Evaluate(c.Name, registers(a, v)).Action.Permits() {
			a.Values = append(a.Values, v)
		}
	}
	c.Arguments = &a
	return c, a.Any || len(a.Values) > 0
}

// combinations of a call, as text that is the same in all recordings.
func combinations(c recording.Call) []string {
	switch {
	case c.Arguments == nil:
		return nil
	case c.Arguments.Any:
		return []string{"any"}
	}
	out := make([]string, len(c.Arguments.Values))
	for i, v := range c.Arguments.Values {
		out[i] = combinationText(*c.Arguments, v)
	}
	return out
}

func growth(recordings []*recording.Recording, within [][]recording.Call) []Growth {
	calls, combos := map[string]bool{}, map[string]bool{}
	var out []Growth
	for i, r := range recordings {
		g := Growth{Recording: r.Name, Calls: len(within[i]), New: []string{}}
		for _, c := range within[i] {
			known := calls[c.Name]
			if !known {
				g.New = append(g.New, c.Name)
			}
			for _, x := range combinations(c) {
				if key := c.Name + " " + x; !combos[key] {
					combos[key] = true
					if known {
						g.NewCombinations++
					}
				}
			}
			calls[c.Name] = true
		}
		g.Total = len(calls)
		out = append(out, g)
	}
	return out
}

// singletons are sorted by call and arguments.
func singletons(recordings []*recording.Recording, within [][]recording.Call) []Singleton {
	if len(recordings) < 2 {
		return []Singleton{}
	}
	in := map[string]int{}
	for _, calls := range within {
		for _, c := range calls {
			in[c.Name]++
			for _, x := range combinations(c) {
				in[c.Name+" "+x]++
			}
		}
	}
	out := []Singleton{}
	for i, calls := range within {
		for _, c := range calls {
			if in[c.Name] == 1 {
				out = append(out, Singleton{Call: c.Name, Recording: recordings[i].Name, Count: c.Count()})
				continue
			}
			for k, x := range combinations(c) {
				if in[c.Name+" "+x] == 1 {
					s := Singleton{Call: c.Name, Arguments: x, Recording: recordings[i].Name, Count: c.Count()}
					if !c.Arguments.Any {
						s.Count = c.Arguments.Values[k].Count
					}
					out = append(out, s)
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Singleton) int {
		return slices.Compare([]string{a.Call, a.Arguments}, []string{b.Call, b.Arguments})
	})
	return out
}

// expectation gives the mean growth over all orders, and Chao's estimate of what is missing.
func expectation(within [][]recording.Call) (expected []float64, unseen float64) {
	n, in := len(within), map[string]int{}
	for _, calls := range within {
		for _, c := range calls {
			in[c.Name]++
		}
	}
	times := make([]int, n+1) // how many calls are in so many recordings
	for _, k := range in {
		times[k]++
	}
	for k := 1; k <= n; k++ {
		sum := 0.0
		for f := 1; f <= n; f++ {
			miss := 1.0 // the chance that k recordings have none of the f
			for j := range k {
				miss *= max(0, float64(n-f-j)) / float64(n-j)
			}
			sum += float64(times[f]) * (1 - miss)
		}
		expected = append(expected, sum)
	}
	if n < 2 {
		return expected, 0
	}
	once, twice := float64(times[1]), float64(times[2])
	return expected, float64(n-1) / float64(n) * once * max(0, once-1) / (2 * (twice + 1))
}

func leaveOneOut(recordings []*recording.Recording, within [][]recording.Call, o Options) []LeftOut {
	var out []LeftOut
	for i, r := range recordings {
		others := slices.Concat(recordings[:i], recordings[i+1:])
		l := LeftOut{Recording: r.Name, Denied: []Denied{}}
		p, err := withoutEvidence(others, o)
		if err != nil { // it cannot fail for fewer recordings than the whole
			l.Denied = append(l.Denied, Denied{Call: "every call: " + err.Error()})
			out = append(out, l)
			continue
		}
		for _, c := range within[i] {
			if d, denied := deniedBy(p, c); denied && len(c.Seen) > 0 {
				l.Denied = append(l.Denied, d)
			}
		}
		out = append(out, l)
	}
	return out
}

func withoutEvidence(recordings []*recording.Recording, o Options) (seccomp.Profile, error) {
	w := wants{options: o, calls: map[string]*want{}}
	native, _ := merged(recordings)
	w.recorded(native)
	w.runtime()
	if err := w.margins(); err != nil {
		return seccomp.Profile{}, err
	}
	return w.profile()
}

// deniedBy says what of an evident call a profile denies.
func deniedBy(p seccomp.Profile, c recording.Call) (Denied, bool) {
	d := Denied{Call: c.Name, Count: c.Count()}
	if !permitsSome(p, c.Name) {
		return d, true
	}
	if c.Arguments == nil {
		return d, false
	}
	d.Count = 0
	for _, v := range c.Arguments.Values {
		if !p.Evaluate(c.Name, registers(*c.Arguments, v)).Action.Permits() {
			d.Arguments = append(d.Arguments, combinationText(*c.Arguments, v))
			d.Count += v.Count
		}
	}
	return d, len(d.Arguments) > 0
}
