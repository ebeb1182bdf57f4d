package seccomp

import (
	"fmt"
	"strings"
)

// searchSteps bounds the search for a witness in one call. A profile that takes more is treated as not a subset.
const searchSteps = 200_000

// Subset reports whether b permits every call that a permits. If not, the string names a call with arguments that a permits and b
// denies, in words. A comparison that would take too long counts as no, and the string says so.
//
// It shares no algebra with [Intersect]: it searches for a witness argument by argument, bit by bit, and asks
// [Profile.Evaluate] of both profiles about what it found. It says nothing about how a denied call is denied.
func Subset(a, b Profile) (bool, string) {
	if a.Arch != b.Arch {
		return false, fmt.Sprintf("the architectures differ, %q and %q", a.Arch, b.Arch)
	}
	if a.Default.Action.Permits() && !b.Default.Action.Permits() {
		return false, fmt.Sprintf("a call that no rule names gets %s, not %s", a.Default, b.Default)
	}
	found := ""
	walk(a.Calls, b.Calls, nil, func(name string, ra, rb []Rule) {
		if found == "" && (len(ra) > 0 || a.Default.Action.Permits()) {
			found = witness(a, b, name, ra, rb)
		}
	})
	return found == "", found
}

// witness describes arguments of a call that a permits and b denies. Empty: there are none.
func witness(a, b Profile, name string, ra, rb []Rule) string {
	for _, r := range ra {
		if !r.Verdict.Action.Permits() {
			continue
		}
		if w := outside(a, b, name, r.Conds, nil, rb); w != "" {
			return w
		}
	}
	if !a.Default.Action.Permits() {
		return ""
	}
	return outside(a, b, name, nil, ra, rb)
}

// outside looks for arguments that satisfy conds, none of the rules in miss, and that b denies.
func outside(a, b Profile, name string, conds []Cond, miss, rb []Rule) string {
	if b.Default.Action.Permits() {
		for _, r := range rb {
			if r.Verdict.Action.Permits() {
				continue
			}
			s := newSearch(conds, miss)
			for _, c := range r.Conds {
				s.demand(c, true)
			}
			if w := s.report(a, b, name); w != "" {
				return w
			}
		}
		return ""
	}
	for _, r := range rb { // the search below would find nothing in the two common cases
		if r.Verdict.Action.Permits() && (len(r.Conds) == 0 || sameConds(r.Conds, conds)) {
			return ""
		}
	}
	var permits []Rule
	for _, r := range rb {
		if r.Verdict.Action.Permits() {
			permits = append(permits, r)
		}
	}
	return newSearch(conds, append(permits, miss...)).report(a, b, name)
}

func sameConds(a, b []Cond) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// A literal is a condition that must hold, or must not.
type literal struct {
	c    Cond
	want bool
}

// A search looks for arguments that satisfy every literal and violate at least one condition of each rule in miss.
type search struct {
	args  [6][]literal
	miss  []Rule
	steps int
	found [6]uint64
}

func newSearch(conds []Cond, miss []Rule) *search {
	s := &search{miss: miss, steps: searchSteps}
	for _, c := range conds {
		s.demand(c, true)
	}
	return s
}

func (s *search) demand(c Cond, want bool) { s.args[c.Arg] = append(s.args[c.Arg], literal{c, want}) }

func (s *search) report(a, b Profile, name string) string {
	switch ok := s.try(0); {
	case s.steps <= 0:
		return fmt.Sprintf("%s: the rules are too many to compare", name)
	case !ok:
		return ""
	}
	words := make([]string, len(s.found))
	for i, x := range s.found {
		words[i] = fmt.Sprintf("%#x", x)
	}
	return fmt.Sprintf("%s(%s) gets %s, not %s", name, strings.Join(words, ", "),
		a.Evaluate(name, s.found), b.Evaluate(name, s.found))
}

// try chooses for each rule from number i on the condition that is violated.
func (s *search) try(i int) bool {
	if i == len(s.miss) {
		return s.solve()
	}
	for _, c := range s.miss[i].Conds {
		s.demand(c, false)
		if (len(s.miss[i].Conds) == 1 || s.feasible(c.Arg)) && s.try(i+1) {
			return true
		}
		s.args[c.Arg] = s.args[c.Arg][:len(s.args[c.Arg])-1]
		if s.steps <= 0 {
			return false
		}
	}
	return false
}

func (s *search) feasible(arg uint8) bool {
	_, ok := s.value(s.args[arg], 0, 1<<63)
	return ok
}

func (s *search) solve() bool {
	for i, lits := range s.args {
		x, ok := s.value(lits, 0, 1<<63)
		if !ok {
			return false
		}
		s.found[i] = x
	}
	return true
}

// value finds an argument that satisfies every literal, given its bits above bit. The bits from bit down are zero in x.
func (s *search) value(lits []literal, x, bit uint64) (uint64, bool) {
	if s.steps--; s.steps <= 0 {
		return 0, false
	}
	// free are the bits that are not chosen yet.
	free := uint64(0)
	if bit != 0 {
		free = bit<<1 - 1
	}
	open := false
	for _, l := range lits {
		switch holds, sure := l.c.known(x, free); {
		case !sure:
			open = true
		case holds != l.want:
			return 0, false
		}
	}
	if !open {
		return x, true
	}
	bit = next(lits, bit)
	if got, ok := s.value(lits, x, bit>>1); ok {
		return got, true
	}
	return s.value(lits, x|bit, bit>>1)
}

// next is the highest bit, from bit down, that a literal looks at: the others may as well stay zero.
func next(lits []literal, bit uint64) uint64 {
	looked := uint64(0)
	for _, l := range lits {
		if l.c.Op != Masked {
			return bit
		}
		looked |= l.c.Mask
	}
	for bit > 1 && looked&bit == 0 {
		bit >>= 1
	}
	return bit
}

// known tells whether c holds for x whatever its free bits are, and whether that is already certain.
func (c Cond) known(x, free uint64) (holds, sure bool) {
	switch c.Op {
	case Equal, NotEqual:
		if (x^c.Value)&^free != 0 {
			return c.Op == NotEqual, true
		}
		return c.Op == Equal, free == 0
	case Masked:
		if (x^c.Value)&c.Mask&^free != 0 {
			return false, true
		}
		return true, c.Mask&free == 0
	case Less:
		if x|free < c.Value {
			return true, true
		}
		return false, x >= c.Value
	case AtLeast:
		if x >= c.Value {
			return true, true
		}
		return false, x|free < c.Value
	}
	return false, true
}
