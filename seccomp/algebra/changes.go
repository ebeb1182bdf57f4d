package algebra

import (
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
)

// maxShown bounds the conditions of one change. Beyond it a change names the call alone.
const maxShown = 256

// A Change is a part of a call for which two profiles give different verdicts.
type Change struct {
	// Name is the call; empty for the calls that neither profile names.
	Name string
	// Conds are lists of conditions: the arguments satisfy all of one list. They may have ranges and any number of NE. A list without
	// conditions means all arguments.
	Conds [][]seccomp.Cond
	// Except says that Conds are where the profiles do not differ in this way: the change holds for all other arguments.
	Except bool
	// Cut says that the conditions are too many to write: Conds is empty and the change concerns a part of the arguments.
	Cut bool
	// A and B are what the first and the second profile give.
	A, B seccomp.Verdict
}

// Widens reports whether A permits what B denies.
func (c Change) Widens() bool { return c.A.Action.Permits() && !c.B.Action.Permits() }

// Narrows reports whether A denies what B permits.
func (c Change) Narrows() bool { return !c.A.Action.Permits() && c.B.Action.Permits() }

// Changes lists exactly where two profiles of one architecture differ, by name; the calls that neither names come first.
func Changes(a, b seccomp.Profile) []Change {
	var out []Change
	if a.Default != b.Default {
		out = append(out, Change{Conds: [][]seccomp.Cond{nil}, A: a.Default, B: b.Default})
	}
	for _, name := range names(a, b) {
		g := bdd.New()
		out = append(out, changesOf(g, name, g.Call(a, name), g.Call(b, name))...)
	}
	return out
}

func changesOf(g *bdd.Graph, name string, a, b bdd.Ref) []Change {
	if a == b {
		return nil
	}
	var out []Change
	left, right := sorted(g, a), sorted(g, b)
	for _, x := range left {
		for _, y := range right {
			set := g.And(g.Where(a, func(n uint32) bool { return n == x }), g.Where(b, func(n uint32) bool { return n == y }))
			if x == y || set == bdd.False {
				continue
			}
			c := Change{Name: name, A: bdd.LeafVerdict(x), B: bdd.LeafVerdict(y)}
			c.Conds, c.Except, c.Cut = written(g, set)
			out = append(out, c)
		}
	}
	return out
}

// A Part is a part of a call's arguments that gets one verdict.
type Part struct {
	Verdict seccomp.Verdict
	// Conds, Except and Cut are those of a [Change].
	Conds  [][]seccomp.Cond
	Except bool
	Cut    bool
}

// Parts writes what a profile says about one call for people: each verdict but the default with its conditions, which may have
// ranges and any number of NE.
func Parts(p seccomp.Profile, name string) []Part {
	g := bdd.New()
	f := g.Call(p, name)
	var out []Part
	for _, leaf := range sorted(g, f) {
		part := Part{Verdict: bdd.LeafVerdict(leaf)}
		if part.Verdict == p.Default {
			continue
		}
		part.Conds, part.Except, part.Cut = written(g, g.Where(f, func(n uint32) bool { return n == leaf }))
		out = append(out, part)
	}
	return out
}

// written is a set, or when that is shorter its complement, as lists of conditions.
func written(g *bdd.Graph, set bdd.Ref) (conds [][]seccomp.Cond, except, cut bool) {
	every := style{ranges: true, unequal: true}
	conds, ok := cover(g, set, every, maxShown)
	rest, fine := cover(g, g.Not(set), every, maxShown)
	switch {
	case fine && (!ok || len(rest) < len(conds)) && len(rest) > 0:
		return rest, true, false
	case ok:
		return conds, false, false
	}
	return nil, false, true
}
