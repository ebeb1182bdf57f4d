package bdd

import "github.com/bulkhead-runtime/bulkhead/seccomp"

// VerdictLeaf is how a verdict stands in a diagram.
func VerdictLeaf(v seccomp.Verdict) uint32 { return uint32(v.Action)<<16 | uint32(v.Errno) }

// LeafVerdict is the inverse of [VerdictLeaf].
func LeafVerdict(n uint32) seccomp.Verdict {
	return seccomp.Verdict{Action: seccomp.Action(n >> 16), Errno: uint16(n)}
}

// Cond is the set of inputs that satisfy a condition.
func (g *Graph) Cond(c seccomp.Cond) Ref {
	f := Arg(c.Arg)
	switch c.Op {
	case seccomp.Equal:
		return g.Equal(f, c.Value)
	case seccomp.NotEqual:
		return g.Not(g.Equal(f, c.Value))
	case seccomp.Masked:
		return g.Masked(f, c.Mask, c.Value)
	case seccomp.Less:
		return g.Less(f, c.Value)
	case seccomp.AtLeast:
		return g.Not(g.Less(f, c.Value))
	}
	return False
}

// Conds is the set of inputs that satisfy all conditions.
func (g *Graph) Conds(conds []seccomp.Cond) Ref {
	r := True
	for _, c := range conds {
		r = g.And(r, g.Cond(c))
	}
	return r
}

// Call is the function from the arguments of a call to its verdict, as [seccomp.Profile.Evaluate] gives it.
func (g *Graph) Call(p seccomp.Profile, name string) Ref {
	f := g.Leaf(VerdictLeaf(p.Default))
	seen := False
	for _, r := range p.Call(name).Rules {
		v, set := r.Verdict, g.Conds(r.Conds)
		mine := g.Leaf(VerdictLeaf(v))
		f = g.If(g.And(set, g.Not(seen)), mine, f)
		f = g.If(g.And(set, g.Where(f, func(n uint32) bool { return LeafVerdict(n).Action < v.Action })), mine, f)
		seen = g.Or(seen, set)
	}
	return f
}
