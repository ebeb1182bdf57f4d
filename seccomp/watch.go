package seccomp

import (
	"fmt"
	"sort"
)

// maxWatched bounds the rules of the calls of which a part is watched, together: the kernel takes programs of up to 4096
// instructions. Calls with many rules are watched as a whole first.
const maxWatched = 400

// Watch returns the profile that denies what p denies and asks a listener (SCMP_ACT_NOTIFY) about every call that p permits,
// but for those that quiet permits, too: they run without a question. It permits what p permits, with Notify counted as
// a permission, and nothing else: neither quiet nor the listener can bring back what p denies, because the kernel never asks about
// a call that the filter denies (seccomp_unotify(2)).
//
// Where rules for a part of a call's arguments would be too many, or of a kind that libseccomp compiles wrongly, the whole call is
// asked about, so the listener has to be ready for calls that quiet permits.
//
// A profile that permits calls by default, or has a listener already, cannot be watched.
func Watch(p, quiet Profile) (Profile, error) {
	switch {
	case p.Default.Action.Permits():
		return Profile{}, fmt.Errorf("watch seccomp profile: its default %s permits calls that it does not name", p.Default)
	case p.Notifies():
		return Profile{}, fmt.Errorf("watch seccomp profile: it has a listener of its own (%q), and the kernel takes only one", p.ListenerPath)
	case p.Arch != quiet.Arch:
		return Profile{}, fmt.Errorf("watch seccomp profile: the architectures differ, %q and %q", p.Arch, quiet.Arch)
	}
	out := Profile{Arch: p.Arch, Default: p.Default, Flags: p.Flags, Calls: make([]Call, 0, len(p.Calls))}
	var parted []int
	for i, c := range p.Calls {
		rules, parts := watched(c.Rules, side{quiet.Call(c.Name).Rules, quiet.Default})
		if parts && !same(p, c.Name, rules) {
			rules, parts = asking(c.Rules), false
		}
		out.Calls = append(out.Calls, Call{c.Name, rules})
		if parts {
			parted = append(parted, i)
		}
	}
	sort.SliceStable(parted, func(i, j int) bool { return len(out.Calls[parted[i]].Rules) < len(out.Calls[parted[j]].Rules) })
	sum := 0
	for _, i := range parted {
		if sum += len(out.Calls[i].Rules); sum > maxWatched {
			out.Calls[i].Rules = asking(p.Calls[i].Rules)
		}
	}
	return out, nil
}

// same tells whether rules permit what p permits of a call, as far as [Subset] can tell: who loads the filter will ask it.
func same(p Profile, name string, rules []Rule) bool {
	a, b := p, p
	a.Calls, b.Calls = []Call{{name, rules}}, []Call{p.Call(name)}
	wide, _ := Subset(a, b)
	narrow, _ := Subset(b, a)
	return wide && narrow
}

// watched gives the rules of a call: those that permit ask, but where quiet permits. parts tells that some do and some do not.
func watched(rules []Rule, quiet side) (_ []Rule, parts bool) {
	v, whole := quiet.whole()
	switch {
	case whole && v.Action.Permits():
		return rules, false
	case whole, quiet.def.Action.Permits(): // the rest of a default that permits is not worth its rules
		return asking(rules), false
	}
	var out []Rule
	for _, r := range rules {
		if !r.Verdict.Action.Permits() {
			out = append(out, r)
			continue
		}
		pieces, ok := parted(r, quiet.permits())
		if !ok {
			return asking(rules), false
		}
		out = append(out, pieces...)
	}
	if miscompiled(out) {
		out = withoutRanges(out)
	}
	if len(out) > maxRules {
		return asking(rules), false
	}
	return absorb(out), true
}

// parted are the rules for what r permits: its own verdict where one of quiet does, too, and Notify elsewhere.
func parted(r Rule, quiet []Rule) (out []Rule, ok bool) {
	loud := [][]Cond{r.Conds}
	for _, q := range quiet {
		for _, conds := range meet(r.Conds, q.Conds) {
			out = append(out, Rule{conds, r.Verdict})
		}
		var next [][]Cond
		for _, l := range loud {
			next = append(next, subtract(l, q.Conds)...)
		}
		if loud = next; len(loud) > maxRules {
			return nil, false
		}
	}
	for _, conds := range loud {
		out = append(out, Rule{conds, Verdict{Action: Notify}})
	}
	return out, true
}

// asking gives the rules with Notify in the place of every verdict that permits.
func asking(rules []Rule) []Rule {
	out := make([]Rule, len(rules))
	for i, r := range rules {
		if r.Verdict.Action.Permits() {
			r.Verdict = Verdict{Action: Notify}
		}
		out[i] = r
	}
	return out
}
