package seccomp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// maxErrno is the largest number that the kernel returns for SCMP_ACT_ERRNO (MAX_ERRNO in include/linux/err.h).
const maxErrno = 4095

// flagTsync is known to runc, which ignores it: libseccomp-golang always loads with it. runtime-spec has no constant.
const flagTsync specs.LinuxSeccompFlag = "SECCOMP_FILTER_FLAG_TSYNC"

var nativeArch = map[string]specs.Arch{
	"386": specs.ArchX86, "amd64": specs.ArchX86_64, "arm": specs.ArchARM, "arm64": specs.ArchAARCH64,
	"loong64": specs.ArchLOONGARCH64, "mips": specs.ArchMIPS, "mips64": specs.ArchMIPS64, "mips64le": specs.ArchMIPSEL64,
	"mipsle": specs.ArchMIPSEL, "ppc64": specs.ArchPPC64, "ppc64le": specs.ArchPPC64LE, "riscv64": specs.ArchRISCV64,
	"s390x": specs.ArchS390X,
}

var knownArchs = []specs.Arch{
	specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS, specs.ArchMIPS64,
	specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32, specs.ArchPPC, specs.ArchPPC64,
	specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC, specs.ArchPARISC64, specs.ArchRISCV64,
	specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}

// FromOCI returns the meaning of an OCI seccomp profile on one architecture, named as GOARCH is. Other architectures of the
// profile are left out, with a note: their calls get no filter rules, which means that libseccomp kills the caller.
//
// Unknown actions, operators, architectures and flags, an argument index above 5 and an errno above 4095 are errors
// that name the place. Names of calls that nobody knows are kept: libseccomp skips them.
func FromOCI(s *specs.LinuxSeccomp, arch string) (Profile, error) {
	if s == nil {
		return Profile{}, fmt.Errorf("parse linux.seccomp: no profile is given")
	}
	native, ok := nativeArch[arch]
	if !ok {
		return Profile{}, fmt.Errorf("parse linux.seccomp: unknown native architecture %q", arch)
	}
	p := Profile{Arch: arch, ListenerPath: s.ListenerPath, ListenerMetadata: s.ListenerMetadata}
	if s.DefaultAction == "" && len(s.Syscalls) == 0 {
		p.Default = Verdict{Action: Allow}
		p.note("linux.seccomp has no default action and no rules: libcontainer loads no filter for it")
		return p, nil
	}
	if err := p.readDefault(s); err != nil {
		return Profile{}, err
	}
	if err := p.readArchs(s.Architectures, native); err != nil {
		return Profile{}, err
	}
	if err := p.readFlags(s.Flags); err != nil {
		return Profile{}, err
	}
	entries, rules, err := p.readEntries(s.Syscalls)
	if err != nil {
		return Profile{}, err
	}
	p.setCalls(entries, rules)
	return p, nil
}

func (p *Profile) note(format string, args ...any) {
	p.Notes = append(p.Notes, fmt.Sprintf(format, args...))
}

// readVerdict reads an action and its number. On a problem it names the field, errnoRet or action, and the cause; a
// number without effect is an idle one.
func readVerdict(action specs.LinuxSeccompAction, ret *uint) (v Verdict, idle bool, field, cause string) {
	a, ok := parseAction(action)
	switch {
	case !ok:
		return v, false, "action", fmt.Sprintf("unknown action %q", action)
	case a != Errno && a != Trace:
		return Verdict{Action: a}, ret != nil, "", ""
	case ret == nil:
		return Verdict{Action: a, Errno: 1}, false, "", "" // EPERM, as in libcontainer
	case *ret > maxErrno:
		return v, false, "errnoRet", fmt.Sprintf("got %d, want at most %d", *ret, maxErrno)
	}
	return Verdict{Action: a, Errno: uint16(*ret)}, false, "", ""
}

func (p *Profile) readDefault(s *specs.LinuxSeccomp) error {
	v, idle, field, cause := readVerdict(s.DefaultAction, s.DefaultErrnoRet)
	if cause != "" {
		names := map[string]string{"action": "defaultAction", "errnoRet": "defaultErrnoRet"}
		return fmt.Errorf("parse linux.seccomp.%s: %s", names[field], cause)
	}
	if idle {
		p.note("linux.seccomp.defaultErrnoRet has no effect: %s takes no number", v.Action)
	}
	p.Default = v
	return nil
}

func (p *Profile) readArchs(archs []specs.Arch, native specs.Arch) error {
	for i, a := range archs {
		if !slices.Contains(knownArchs, a) {
			return fmt.Errorf("parse linux.seccomp.architectures[%d]: unknown architecture %q", i, a)
		}
		if a != native {
			p.note("linux.seccomp.architectures[%d] left out: %s is not the native architecture", i, a)
		}
	}
	return nil
}

