package algebra

import (
	"cmp"
	"math"
	"slices"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
)

// maxRules bounds the rules of a call, as package seccomp does: beyond it a filter is not worth loading.
const maxRules = 96

// A style says which conditions a list of rules may use besides EQ and MASKED_EQ.
type style struct {
	ranges  bool
	unequal bool
}

// rulesOf writes the function of a call as rules for every verdict but the default. It depends on nothing but the function. It
// is false when there are too many.
func rulesOf(g *bdd.Graph, f bdd.Ref, def seccomp.Verdict) ([]seccomp.Rule, bool) {
	rules, ok := rulesIn(g, f, def, style{unequal: true})
	if !ok || countUnequal(rules) < 2 {
		return rules, ok
	}
	return rulesIn(g, f, def, style{})
}

func rulesIn(g *bdd.Graph, f bdd.Ref, def seccomp.Verdict, s style) ([]seccomp.Rule, bool) {
	var rules []seccomp.Rule
	for _, leaf := range sorted(g, f) {
		v := bdd.LeafVerdict(leaf)
		if v == def {
			continue
		}
		lists, ok := cover(g, g.Where(f, func(n uint32) bool { return n == leaf }), s, maxRules)
		if !ok || len(rules)+len(lists) > maxRules {
			return nil, false
		}
		for _, conds := range lists {
			rules = append(rules, seccomp.Rule{Conds: conds, Verdict: v})
		}
	}
	return rules, true
}

func countUnequal(rules []seccomp.Rule) int {
	n := 0
	for _, r := range rules {
		for _, c := range r.Conds {
			if c.Op == seccomp.NotEqual {
				n++
			}
		}
	}
	return n
}

// cover writes a set of arguments as lists of conditions whose union it is: first argument by argument, then without the conditions
// and the lists that are not needed, in order. The same set gives the same lists.
func cover(g *bdd.Graph, f bdd.Ref, s style, most int) ([][]seccomp.Cond, bool) {
	lists, ok := products(g, f, s, 8*most)
	if !ok {
		return nil, false
	}
	for i := range lists {
		lists[i] = shortened(g, f, lists[i])
	}
	slices.SortFunc(lists, compareLists)
	lists = slices.CompactFunc(lists, func(a, b []seccomp.Cond) bool { return compareLists(a, b) == 0 })
	lists = needed(g, lists)
	return lists, len(lists) <= most
}

func products(g *bdd.Graph, f bdd.Ref, s style, most int) ([][]seccomp.Cond, bool) {
	arg, exits, ok := g.Exits(f)
	if !ok {
		if f == bdd.True {
			return [][]seccomp.Cond{nil}, true
		}
		return nil, true
	}
	var out [][]seccomp.Cond
	for _, e := range exits {
		rest, ok := products(g, e.Then, s, most)
		if !ok {
			return nil, false
		}
		values, ok := values(g, arg, e.Values, s, most)
		if !ok || len(out)+len(values)*len(rest) > most {
			return nil, false
		}
		for _, v := range values {
			for _, r := range rest {
				out = append(out, append(slices.Clone(v), r...))
			}
		}
	}
	return out, true
}

// values writes a set of values of one argument as conditions, each in a list of its own. A set of all values is one empty list.
func values(g *bdd.Graph, arg uint8, set bdd.Ref, s style, most int) ([][]seccomp.Cond, bool) {
	if set == bdd.True {
		return [][]seccomp.Cond{nil}, true
	}
	cubes, ok := g.Cubes(set, most)
	if ok && len(cubes) == 1 {
		return [][]seccomp.Cond{{cond(arg, cubes[0])}}, true
	}
	if one, ok := single(g, arg, set, s); ok {
		return [][]seccomp.Cond{{one}}, true
	}
	if !ok {
		return nil, false
	}
	out := make([][]seccomp.Cond, len(cubes))
	for i, q := range cubes {
		out[i] = []seccomp.Cond{cond(arg, q)}
	}
	return out, true
}

// single writes a set as one NE condition or one range, where the style has them.
func single(g *bdd.Graph, arg uint8, set bdd.Ref, s style) (seccomp.Cond, bool) {
	first := func(set bdd.Ref) uint64 {
		_, _, args, _ := g.Sample(set)
		return args[arg]
	}
	in, out := first(set), first(g.Not(set))
	for _, c := range []seccomp.Cond{
		{Arg: arg, Op: seccomp.NotEqual, Value: out}, {Arg: arg, Op: seccomp.Less, Value: out}, {Arg: arg, Op: seccomp.AtLeast, Value: in},
	} {
		if (s.ranges || c.Op == seccomp.NotEqual && s.unequal) && g.Cond(c) == set {
			return c, true
		}
	}
	return seccomp.Cond{}, false
}

func cond(arg uint8, q bdd.Cube) seccomp.Cond {
	if q.Mask == math.MaxUint64 {
		return seccomp.Cond{Arg: arg, Op: seccomp.Equal, Value: q.Value}
	}
	return seccomp.Cond{Arg: arg, Op: seccomp.Masked, Mask: q.Mask, Value: q.Value}
}

// shortened leaves out, one after the other, the conditions without which the list stays within f.
func shortened(g *bdd.Graph, f bdd.Ref, conds []seccomp.Cond) []seccomp.Cond {
	if len(conds) < 2 {
		return conds
	}
	for i := 0; i < len(conds); {
		fewer := slices.Delete(slices.Clone(conds), i, i+1)
		if g.Within(g.Conds(fewer), f) {
			conds = fewer
		} else {
			i++
		}
	}
	return conds
}

// needed leaves out the lists that the others cover, the last ones first.
func needed(g *bdd.Graph, lists [][]seccomp.Cond) [][]seccomp.Cond {
	if len(lists) < 2 {
		return lists
	}
	sets := make([]bdd.Ref, len(lists))
	before := make([]bdd.Ref, len(lists)+1) // the union of the lists before one
	for i, l := range lists {
		sets[i] = g.Conds(l)
		before[i+1] = g.Or(before[i], sets[i])
	}
	kept := make([][]seccomp.Cond, 0, len(lists))
	after := bdd.False
	for i := len(lists) - 1; i >= 0; i-- {
		if !g.Within(sets[i], g.Or(before[i], after)) {
			kept = append(kept, lists[i])
			after = g.Or(after, sets[i])
		}
	}
	slices.Reverse(kept)
	return kept
}

func compareLists(a, b []seccomp.Cond) int {
	return slices.CompareFunc(a, b, func(x, y seccomp.Cond) int {
		return cmp.Or(cmp.Compare(x.Arg, y.Arg), cmp.Compare(x.Op, y.Op), cmp.Compare(x.Mask, y.Mask), cmp.Compare(x.Value, y.Value))
	})
}

func sorted(g *bdd.Graph, f bdd.Ref) []uint32 {
	leaves := g.Leaves(f)
	slices.Sort(leaves)
	return leaves
}
