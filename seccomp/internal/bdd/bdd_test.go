package bdd

import (
	"math/rand/v2"
	"testing"
)

// holds asks the diagram about one input.
func holds(g *Graph, f Ref, args [6]uint64) uint32 {
	for {
		n := g.nodes[f]
		if n.bit == leaf {
			return uint32(n.lo)
		}
		if n.bit >= 64 && args[(n.bit-64)/64]>>(63-n.bit%64)&1 == 1 {
			f = n.hi
		} else {
			f = n.lo
		}
	}
}

func FuzzSets(f *testing.F) {
	for i := range uint64(50) {
		f.Add(i, i*3)
	}
	f.Fuzz(func(t *testing.T, a, b uint64) {
		r := rand.New(rand.NewPCG(a, b))
		g := New()
		set, want := False, func([6]uint64) bool { return false }
		for range 1 + r.IntN(5) {
			arg, v, m := uint8(r.IntN(2)), r.Uint64()>>r.IntN(64), r.Uint64()&r.Uint64()&r.Uint64()
			if r.IntN(2) == 0 {
				m = r.Uint64()&7 | 1<<40
			}
			var s Ref
			var is func(uint64) bool
			switch r.IntN(4) {
			case 0:
				s, is = g.Equal(Arg(arg), v), func(x uint64) bool { return x == v }
			case 1:
				s, is = g.Less(Arg(arg), v), func(x uint64) bool { return x < v }
			case 2:
				s, is = g.Masked(Arg(arg), m, v&m), func(x uint64) bool { return x&m == v&m }
			default:
				s, is = g.MaskedLess(Low(arg), m, v&0xffff), func(x uint64) bool { return x&m&0xffffffff < v&0xffff }
			}
			before := want
			if r.IntN(3) == 0 {
				set = g.Not(g.And(set, s))
				want = func(x [6]uint64) bool { return !before(x) || !is(x[arg]) }
			} else {
				set = g.Or(set, s)
				want = func(x [6]uint64) bool { return before(x) || is(x[arg]) }
			}
			for range 50 {
				in := [6]uint64{v + uint64(r.IntN(3)) - 1, r.Uint64() >> r.IntN(64)}
				if r.IntN(2) == 0 {
					in[0], in[1] = in[1], in[0]
				}
				if got := holds(g, set, in) == 1; got != want(in) {
					t.Fatalf("%#x: got %v", in, got)
				}
			}
		}
		if _, _, args, ok := g.Sample(set); ok && !want(args) {
			t.Fatalf("the sample %#x is outside", args)
		}
		covered(t, g, set)
	})
}

// covered proves that the exits and their cubes are the set again.
func covered(t *testing.T, g *Graph, f Ref) {
	arg, exits, ok := g.Exits(f)
	if !ok {
		return
	}
	again := False
	for _, e := range exits {
		cubes, ok := g.Cubes(e.Values, 5000)
		if !ok {
			t.Fatal("too many cubes")
		}
		values := False
		for _, q := range cubes {
			values = g.Or(values, g.Masked(Arg(arg), q.Mask, q.Value))
		}
		if values != e.Values {
			t.Fatalf("%d cubes are another set", len(cubes))
		}
		again = g.Or(again, g.And(values, e.Then))
		covered(t, g, e.Then)
	}
	if again != f {
		t.Fatal("the exits are another set")
	}
}
