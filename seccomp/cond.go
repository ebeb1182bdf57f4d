package seccomp

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
)

// An Op compares an argument with a value.
type Op uint8

// The operators of a normalised condition. LE and GT of the OCI form become Less and AtLeast.
const (
	Equal    Op = iota + 1 // arg == Value
	NotEqual               // arg != Value
	Masked                 // arg & Mask == Value
	Less                   // arg < Value
	AtLeast                // arg >= Value
)

// A Cond is one comparison of one argument, on all 64 bits. Mask is zero except for Masked, where Value has no bit
// outside Mask and Mask is neither 0 nor all ones.
type Cond struct {
	Arg   uint8
	Op    Op
	Value uint64
	Mask  uint64
}

// String gives the condition as C would write it.
func (c Cond) String() string {
	switch c.Op {
	case Equal:
		return fmt.Sprintf("arg%d == %#x", c.Arg, c.Value)
	case NotEqual:
		return fmt.Sprintf("arg%d != %#x", c.Arg, c.Value)
	case Masked:
		return fmt.Sprintf("arg%d & %#x == %#x", c.Arg, c.Mask, c.Value)
	case Less:
		return fmt.Sprintf("arg%d < %#x", c.Arg, c.Value)
	case AtLeast:
		return fmt.Sprintf("arg%d >= %#x", c.Arg, c.Value)
	}
	return fmt.Sprintf("arg%d ?%d", c.Arg, c.Op)
}

// Match reports whether x, the value of the condition's argument, satisfies it.
func (c Cond) Match(x uint64) bool {
	switch c.Op {
	case Equal:
		return x == c.Value
	case NotEqual:
		return x != c.Value
	case Masked:
		return x&c.Mask == c.Value
	case Less:
		return x < c.Value
	case AtLeast:
		return x >= c.Value
	}
	return false
}

// A fit says whether a condition holds for some values, for all, or for none.
type fit uint8

const (
	some fit = iota
	always
	never
)

// masked returns the condition x & mask == value, in its simplest form.
func masked(arg uint8, mask, value uint64) (Cond, fit) {
	value &= mask
	switch mask {
	case 0:
		return Cond{}, always
	case math.MaxUint64:
		return Cond{Arg: arg, Op: Equal, Value: value}, some
	}
	return Cond{Arg: arg, Op: Masked, Value: value, Mask: mask}, some
}

// less returns x < value, or x <= value, in its simplest form.
func less(arg uint8, value uint64, orEqual bool) (Cond, fit) {
	if orEqual {
		if value == math.MaxUint64 {
			return Cond{}, always
		}
		value++
	}
	switch value {
	case 0:
		return Cond{}, never
	case 1:
		return Cond{Arg: arg, Op: Equal}, some
	}
	return Cond{Arg: arg, Op: Less, Value: value}, some
}

// atLeast returns x >= value, or x > value, in its simplest form.
func atLeast(arg uint8, value uint64, strict bool) (Cond, fit) {
	if strict {
		if value == math.MaxUint64 {
			return Cond{}, never
		}
		value++
	}
	switch value {
	case 0:
		return Cond{}, always
	case math.MaxUint64:
		return Cond{Arg: arg, Op: Equal, Value: value}, some
	}
	return Cond{Arg: arg, Op: AtLeast, Value: value}, some
}

// and returns conditions on the same argument whose union is a and b together. Empty: no value satisfies both.
func and(a, b Cond) []Cond {
	if b.Op < a.Op {
		a, b = b, a
	}
	switch {
	case a == b:
		return []Cond{a}
	case a.Op == Equal:
		if b.Match(a.Value) {
			return []Cond{a}
		}
		return nil
	case a.Op == NotEqual:
		return withoutPoint(b, a.Value)
	case a.Op == Masked && b.Op == Masked:
		if (a.Value^b.Value)&a.Mask&b.Mask != 0 {
			return nil
		}
		c, _ := masked(a.Arg, a.Mask|b.Mask, a.Value|b.Value)
		return []Cond{c}
	case a.Op == b.Op && a.Op == Less:
		return []Cond{{Arg: a.Arg, Op: Less, Value: min(a.Value, b.Value)}}
	case a.Op == b.Op:
		return []Cond{{Arg: a.Arg, Op: AtLeast, Value: max(a.Value, b.Value)}}
	}
	var out []Cond
	for _, x := range cubes(a) {
		for _, y := range cubes(b) {
			out = append(out, and(x, y)...)
		}
	}
	return out
}

