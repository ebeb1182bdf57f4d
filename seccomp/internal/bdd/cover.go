package bdd

// A Cube is the set of values of one argument that agree with Value on the bits of Mask.
type Cube struct{ Mask, Value uint64 }

// An Exit is a way through the conditions on one argument: the set of its values, and what is left to decide after it.
type Exit struct {
	Values Ref
	Then   Ref
}

// Exits splits a set by its first argument that matters. It is false when none does: f is False or True. f must not depend on
// the architecture or the number.
func (g *Graph) Exits(f Ref) (arg uint8, exits []Exit, ok bool) {
	if n := g.nodes[f]; n.bit == leaf || n.bit < 64 {
		return 0, nil, false
	}
	first := (g.nodes[f].bit - 64) / 64
	behind := 64 + 64*(first+1)
	var order []Ref
	seen := map[Ref]bool{}
	var find func(r Ref)
	find = func(r Ref) {
		if seen[r] {
			return
		}
		seen[r] = true
		if n := g.nodes[r]; n.bit < behind {
			find(n.lo)
			find(n.hi)
		} else if r != False {
			order = append(order, r)
		}
	}
	find(f)
	for _, then := range order {
		memo := map[Ref]Ref{}
		var to func(r Ref) Ref
		to = func(r Ref) Ref {
			n := g.nodes[r]
			if n.bit >= behind {
				if r == then {
					return True
				}
				return False
			}
			if v, ok := memo[r]; ok {
				return v
			}
			v := g.node(n.bit, to(n.lo), to(n.hi))
			memo[r] = v
			return v
		}
		exits = append(exits, Exit{to(f), then})
	}
	return uint8(first), exits, true
}

// Cubes covers a set of values of one argument with cubes, none of which can be left out or made larger (the algorithm of Minato
// and Morreale). The same set gives the same cubes. It is false when that takes more than most.
func (g *Graph) Cubes(f Ref, most int) ([]Cube, bool) {
	c := &coverer{g: g, most: most}
	_, cubes := c.cover(f, f)
	return cubes, !c.full
}

type coverer struct {
	g    *Graph
	most int
	full bool
}

// cover returns cubes whose union holds everything of must and nothing outside may.
func (c *coverer) cover(must, may Ref) (Ref, []Cube) {
	g := c.g
	switch {
	case must == False || c.full:
		return False, nil
	case may == True:
		return True, []Cube{{}}
	}
	bit := min(g.nodes[must].bit, g.nodes[may].bit)
	must0, must1 := g.split(must, bit)
	may0, may1 := g.split(may, bit)
	f0, zero := c.cover(g.And(must0, g.Not(may1)), may0)
	f1, one := c.cover(g.And(must1, g.Not(may0)), may1)
	rest := g.Or(g.And(must0, g.Not(f0)), g.And(must1, g.Not(f1)))
	fd, both := c.cover(rest, g.And(may0, may1))
	weight := uint64(1) << (63 - bit%64)
	out := make([]Cube, 0, len(zero)+len(one)+len(both))
	for _, q := range zero {
		out = append(out, Cube{q.Mask | weight, q.Value})
	}
	for _, q := range one {
		out = append(out, Cube{q.Mask | weight, q.Value | weight})
	}
	out = append(out, both...)
	if len(out) > c.most {
		c.full = true
	}
	return g.Or(g.node(bit, f0, f1), fd), out
}
