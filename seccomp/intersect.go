package seccomp

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Probed are calls that C libraries and language runtimes try before an older one, which they use only after ENOSYS, and the
// calls that are newer than those. A filter that answers EPERM breaks them (moby#42680, runc#2151). Sorted.
var Probed = []string{
	"cachestat", "clone3", "close_range", "epoll_pwait2", "faccessat2", "fchmodat2", "file_getattr", "file_setattr",
	"futex_requeue", "futex_wait", "futex_waitv", "futex_wake", "getxattrat", "landlock_add_rule",
	"landlock_create_ruleset", "landlock_restrict_self", "listmount", "listns", "listxattrat", "lsm_get_self_attr",
	"lsm_list_modules", "lsm_set_self_attr", "map_shadow_stack", "memfd_secret", "mseal", "open_tree_attr", "openat2",
	"process_mrelease", "removexattrat", "rseq", "set_mempolicy_home_node", "setxattrat", "statmount", "statx", "uretprobe",
}

var enosys = Verdict{Action: Errno, Errno: 38}

// Intersect returns the profile that permits a call only when both profiles do, and says in sentences what it could not
// keep exact. Both must be of one architecture; otherwise the result denies everything.
//
// It is exact: a call is permitted if and only if both permit it, with the stricter of the two permitting actions (Log, Trace
// and Notify permit, see [Action.Permits]). The one exception is a call whose rules would take more than 96
// conditions: it is denied whatever its arguments. Ranges, and NE where a call has two, are rewritten as MASKED_EQ rules,
// because libseccomp up to 2.6 compiles them wrongly next to one another.
//
// A denied call gets the strictest action that either profile has for it, so a caller's KILL stays KILL. Among errno
// actions a rule of the ceiling comes before a rule of the caller and a rule before a default, except that libseccomp
// knows one action for the arguments that the rules of a call leave over: the default of the result. Calls
// in [Probed] that would get that default get ENOSYS instead.
func Intersect(caller, ceiling Profile) (Profile, []string) {
	out := Profile{
		Arch: ceiling.Arch, Default: stricter(ceiling.Default, caller.Default),
		ListenerPath: caller.ListenerPath, ListenerMetadata: caller.ListenerMetadata,
	}
	if caller.Arch != ceiling.Arch {
		out.Default = stricter(Verdict{Action: Errno, Errno: 1}, out.Default)
		return out, []string{fmt.Sprintf("the architectures differ, %q and %q: every call is denied", caller.Arch, ceiling.Arch)}
	}
	out.Flags = bothFlags(caller.Flags, ceiling.Flags)
	out.Calls = make([]Call, 0, max(len(caller.Calls), len(ceiling.Calls))+len(Probed))
	walk(caller.Calls, ceiling.Calls, Probed, func(name string, a, b []Rule) {
		rules := out.both(name, side{a, caller.Default}, side{b, ceiling.Default})
		if len(rules) == 0 && out.Default.Action == Errno && out.Default != enosys && isProbed(name) {
			rules = []Rule{{Verdict: enosys}}
		}
		if len(rules) > 0 {
			out.Calls = append(out.Calls, Call{name, rules})
		}
	})
	if !out.uses(Notify) {
		out.ListenerPath, out.ListenerMetadata = "", ""
	}
	notes := out.Notes
	out.Notes = nil
	return out, notes
}

func isProbed(name string) bool {
	_, ok := slices.BinarySearch(Probed, name)
	return ok
}

// bothFlags keeps what logs more (LOG of either), and the caller's own way to wait for its agent.
func bothFlags(caller, ceiling []specs.LinuxSeccompFlag) []specs.LinuxSeccompFlag {
	flags := slices.Clone(caller)
	if slices.Contains(ceiling, specs.LinuxSeccompFlagLog) {
		flags = append(flags, specs.LinuxSeccompFlagLog)
	}
	slices.Sort(flags)
	return slices.Compact(flags)
}

// walk visits every name of a, b and extra once, in order.
func walk(a, b []Call, extra []string, visit func(name string, a, b []Rule)) {
	for len(a) > 0 || len(b) > 0 || len(extra) > 0 {
		name := ""
		for _, c := range [][]Call{a, b} {
			if len(c) > 0 && (name == "" || c[0].Name < name) {
				name = c[0].Name
			}
		}
		if len(extra) > 0 && (name == "" || extra[0] < name) {
			name = extra[0]
		}
		var ra, rb []Rule
		if len(a) > 0 && a[0].Name == name {
			ra, a = a[0].Rules, a[1:]
		}
		if len(b) > 0 && b[0].Name == name {
			rb, b = b[0].Rules, b[1:]
		}
		if len(extra) > 0 && extra[0] == name {
			extra = extra[1:]
		}
		visit(name, ra, rb)
	}
}

