package recording

import (
	"math"
	"slices"
	"strings"
)

// Merge gives the calls of several lists as one: each call once, in the order of Recording.Calls, its counts added, its first and
// last times the extremes, its arguments by [MergeArguments]. It is commutative and associative; merging a list with itself changes counts only.
// The lists are not changed and share nothing with the result.
func Merge(lists ...[]Call) []Call {
	var all []Call
	for _, l := range lists {
		all = append(all, l...)
	}
	slices.SortStableFunc(all, compareCalls)
	var out []Call
	for _, c := range all {
		if n := len(out); n > 0 && compareCalls(out[n-1], c) == 0 {
			out[n-1] = mergeCalls(out[n-1], c)
			continue
		}
		out = append(out, c.clone())
	}
	return out
}

func (c Call) clone() Call {
	c.Seen = slices.Clone(c.Seen)
	if c.Arguments != nil {
		c.Arguments = MergeArguments(c.Arguments, &Arguments{Indices: c.Arguments.Indices, Masks: c.Arguments.Masks})
	}
	return c
}

// mergeCalls makes one call of two of the same name. Numbers of one name differ between architectures: the smaller is kept.
func mergeCalls(a, b Call) Call {
	out := Call{Name: a.Name, Number: min(a.Number, b.Number), Architecture: a.Architecture, Denied: add(a.Denied, b.Denied)}
	for _, s := range slices.Concat(a.Seen, b.Seen) {
		i := slices.IndexFunc(out.Seen, func(o Seen) bool { return o.Phase == s.Phase })
		if i < 0 {
			out.Seen = append(out.Seen, s)
			continue
		}
		o := &out.Seen[i]
		o.Count = add(o.Count, s.Count)
		if s.First.Before(o.First) {
			o.First = s.First
		}
		if s.Last.After(o.Last) {
			o.Last = s.Last
		}
	}
	// By name, backwards: startup before serving.
	slices.SortFunc(out.Seen, func(x, y Seen) int { return strings.Compare(y.Phase, x.Phase) })
	out.Arguments = MergeArguments(a.Arguments, b.Arguments)
	return out
}

// MergeArguments gives what is known of a call's arguments from two recordings: the combinations of both. Nil, nothing is known,
// takes in everything; so does Any, for the same arguments. Where recordings keep different arguments or bits,
// those that both keep are left. It is commutative and associative.
func MergeArguments(a, b *Arguments) *Arguments {
	if a == nil || b == nil {
		return nil
	}
	out := &Arguments{Any: a.Any || b.Any}
	for i, x := range a.Indices {
		if j := slices.Index(b.Indices, x); j >= 0 && a.Masks[i]&b.Masks[j] != 0 {
			out.Indices = append(out.Indices, x)
			out.Masks = append(out.Masks, a.Masks[i]&b.Masks[j])
		}
	}
	if len(out.Indices) == 0 {
		return nil
	}
	if out.Any {
		return out
	}
	values := slices.Concat(project(a, out), project(b, out))
	slices.SortStableFunc(values, func(x, y Combination) int { return slices.Compare(x.Values, y.Values) })
	for _, v := range values {
		if n := len(out.Values); n > 0 && slices.Equal(out.Values[n-1].Values, v.Values) {
			out.Values[n-1].Count = add(out.Values[n-1].Count, v.Count)
			continue
		}
		out.Values = append(out.Values, v)
	}
	return out
}

// project gives the combinations of a for the arguments and bits of to.
func project(a, to *Arguments) []Combination {
	out := make([]Combination, len(a.Values))
	for k, c := range a.Values {
		out[k] = Combination{Values: make([]uint64, len(to.Indices)), Count: c.Count}
		for i, x := range to.Indices {
			out[k].Values[i] = c.Values[slices.Index(a.Indices, x)] & to.Masks[i]
		}
	}
	return out
}

// add stops at the largest number.
func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
