// Package bdd is reduced ordered decision diagrams over the input of a seccomp filter: the audit architecture, the number and
// six arguments, 448 bits. Two functions of these bits are the same if and only if their [Ref] in one [Graph] is the same, so
// that equality is a proof for every input.
package bdd

// A Ref is a function in its graph. It is one of two kinds: a set of inputs ([False], [True] and what is made of them), or a
// function from inputs to numbers made by [Graph.Leaf] and [Graph.If].
type Ref int32

// The empty set and the set of all inputs.
const (
	False Ref = 0
	True  Ref = 1
)

// leaf is the variable of a constant: it stands behind every bit.
const leaf = 1<<16 - 1

type node struct {
	bit    uint16
	lo, hi Ref
}

type triple struct{ f, g, h Ref }

// A Graph holds functions. It only grows; drop it when the question is answered. It is not safe for concurrent use.
type Graph struct {
	nodes  []node
	unique map[node]Ref
	ite    map[triple]Ref
}

// New returns a graph with the two constant sets.
func New() *Graph {
	g := &Graph{unique: map[node]Ref{}, ite: map[triple]Ref{}}
	g.Leaf(0)
	g.Leaf(1)
	return g
}

// Size is the number of nodes made so far.
func (g *Graph) Size() int { return len(g.nodes) }

func (g *Graph) intern(n node) Ref {
	if r, ok := g.unique[n]; ok {
		return r
	}
	r := Ref(len(g.nodes))
	g.nodes = append(g.nodes, n)
	g.unique[n] = r
	return r
}

// Leaf is the constant function to v. Leaf(0) is False and Leaf(1) is True.
func (g *Graph) Leaf(v uint32) Ref { return g.intern(node{leaf, Ref(v), 0}) }

// Value is the number of a constant function, and whether f is one.
func (g *Graph) Value(f Ref) (uint32, bool) {
	n := g.nodes[f]
	return uint32(n.lo), n.bit == leaf
}

func (g *Graph) node(bit uint16, lo, hi Ref) Ref {
	if lo == hi {
		return lo
	}
	return g.intern(node{bit, lo, hi})
}

// split gives the two halves of f at a bit that does not stand behind f's first.
func (g *Graph) split(f Ref, bit uint16) (lo, hi Ref) {
	if n := g.nodes[f]; n.bit == bit {
		return n.lo, n.hi
	}
	return f, f
}

// If is a where the set f holds and b elsewhere.
func (g *Graph) If(f, a, b Ref) Ref {
	switch {
	case f == True || a == b:
		return a
	case f == False:
		return b
	case a == True && b == False:
		return f
	}
	key := triple{f, a, b}
	if r, ok := g.ite[key]; ok {
		return r
	}
	bit := min(g.nodes[f].bit, g.nodes[a].bit, g.nodes[b].bit)
	f0, f1 := g.split(f, bit)
	a0, a1 := g.split(a, bit)
	b0, b1 := g.split(b, bit)
	r := g.node(bit, g.If(f0, a0, b0), g.If(f1, a1, b1))
	g.ite[key] = r
	return r
}

// And is the intersection of two sets.
func (g *Graph) And(a, b Ref) Ref { return g.If(a, b, False) }

// Or is the union of two sets.
func (g *Graph) Or(a, b Ref) Ref { return g.If(a, True, b) }

// Not is the complement of a set.
func (g *Graph) Not(a Ref) Ref { return g.If(a, False, True) }

// Within reports whether set a is a part of set b.
func (g *Graph) Within(a, b Ref) bool { return g.And(a, g.Not(b)) == False }

// Combine applies op to what two functions give for each input.
func (g *Graph) Combine(a, b Ref, op func(x, y uint32) uint32) Ref {
	seen := map[[2]Ref]Ref{}
	var walk func(a, b Ref) Ref
	walk = func(a, b Ref) Ref {
		na, nb := g.nodes[a], g.nodes[b]
		if na.bit == leaf && nb.bit == leaf {
			return g.Leaf(op(uint32(na.lo), uint32(nb.lo)))
		}
		if r, ok := seen[[2]Ref{a, b}]; ok {
			return r
		}
		bit := min(na.bit, nb.bit)
		a0, a1 := g.split(a, bit)
		b0, b1 := g.split(b, bit)
		r := g.node(bit, walk(a0, b0), walk(a1, b1))
		seen[[2]Ref{a, b}] = r
		return r
	}
	return walk(a, b)
}

// Where is the set of inputs for which f gives a number that want accepts.
func (g *Graph) Where(f Ref, want func(uint32) bool) Ref {
	return g.Combine(f, f, func(x, _ uint32) uint32 {
		if want(x) {
			return 1
		}
		return 0
	})
}

// Leaves are the numbers that f can give, in no order.
func (g *Graph) Leaves(f Ref) []uint32 {
	var out []uint32
	seen := map[Ref]bool{}
	var walk func(f Ref)
	walk = func(f Ref) {
		if seen[f] {
			return
		}
		seen[f] = true
		if n := g.nodes[f]; n.bit == leaf {
			out = append(out, uint32(n.lo))
		} else {
			walk(n.lo)
			walk(n.hi)
		}
	}
	walk(f)
	return out
}
