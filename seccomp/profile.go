package seccomp

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A Profile is a seccomp profile for one architecture in a form with one meaning: see the package comment. Treat it as a
// value: its slices are shared and never written after it was made.
type Profile struct {
	// Arch is the architecture in Go's words, such as "amd64".
	Arch string
	// Default is the verdict of a call that no rule matches.
	Default Verdict
	// Calls are sorted by name, each once, each with at least one rule.
	Calls []Call
	// Flags are the filter's flags, sorted. SECCOMP_FILTER_FLAG_SPEC_ALLOW is never among them.
	Flags []specs.LinuxSeccompFlag
	// ListenerPath and ListenerMetadata belong to SCMP_ACT_NOTIFY: who decides is outside the profile.
	ListenerPath     string
	ListenerMetadata string
	// Notes say, one sentence each, what of the OCI form has no effect or was left out.
	Notes []string
}

// A Call holds the rules of one system call. Rules of different verdicts never overlap, and none gives the default verdict.
type Call struct {
	Name  string
	Rules []Rule
}

// Call returns the rules of a system call, or a Call without rules when the default verdict holds for all of it.
func (p Profile) Call(name string) Call {
	i, ok := slices.BinarySearchFunc(p.Calls, name, func(c Call, n string) int { return strings.Compare(c.Name, n) })
	if !ok {
		return Call{Name: name}
	}
	return p.Calls[i]
}

// Evaluate returns the verdict for a system call of the profile's architecture. The arguments are the registers, 64 bits each.
// It knows nothing of numbers: libcontainer's stub for unknown numbers and libseccomp's answer to a foreign
// architecture are outside of it (see the package comment).
func (p Profile) Evaluate(name string, args [6]uint64) Verdict {
	v, matched := Verdict{}, false
	for _, r := range p.Call(name).Rules {
		if r.Match(args) && (!matched || r.Verdict.Action > v.Action) {
			v, matched = r.Verdict, true
		}
	}
	if !matched {
		return p.Default
	}
	return v
}

// Notifies reports whether any verdict is SCMP_ACT_NOTIFY, or a listener is named.
func (p Profile) Notifies() bool {
	return p.ListenerPath != "" || p.uses(Notify)
}

func (p Profile) uses(a Action) bool {
	return p.Default.Action == a || slices.ContainsFunc(p.Calls, func(c Call) bool {
		return slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Verdict.Action == a })
	})
}

// Reachable counts the calls that the profile permits whatever their arguments, and those that it permits for some arguments.
// It counts names; a name that the architecture does not have counts too.
func (p Profile) Reachable() (unconditional, conditional int) {
	for _, c := range p.Calls {
		switch {
		case len(c.Rules) == 1 && len(c.Rules[0].Conds) == 0:
			if c.Rules[0].Verdict.Action.Permits() {
				unconditional++
			}
		case p.Default.Action.Permits() || slices.ContainsFunc(c.Rules, func(r Rule) bool { return r.Verdict.Action.Permits() }):
			conditional++
		}
	}
	return unconditional, conditional
}
