package seccomp

import (
	"cmp"
	"slices"
	"sort"
	"strings"
)

// maxRules bounds the rules of one call. Beyond it a profile is not worth its filter: the call is denied as a whole.
const maxRules = 96

// A Rule gives a verdict to the calls that satisfy all its conditions, at most one for an argument, sorted by
// argument. Without conditions it holds for every call.
type Rule struct {
	Conds   []Cond
	Verdict Verdict
}

// Match reports whether the arguments satisfy every condition.
func (r Rule) Match(args [6]uint64) bool {
	for _, c := range r.Conds {
		if !c.Match(args[c.Arg]) {
			return false
		}
	}
	return true
}

// String gives the verdict and the conditions.
func (r Rule) String() string {
	if len(r.Conds) == 0 {
		return r.Verdict.String()
	}
	words := make([]string, len(r.Conds))
	for i, c := range r.Conds {
		words[i] = c.String()
	}
	return r.Verdict.String() + " if " + strings.Join(words, " && ")
}

// meet returns condition lists whose union is a and b together.
func meet(a, b []Cond) [][]Cond {
	out := [][]Cond{nil}
	for len(a) > 0 || len(b) > 0 {
		var choice []Cond
		switch {
		case len(b) == 0 || (len(a) > 0 && a[0].Arg < b[0].Arg):
			choice, a = a[:1], a[1:]
		case len(a) == 0 || b[0].Arg < a[0].Arg:
			choice, b = b[:1], b[1:]
		default:
			choice = and(a[0], b[0])
			a, b = a[1:], b[1:]
		}
		if len(choice) == 0 {
			return nil
		}
		out = times(out, choice)
	}
	return out
}

func times(lists [][]Cond, choice []Cond) [][]Cond {
	if len(choice) == 1 {
		for i := range lists {
			lists[i] = append(lists[i], choice[0])
		}
		return lists
	}
	out := make([][]Cond, 0, len(lists)*len(choice))
	for _, l := range lists {
		for _, c := range choice {
			out = append(out, append(slices.Clone(l), c))
		}
	}
	return out
}

// subtract returns condition lists whose union is a without b.
func subtract(a, b []Cond) [][]Cond {
	if len(meet(a, b)) == 0 {
		return [][]Cond{a}
	}
	var out [][]Cond
	for _, c := range b {
		for _, n := range not(c) {
			out = append(out, meet(a, []Cond{n})...)
		}
	}
	return out
}

// normalise returns rules that give each call the strictest verdict of those that it matches, the first of them among equals,
// and def where none matches. In the result rules of different verdicts never overlap and none gives def. It is false
// when that would take more than maxRules rules.
func normalise(rules []Rule, def Verdict) ([]Rule, bool) {
	if len(rules) == 1 && rules[0].Verdict != def {
		return rules, true
	}
	rules = slices.Clone(rules)
	sort.SliceStable(rules, func(i, j int) bool { return rules[i].Verdict.Action > rules[j].Verdict.Action })
	var out []Rule
	for i, r := range rules {
		if r.Verdict == def {
			continue
		}
		pieces, ok := remainder(r, rules[:i])
		if !ok || len(out)+len(pieces) > 4*maxRules {
			return nil, false
		}
		for _, p := range pieces {
			out = append(out, Rule{Conds: p, Verdict: r.Verdict})
		}
	}
	out = absorb(out)
	return out, len(out) <= maxRules
}

// remainder is what is left of r after the rules before it that say something else.
func remainder(r Rule, before []Rule) ([][]Cond, bool) {
	pieces := [][]Cond{r.Conds}
	for _, b := range before {
		if b.Verdict == r.Verdict {
			continue
		}
		var next [][]Cond
		for _, p := range pieces {
			next = append(next, subtract(p, b.Conds)...)
			if len(next) > 4*maxRules {
				return nil, false
			}
		}
		pieces = next
	}
	return pieces, true
}

// absorb sorts rules and drops those that another of the same verdict contains.
func absorb(rules []Rule) []Rule {
	sort.Slice(rules, func(i, j int) bool { return compareRules(rules[i], rules[j]) < 0 })
	rules = slices.CompactFunc(rules, func(a, b Rule) bool { return compareRules(a, b) == 0 })
	if len(rules) < 2 {
		return rules
	}
	gone := make([]bool, len(rules))
	for i := range rules {
		for j := range rules {
			if i != j && !gone[j] && !gone[i] && rules[i].Verdict == rules[j].Verdict && within(rules[i].Conds, rules[j].Conds) {
				gone[i] = true
			}
		}
	}
	kept := rules[:0]
	for i, r := range rules {
		if !gone[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

// within reports whether every call that satisfies a satisfies b.
func within(a, b []Cond) bool {
	for _, c := range b {
		i := slices.IndexFunc(a, func(x Cond) bool { return x.Arg == c.Arg })
		if i < 0 || !implies(a[i], c) {
			return false
		}
	}
	return true
}

func compareRules(a, b Rule) int {
	return cmp.Or(cmp.Compare(a.Verdict.Action, b.Verdict.Action), cmp.Compare(a.Verdict.Errno, b.Verdict.Errno),
		slices.CompareFunc(a.Conds, b.Conds, compareConds))
}
