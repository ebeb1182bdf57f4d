package bdd

// A Field is a part of the filter's input: its first bit in the order of variables, and its width.
type Field struct {
	first uint16
	width uint16
}

// The fields before the arguments (struct seccomp_data, seccomp(2)).
var (
	Arch   = Field{0, 32}
	Number = Field{32, 32}
)

// Arg is argument i, from 0 to 5, as 64 bits.
func Arg(i uint8) Field { return Field{64 + 64*uint16(i), 64} }

// Low and High are the two words of an argument.
func Low(i uint8) Field { return Field{64 + 64*uint16(i) + 32, 32} }

// High is the upper word of an argument.
func High(i uint8) Field { return Field{64 + 64*uint16(i), 32} }

// at is the variable of a bit of the field; bit 0 is the lowest and the last in order.
func (f Field) at(bit uint16) uint16 { return f.first + f.width - 1 - bit }

// Masked is the set of inputs whose field, masked, is value. Bits of value outside mask make it empty.
func (g *Graph) Masked(f Field, mask, value uint64) Ref {
	if value&^mask != 0 {
		return False
	}
	r := True
	for bit := range f.width {
		switch {
		case mask>>bit&1 == 0:
		case value>>bit&1 == 1:
			r = g.node(f.at(bit), False, r)
		default:
			r = g.node(f.at(bit), r, False)
		}
	}
	return r
}

// Equal is the set of inputs whose field is value.
func (g *Graph) Equal(f Field, value uint64) Ref { return g.Masked(f, ^uint64(0), value) }

// MaskedLess is the set of inputs whose field, masked, is less than value.
func (g *Graph) MaskedLess(f Field, mask, value uint64) Ref {
	r := False
	if f.width < 64 && value>>f.width != 0 {
		return True
	}
	for bit := range f.width {
		lo, hi := r, False
		if value>>bit&1 == 1 {
			lo, hi = True, r
		}
		if mask>>bit&1 == 0 {
			r = lo
			continue
		}
		r = g.node(f.at(bit), lo, hi)
	}
	return r
}

// Less is the set of inputs whose field is less than value.
func (g *Graph) Less(f Field, value uint64) Ref { return g.MaskedLess(f, ^uint64(0), value) }

// MaskedTouches is the set of inputs whose field has a bit of mask set.
func (g *Graph) MaskedTouches(f Field, mask uint64) Ref { return g.Not(g.Masked(f, mask, 0)) }

// Sample is one input of a set: the architecture, the number and the arguments. It is false for the empty set.
func (g *Graph) Sample(f Ref) (arch, nr uint32, args [6]uint64, ok bool) {
	if f == False {
		return 0, 0, args, false
	}
	for n := g.nodes[f]; n.bit != leaf; n = g.nodes[f] {
		if n.lo != False {
			f = n.lo
			continue
		}
		f = n.hi
		switch {
		case n.bit < Number.first:
			arch |= 1 << (31 - n.bit)
		case n.bit < 64:
			nr |= 1 << (63 - n.bit)
		default:
			args[(n.bit-64)/64] |= 1 << (63 - n.bit%64)
		}
	}
	return arch, nr, args, true
}
