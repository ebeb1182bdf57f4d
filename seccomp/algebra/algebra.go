// Package algebra compares and combines seccomp profiles exactly: union, difference, equality, and the canonical form. It works on
// decision diagrams over the bits of the arguments, so ranges are as exact as equalities, and it shares no code with
// [seccomp.Intersect] and [seccomp.Subset], which create uses: its tests prove each with the other. Creating a container does
// not need it.
package algebra

import (
	"fmt"
	"slices"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
)

// denied is what a call gets that a difference does not have.
var denied = seccomp.Verdict{Action: seccomp.Errno, Errno: 1}

// milder returns the more permissive of two verdicts. Among errno actions ENOSYS counts as milder, because C libraries fall
// back after it, then the smaller number.
func milder(a, b seccomp.Verdict) seccomp.Verdict {
	const enosys = 38
	switch {
	case a.Action != b.Action:
		if b.Action < a.Action {
			return b
		}
	case a.Errno == enosys:
	case b.Errno == enosys || b.Errno < a.Errno:
		return b
	}
	return a
}

// without is a's verdict where a permits and b does not, else a denial.
func without(a, b seccomp.Verdict) seccomp.Verdict {
	if a.Action.Permits() && !b.Action.Permits() {
		return a
	}
	return denied
}

// Union returns the profile that permits a call if and only if one of the two does, with the milder of the two verdicts: it is
// commutative, associative and idempotent. A call whose rules would be more than a profile holds keeps only the rules of a, or of
// b, or is denied, and the notes say so: the result is never wider. Profiles of different architectures, and
// those that ask different agents (listenerPath), have no union.
func Union(a, b seccomp.Profile) (seccomp.Profile, []string, error) {
	if a.Arch != b.Arch {
		return seccomp.Profile{}, nil, fmt.Errorf("merge seccomp profiles: the architectures differ, %q and %q", a.Arch, b.Arch)
	}
	out := seccomp.Profile{
		Arch: a.Arch, Default: milder(a.Default, b.Default), ListenerPath: a.ListenerPath, ListenerMetadata: a.ListenerMetadata,
		Flags: slices.Concat(a.Flags, b.Flags),
	}
	slices.Sort(out.Flags)
	out.Flags = slices.Compact(out.Flags)
	switch {
	case out.ListenerPath == "":
		out.ListenerPath, out.ListenerMetadata = b.ListenerPath, b.ListenerMetadata
	case b.ListenerPath != "" && (b.ListenerPath != a.ListenerPath || b.ListenerMetadata != a.ListenerMetadata):
		return seccomp.Profile{}, nil, fmt.Errorf("merge seccomp profiles: they have different listeners, %q and %q", a.ListenerPath, b.ListenerPath)
	}
	c := combiner{a: a, b: b, op: milder, out: &out}
	c.calls()
	return out, c.notes, nil
}

// Difference returns the profile that permits a call if and only if a does and b does not, with a's verdict. Everything else gets
// EPERM, or a's default where that is what a permits. A call whose rules are too many is denied, and the notes say so.
func Difference(a, b seccomp.Profile) (seccomp.Profile, []string, error) {
	if a.Arch != b.Arch {
		return seccomp.Profile{}, nil, fmt.Errorf("subtract seccomp profiles: the architectures differ, %q and %q", a.Arch, b.Arch)
	}
	out := seccomp.Profile{Arch: a.Arch, Default: without(a.Default, b.Default)}
	c := combiner{a: a, b: b, op: without, out: &out}
	c.calls()
	return out, c.notes, nil
}

// Equal reports whether two profiles give the same verdict to every call with any arguments, and have the same flags and listener.
// Notes do not count.
func Equal(a, b seccomp.Profile) bool {
	if a.Arch != b.Arch || a.Default != b.Default || !slices.Equal(a.Flags, b.Flags) ||
		a.ListenerPath != b.ListenerPath || a.ListenerMetadata != b.ListenerMetadata {
		return false
	}
	for _, name := range names(a, b) {
		g := bdd.New()
		if g.Call(a, name) != g.Call(b, name) {
			return false
		}
	}
	return true
}

// Canonical returns the same profile in a form that depends only on what it means: profiles that are [Equal] become the same
// value, except for a call whose canonical rules would be too many; it keeps the rules that it has, and the notes name it.
// Ranges become MASKED_EQ rules and no call has two NE conditions, because libseccomp up to 2.6 compiles those wrongly.
func Canonical(p seccomp.Profile) (seccomp.Profile, []string) {
	out := p
	out.Calls, out.Notes = nil, nil
	out.Flags = slices.Compact(slices.Sorted(slices.Values(p.Flags)))
	var notes []string
	for _, c := range p.Calls {
		g := bdd.New()
		rules, ok := rulesOf(g, g.Call(p, c.Name), p.Default)
		if !ok {
			notes = append(notes, fmt.Sprintf("the canonical rules of %q are too many: it keeps those of the file", c.Name))
			rules = c.Rules
		}
		if len(rules) > 0 {
			out.Calls = append(out.Calls, seccomp.Call{Name: c.Name, Rules: rules})
		}
	}
	return out, notes
}

// names are those that either profile has rules for, sorted.
func names(a, b seccomp.Profile) []string {
	var out []string
	for _, p := range []seccomp.Profile{a, b} {
		for _, c := range p.Calls {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// A combiner makes the calls of a profile from those of two.
type combiner struct {
	a, b  seccomp.Profile
	op    func(a, b seccomp.Verdict) seccomp.Verdict
	out   *seccomp.Profile
	notes []string
}

func (c *combiner) calls() {
	for _, name := range names(c.a, c.b) {
		g := bdd.New()
		f := g.Combine(g.Call(c.a, name), g.Call(c.b, name), func(x, y uint32) uint32 {
			return bdd.VerdictLeaf(c.op(bdd.LeafVerdict(x), bdd.LeafVerdict(y)))
		})
		rules, ok := rulesOf(g, f, c.out.Default)
		if !ok {
			rules = c.fewer(g, name, f)
		}
		if len(rules) > 0 {
			c.out.Calls = append(c.out.Calls, seccomp.Call{Name: name, Rules: rules})
		}
	}
}

// fewer gives a call whose exact rules are too many the rules of one side where those are not wider, else denies it.
func (c *combiner) fewer(g *bdd.Graph, name string, exact bdd.Ref) []seccomp.Rule {
	for i, p := range []seccomp.Profile{c.a, c.b} {
		mine := g.Call(p, name)
		wider := g.Combine(mine, exact, func(x, y uint32) uint32 {
			if bdd.LeafVerdict(x).Action < bdd.LeafVerdict(y).Action {
				return 1
			}
			return 0
		})
		if rules, ok := rulesOf(g, mine, c.out.Default); ok && wider == bdd.False {
			c.notes = append(c.notes, fmt.Sprintf("the rules of %q are too many: only those of the %s profile are kept", name, []string{"first", "second"}[i]))
			return rules
		}
	}
	c.notes = append(c.notes, fmt.Sprintf("the rules of %q are too many: it is denied whatever its arguments", name))
	if c.out.Default == denied {
		return nil
	}
	return []seccomp.Rule{{Verdict: denied}}
}
