package seccomp

import "fmt"

// maxWatched bounds the rules of a call of which a part is watched. Beyond it the whole call is watched.
const maxWatched = 32

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
	for _, c := range p.Calls {
		out.Calls = append(out.Calls, Call{c.Name, watched(c.Rules, side{quiet.Call(c.Name).Rules, quiet.Default})})
	}
	return out, nil
}

// watched gives the rules of a call: those that permit ask, but where quiet permits.
func watched(rules []Rule, quiet side) []Rule {
	v, whole := quiet.whole()
	switch {
	case whole && v.Action.Permits():
		return rules
	case whole, quiet.def.Action.Permits(): // the rest of a default that permits is not worth its rules
		return asking(rules)
	}
	var out []Rule
	for _, r := range rules {
		if !r.Verdict.Action.Permits() {
			out = append(out, r)
			continue
		}
		loud := [][]Cond{r.Conds}
		for _, q := range quiet.permits() {
			for _, conds := range meet(r.Conds, q.Conds) {
				out = append(out, Rule{conds, r.Verdict})
			}
			var next [][]Cond
			for _, l := range loud {
				next = append(next, subtract(l, q.Conds)...)
			}
			if loud = next; len(loud) > maxWatched {
				return asking(rules)
			}
		}
		for _, conds := range loud {
			out = append(out, Rule{conds, Verdict{Action: Notify}})
		}
	}
	if miscompiled(out) {
		out = withoutRanges(out)
	}
	if len(out) > maxWatched {
		return asking(rules)
	}
	return absorb(out)
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
