package seccomp

import (
	"slices"
	"sort"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ToOCI returns the profile in OCI form: the native architecture only, names with the same rules in one entry, everything
// sorted, so that equal profiles give equal bytes. No args list repeats an index and rules of different actions do not overlap.
//
// Flags is never empty: libcontainer reads a missing list as SECCOMP_FILTER_FLAG_SPEC_ALLOW, and JSON loses an empty one.
// A profile without other flags gets SECCOMP_FILTER_FLAG_TSYNC, which libcontainer accepts and passes over: it loads the filter
// in the one thread that becomes the program.
func (p Profile) ToOCI() *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{
		DefaultAction:    specs.LinuxSeccompAction(p.Default.Action.String()),
		DefaultErrnoRet:  p.Default.ret(),
		Architectures:    []specs.Arch{nativeArch[p.Arch]},
		Flags:            append([]specs.LinuxSeccompFlag{flagTsync}, p.Flags...),
		ListenerPath:     p.ListenerPath,
		ListenerMetadata: p.ListenerMetadata,
	}
	slices.Sort(s.Flags)
	s.Flags = slices.Compact(s.Flags)
	s.Syscalls = p.entries()
	return s
}

func (v Verdict) ret() *uint {
	if v.Action != Errno && v.Action != Trace {
		return nil
	}
	n := uint(v.Errno)
	return &n
}

// entries prints bare rules first, one entry for each verdict, then the conditional rules by name. Calls with one and the
// same list of conditional rules share entries.
func (p Profile) entries() []specs.LinuxSyscall {
	var groups []group
	for _, c := range p.Calls {
		i := slices.IndexFunc(groups, func(g group) bool { return slices.EqualFunc(g.rules, c.Rules, sameRule) })
		if i < 0 {
			n := 1
			if len(groups) == 0 && bare(c.Rules) { // by far the largest: what is permitted whatever the arguments
				n = len(p.Calls)
			}
			groups = append(groups, group{rules: c.Rules, names: make([]string, 0, n)})
			i = len(groups) - 1
		}
		groups[i].names = append(groups[i].names, c.Name)
	}
	sort.SliceStable(groups, func(i, j int) bool {
		a, b := &groups[i], &groups[j]
		if a.bare() != b.bare() {
			return a.bare()
		}
		if a.bare() {
			return compareRules(a.rules[0], b.rules[0]) < 0
		}
		return slices.Compare(a.names, b.names) < 0
	})
	var out []specs.LinuxSyscall
	for _, g := range groups {
		for _, r := range g.rules {
			out = append(out, specs.LinuxSyscall{
				Names: g.names, Action: specs.LinuxSeccompAction(r.Verdict.Action.String()),
				ErrnoRet: r.Verdict.ret(), Args: ociArgs(r.Conds),
			})
		}
	}
	return out
}

type group struct {
	rules []Rule
	names []string
}

func (g group) bare() bool { return bare(g.rules) }

func bare(rules []Rule) bool { return len(rules) == 1 && len(rules[0].Conds) == 0 }

func sameRule(a, b Rule) bool { return compareRules(a, b) == 0 }

func ociArgs(conds []Cond) []specs.LinuxSeccompArg {
	var args []specs.LinuxSeccompArg
	for _, c := range conds {
		a := specs.LinuxSeccompArg{Index: uint(c.Arg), Value: c.Value}
		switch c.Op {
		case Equal:
			a.Op = specs.OpEqualTo
		case NotEqual:
			a.Op = specs.OpNotEqual
		case Masked:
			a.Op, a.Value, a.ValueTwo = specs.OpMaskedEqual, c.Mask, c.Value
		case Less:
			a.Op = specs.OpLessThan
		case AtLeast:
			a.Op = specs.OpGreaterEqual
		}
		args = append(args, a)
	}
	return args
}