// A side is what one profile says about one call.
type side struct {
	rules []Rule
	def   Verdict
}

func (s side) bare() bool { return bare(s.rules) }

// whole returns the verdict when it is the same for all arguments.
func (s side) whole() (Verdict, bool) {
	if len(s.rules) == 0 {
		return s.def, true
	}
	return s.rules[0].Verdict, s.bare()
}

// both intersects one call.
func (p *Profile) both(name string, caller, ceiling side) []Rule {
	a, aWhole := caller.whole()
	b, bWhole := ceiling.whole()
	if aWhole && bWhole {
		v := stricter(b, a)
		if a.Action == Errno && b.Action == Errno && len(ceiling.rules) == 0 && len(caller.rules) > 0 {
			v = a
		}
		switch {
		case v == p.Default:
			return nil
		case ceiling.bare() && b == v:
			return ceiling.rules
		case caller.bare() && a == v:
			return caller.rules
		}
		return []Rule{{Verdict: v}}
	}
	if caller.def == p.Default && ceiling.def == p.Default && slices.EqualFunc(caller.rules, ceiling.rules, sameRule) && !miscompiled(ceiling.rules) {
		return ceiling.rules // as for every exec, which asks for what create gave
	}
	rules := append(denials(ceiling, caller, p.Default), denials(caller, ceiling, p.Default)...)
	rules = append(rules, shared(caller, ceiling)...)
	if rules = p.fitted(name, rules, p.Default); !miscompiled(rules) {
		return rules
	}
	return p.fitted(name, withoutRanges(rules), p.Default)
}

// denials are the rules of s that deny. A default of the other side that is stricter holds wherever the other side does not permit
// the whole call: too strict where it permits a part, never too weak.
func denials(s, other side, result Verdict) []Rule {
	rules := s.rules
	if len(rules) == 0 && s.def != result {
		rules = []Rule{{Verdict: s.def}}
	}
	v, whole := other.whole()
	var out []Rule
	for _, r := range rules {
		if r.Verdict.Action.Permits() {
			continue
		}
		if !other.def.Action.Permits() && (!whole || !v.Action.Permits()) {
			r.Verdict = stricter(r.Verdict, other.def)
		}
		out = append(out, r)
	}
	return out
}

// permits are the rules of s that permit, with one for the rest when the default does.
func (s side) permits() []Rule {
	var out []Rule
	for _, r := range s.rules {
		if r.Verdict.Action.Permits() {
			out = append(out, r)
		}
	}
	if !s.def.Action.Permits() || s.bare() {
		return out
	}
	rest := [][]Cond{nil}
	for _, r := range s.rules {
		if r.Verdict.Action >= s.def.Action {
			continue // the strictest action wins where rules overlap
		}
		var next [][]Cond
		for _, conds := range rest {
			next = append(next, subtract(conds, r.Conds)...)
		}
		rest = next
	}
	for _, conds := range rest {
		out = append(out, Rule{conds, s.def})
	}
	return out
}

// shared are the rules for what both sides permit.
func shared(a, b side) []Rule {
	var out []Rule
	for _, x := range a.permits() {
		for _, y := range b.permits() {
			for _, conds := range meet(x.Conds, y.Conds) {
				out = append(out, Rule{conds, stricter(y.Verdict, x.Verdict)})
			}
		}
	}
	return out
}

// miscompiled reports whether libseccomp up to 2.6 may get the rules of one call wrong: it does for two ranges on one argument
// and for NE next to another NE (found by FuzzProgram in seccomp/compile).
func miscompiled(rules []Rule) bool {
	unequal := 0
	for _, r := range rules {
		for _, c := range r.Conds {
			if c.Op == Less || c.Op == AtLeast {
				return true
			}
			if c.Op == NotEqual {
				unequal++
			}
		}
	}
	return unequal > 1
}

// withoutRanges rewrites each range and each NE as Equal and Masked conditions.
func withoutRanges(rules []Rule) []Rule {
	var out []Rule
	for _, r := range rules {
		lists := [][]Cond{nil}
		for _, c := range r.Conds {
			lists = times(lists, cubes(c))
		}
		for _, l := range lists {
			out = append(out, Rule{l, r.Verdict})
		}
	}
	return out
}