// not returns conditions whose union is the complement of c.
func not(c Cond) []Cond {
	switch c.Op {
	case Equal:
		return []Cond{{Arg: c.Arg, Op: NotEqual, Value: c.Value}}
	case NotEqual:
		return []Cond{{Arg: c.Arg, Op: Equal, Value: c.Value}}
	case Less:
		n, _ := atLeast(c.Arg, c.Value, false)
		return []Cond{n}
	case AtLeast:
		n, _ := less(c.Arg, c.Value, false)
		return []Cond{n}
	}
	out := make([]Cond, 0, bits.OnesCount64(c.Mask))
	for m := c.Mask; m != 0; m &= m - 1 {
		bit := m & -m
		out = append(out, Cond{Arg: c.Arg, Op: Masked, Mask: bit, Value: ^c.Value & bit})
	}
	return out
}

// withoutPoint returns conditions whose union is c without the value p.
func withoutPoint(c Cond, p uint64) []Cond {
	if !c.Match(p) {
		return []Cond{c}
	}
	var out []Cond
	for _, q := range cubes(c) {
		out = append(out, cubeWithoutPoint(q, p)...)
	}
	return out
}

// cubeWithoutPoint takes p out of an Equal or Masked condition: one condition for each free bit, in which that bit differs from
// p and the free bits above it do not.
func cubeWithoutPoint(q Cond, p uint64) []Cond {
	if !q.Match(p) {
		return []Cond{q}
	}
	if q.Op == Equal {
		return nil
	}
	return missing(q.Arg, q.Mask, p)
}

// missing returns the values that agree with p on mask and differ from it elsewhere.
func missing(arg uint8, mask, p uint64) []Cond {
	var out []Cond
	for bit := uint64(1) << 63; bit != 0; bit >>= 1 {
		if mask&bit != 0 {
			continue
		}
		mask |= bit
		c, _ := masked(arg, mask, p^bit)
		out = append(out, c)
	}
	return out
}

// cubes returns Equal and Masked conditions whose union is c. They are disjoint, at most 64.
func cubes(c Cond) []Cond {
	switch c.Op {
	case NotEqual:
		return missing(c.Arg, 0, c.Value)
	case Less:
		return below(c.Arg, c.Value)
	case AtLeast:
		return append(above(c.Arg, c.Value), Cond{Arg: c.Arg, Op: Equal, Value: c.Value})
	}
	return []Cond{c}
}

// below returns the values that share v's bits down to one that is set in v and clear in them.
func below(arg uint8, v uint64) []Cond {
	var out []Cond
	for m := v; m != 0; m &= m - 1 {
		bit := m & -m
		c, _ := masked(arg, -bit, v^bit)
		out = append(out, c)
	}
	return out
}

// above returns the values that share v's bits down to one that is clear in v and set in them.
func above(arg uint8, v uint64) []Cond {
	var out []Cond
	for m := ^v; m != 0; m &= m - 1 {
		bit := m & -m
		c, _ := masked(arg, -bit, v^bit)
		out = append(out, c)
	}
	return out
}

// implies reports whether every value that satisfies a satisfies b. Both are in their simplest form.
func implies(a, b Cond) bool {
	switch {
	case a == b:
		return true
	case a.Op == Equal:
		return b.Match(a.Value)
	case b.Op == Equal, a.Op == NotEqual:
		return false
	case b.Op == NotEqual:
		return !a.Match(b.Value)
	case a.Op == Masked && b.Op == Masked:
		return a.Mask&b.Mask == b.Mask && a.Value&b.Mask == b.Value
	}
	for _, n := range not(b) {
		if len(and(a, n)) > 0 {
			return false
		}
	}
	return true
}

func compareConds(a, b Cond) int {
	return cmp.Or(cmp.Compare(a.Arg, b.Arg), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Mask, b.Mask),
		cmp.Compare(a.Value, b.Value))
}
