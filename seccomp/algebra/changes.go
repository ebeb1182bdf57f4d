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
			every := style{ranges: true, unequal: true}
			conds, ok := cover(g, set, every, maxShown)
			rest, fine := cover(g, g.Not(set), every, maxShown)
			switch {
			case fine && (!ok || len(rest) < len(conds)) && len(rest) > 0:
				c.Conds, c.Except = rest, true
			case ok:
				c.Conds = conds
			default:
				c.Cut = true
			}
			out = append(out, c)
		}
	}
	return out
}
