package bdd

// AtZero is a function's part where a field is zero, as a function that does not depend on the field.
func (g *Graph) AtZero(f Ref, field Field) Ref {
	return g.fold(f, field, func(lo, _ Ref) Ref { return lo }, map[Ref]Ref{})
}

// Exists is the set of inputs that belong to a set with some value of a field.
func (g *Graph) Exists(f Ref, field Field) Ref {
	return g.fold(f, field, g.Or, map[Ref]Ref{})
}

// fold joins the two halves of each bit of a field.
func (g *Graph) fold(f Ref, field Field, join func(lo, hi Ref) Ref, seen map[Ref]Ref) Ref {
	n := g.nodes[f]
	if n.bit == leaf || n.bit >= field.first+field.width {
		return f
	}
	if r, ok := seen[f]; ok {
		return r
	}
	lo, hi := g.fold(n.lo, field, join, seen), g.fold(n.hi, field, join, seen)
	var r Ref
	if n.bit >= field.first {
		r = join(lo, hi)
	} else {
		r = g.node(n.bit, lo, hi)
	}
	seen[f] = r
	return r
}