func (p *Profile) readFlags(flags []specs.LinuxSeccompFlag) error {
	for i, f := range flags {
		switch f {
		case flagTsync:
		case specs.LinuxSeccompFlagSpecAllow:
			p.note("linux.seccomp.flags[%d] left out: %s turns off the mitigation of speculative store bypass", i, f)
		case specs.LinuxSeccompFlagLog, specs.LinuxSeccompFlagWaitKillableRecv:
			p.Flags = append(p.Flags, f)
		default:
			return fmt.Errorf("parse linux.seccomp.flags[%d]: unknown flag %q", i, f)
		}
	}
	slices.Sort(p.Flags)
	p.Flags = slices.Compact(p.Flags)
	return nil
}

// An entry is one rule of one name, in the profile's order.
type entry struct {
	name string
	// rule is the rule's place among the profile's different ones: names of one OCI entry share theirs.
	rule int32
	// bare: the rule has no args in the OCI form, so it overrides every other rule of its name.
	bare bool
}

func (p *Profile) readEntries(calls []specs.LinuxSyscall) ([]entry, []Rule, error) {
	n := 0
	for i := range calls {
		n += len(calls[i].Names)
	}
	entries := make([]entry, 0, n)
	rules := make([]Rule, 0, len(calls))
	for i, c := range calls {
		v, idle, field, cause := readVerdict(c.Action, c.ErrnoRet)
		if cause != "" {
			return nil, nil, fmt.Errorf("parse linux.seccomp.syscalls[%d].%s: %s", i, field, cause)
		}
		if idle {
			p.note("linux.seccomp.syscalls[%d].errnoRet has no effect: %s takes no number", i, v.Action)
		}
		lists, err := p.readArgs(i, c.Args)
		if err != nil {
			return nil, nil, err
		}
		first := int32(len(rules))
		for _, conds := range lists {
			rules = append(rules, Rule{conds, v})
		}
		for j, name := range c.Names {
			if name == "" {
				return nil, nil, fmt.Errorf("parse linux.seccomp.syscalls[%d].names[%d]: the name is empty", i, j)
			}
			if v == p.Default {
				continue // libcontainer skips it, so it overrides nothing
			}
			for k := range lists {
				entries = append(entries, entry{name, first + int32(k), len(c.Args) == 0})
			}
		}
	}
	return entries, rules, nil
}

// setCalls groups entries by name, in their order, and normalises the rules of each. Calls with one rule share those that they were
// read from: nobody writes to the rules of a call.
func (p *Profile) setCalls(entries []entry, rules []Rule) {
	order := make([]int32, len(entries)) // sorted in place of the entries: it holds no pointers, so moving it is cheap
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(strings.Compare(entries[a].name, entries[b].name), int(a-b))
	})
	p.Calls = make([]Call, 0, len(entries))
	for len(order) > 0 {
		name, n := entries[order[0]].name, 1
		for n < len(order) && entries[order[n]].name == name {
			n++
		}
		bare := slices.IndexFunc(order[:n], func(j int32) bool { return entries[j].bare })
		at := entries[order[0]].rule
		own := rules[at : at+1 : at+1]
		if n > 1 {
			own = make([]Rule, n)
			for i, j := range order[:n] {
				own[i] = rules[entries[j].rule]
			}
		}
		if own = p.rulesOf(name, own, bare); len(own) > 0 {
			p.Calls = append(p.Calls, Call{name, own})
		}
		order = order[n:]
	}
}

// rulesOf gives the rules of one name: the first unconditional one alone, else all of them without overlap.
func (p *Profile) rulesOf(name string, rules []Rule, bare int) []Rule {
	if bare < 0 {
		return p.fitted(name, rules, p.Default)
	}
	if len(rules) > 1 {
		p.note("the unconditional rule of %q overrides its other rules", name)
	}
	return rules[bare : bare+1 : bare+1]
}

// fitted normalises the rules of a call. When that takes too many rules the whole call gets the strictest verdict in sight.
func (p *Profile) fitted(name string, rules []Rule, def Verdict) []Rule {
	if out, ok := normalise(rules, def); ok {
		return out
	}
	worst := stricter(Verdict{Action: Errno, Errno: 1}, def)
	for _, r := range rules {
		worst = stricter(worst, r.Verdict)
	}
	p.note("the rules of %q need more than %d conditions: the call is denied whatever its arguments", name, maxRules)
	if worst == def {
		return nil
	}
	return []Rule{{Verdict: worst}}
}
