package harden

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// Every container has a filter, and it permits no call that the profile's does not.
//
//	Field:    linux.seccomp, linux.personality
//	Allowed:  a seccomp profile within the hardening profile's and within the one that the host's configuration maps to
//	          the container (seccompMap), for the native architecture alone; personality LINUX without flags
//	Else:     narrowed to the intersection; none given is the profile's own; SPEC_ALLOW and other architectures are
//	          dropped. SCMP_ACT_NOTIFY and listenerPath are refused unless the profile names the agent, and so is
//	          what cannot be read. With seccomp.requireRegistered (--require-generated) a filter that is not within
//	          a registered profile of the host is refused: the engine's usual profile is not enough then
//	Why:      most ways out of a container begin with a system call that its program never makes (CVE-2022-0185).
//	          A second architecture is a second, less looked after, door to the same kernel. An agent answers calls
//	          with the rights of whoever runs it. CIS Docker 5.22
var seccompRule = Rule{
	ID:      "seccomp",
	Fields:  []string{"linux.seccomp", "linux.personality"},
	Summary: "A seccomp filter that permits no call beyond the profile's, on the native architecture only.",
	narrow:  narrowSeccomp,
	judge:   judgeSeccomp,
}

func narrowSeccomp(s *specs.Spec, p Policy) []Change {
	changes := narrowToProfile(s, p)
	return append(changes, narrowToMapped(s, p)...)
}

// narrowToProfile is about the hardening profile's own seccomp profile.
func narrowToProfile(s *specs.Spec, p Policy) []Change {
	arch := goArch(p.Facts.Kernel.Arch)
	ceiling, err := p.seccompCeiling()
	if err != nil {
		return nil // judge says so
	}
	t := tally{rule: "seccomp"}
	given := s.Linux.Seccomp
	if given == nil {
		own, _ := seccomp.Intersect(ceiling, ceiling)
		s.Linux.Seccomp = own.ToOCI()
		t.narrow("linux.seccomp", "absent", describeFilter(own), because("every container has a filter", p.Profile.Seccomp.Reason))
		return t.changes
	}
	caller, err := seccomp.FromOCI(given, arch)
	if err != nil || caller.Notifies() && !agentNamed(given, p) {
		return nil // judge refuses it as it stands
	}
	result, notes := seccomp.Intersect(caller, ceiling)
	out := result.ToOCI()
	if reflect.DeepEqual(out, given) {
		return nil
	}
	t.elsewhere(given, p.Facts.Kernel.Arch)
	s.Linux.Seccomp = out
	why := "the intersection with the profile's"
	if lost := lostCalls(caller, result); lost != "" {
		why = "the profile does not permit " + lost
	}
	t.narrow("linux.seccomp", describeFilter(caller), describeFilter(result), because(why, p.Profile.Seccomp.Reason))
	t.dropped(given, out)
	for _, n := range append(slices.Clone(caller.Notes), notes...) {
		if !strings.Contains(n, "] left out: ") { // dropped has these
			t.note("linux.seccomp", describeFilter(result), n)
		}
	}
	return t.changes
}

// dropped names architectures and flags of the caller's that are gone.
func (t *tally) dropped(given, out *specs.LinuxSeccomp) {
	if archs := foreign(given.Architectures, out.Architectures); archs != "" {
		t.narrow("linux.seccomp.architectures", archs, "absent", "a second architecture is a second table of system calls")
	}
	if flags := foreign(given.Flags, out.Flags); flags != "" {
		t.narrow("linux.seccomp.flags", flags, "absent", "it turns off a mitigation (speculative store bypass)")
	}
}

// foreign lists what given has and out has not.
func foreign[T ~string](given, out []T) string {
	var names []string
	for _, g := range given {
		if !slices.Contains(out, g) && !slices.Contains(names, string(g)) {
			names = append(names, string(g))
		}
	}
	return strings.Join(names, ", ")
}

// describeFilter counts what a filter permits.
func describeFilter(p seccomp.Profile) string {
	if p.Default.Action.Permits() {
		return fmt.Sprintf("default %s", p.Default)
	}
	whole, partly := p.Reachable()
	return fmt.Sprintf("default %s, %d calls permitted and %d by argument", p.Default, whole, partly)
}

// lostCalls names the calls that the caller's profile permits and the result does not, when there are few enough to read.
func lostCalls(caller, result seccomp.Profile) string {
	if caller.Default.Action.Permits() {
		return ""
	}
	var lost []string
	for _, c := range caller.Calls {
		if permitsSome(c) && !permitsSome(result.Call(c.Name)) {
			lost = append(lost, c.Name)
		}
	}
	if len(lost) > maxLostCalls {
		return fmt.Sprintf("%s and %d more", strings.Join(lost[:maxLostCalls], ", "), len(lost)-maxLostCalls)
	}
	return strings.Join(lost, ", ")
}

const maxLostCalls = 16

func permitsSome(c seccomp.Call) bool {
	return slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() })
}

// agentNamed tells whether the listener is the one that the profile lets answer for the kernel.
func agentNamed(s *specs.LinuxSeccomp, p Policy) bool {
	return p.Profile.Seccomp.Agent != "" && s.ListenerPath == p.Profile.Seccomp.Agent
}

// seccompCeiling is the profile's seccomp profile, parsed.
func (p Policy) seccompCeiling() (seccomp.Profile, error) {
	if p.ceiling != nil {
		return *p.ceiling, nil
	}
	return seccomp.FromOCI(p.Seccomp, goArch(p.Facts.Kernel.Arch))
}

func judgeSeccomp(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "seccomp"}
	o.personality(s.Linux.Personality)
	const field = "linux.seccomp"
	given, arch := s.Linux.Seccomp, p.Facts.Kernel.Arch
	if given == nil {
		o.object(field, "absent", "a filter")
		return o.violations
	}
	ceiling, err := p.seccompCeiling()
	if err != nil {
		o.object(field, "not comparable with the profile's own ("+err.Error()+")", "a profile for this architecture")
		return o.violations
	}
	result, err := seccomp.FromOCI(given, goArch(arch))
	if err != nil {
		at, cause, _ := strings.Cut(strings.TrimPrefix(err.Error(), "parse "), ": ")
		o.object(at, "not readable ("+cause+")", "what runtime-spec and libseccomp know")
		return o.violations
	}
	if result.Notifies() && !agentNamed(given, p) {
		o.object("linux.seccomp.listenerPath", quote(given.ListenerPath), "no SCMP_ACT_NOTIFY and no listener, or the agent that the profile names")
		return o.violations
	}
	if len(given.Architectures) != 1 || string(given.Architectures[0]) != arch {
		o.object("linux.seccomp.architectures", fmt.Sprintf("%q", given.Architectures), "only "+arch)
	}
	// libcontainer reads an empty list as SPEC_ALLOW.
	if len(given.Flags) == 0 || slices.Contains(given.Flags, specs.LinuxSeccompFlagSpecAllow) {
		o.object("linux.seccomp.flags", fmt.Sprintf("%q", given.Flags), "a list without SECCOMP_FILTER_FLAG_SPEC_ALLOW")
	}
	if result.Default.Action.Permits() {
		o.object("linux.seccomp.defaultAction", string(given.DefaultAction), "an action that denies")
	}
	if ok, beyond := seccomp.Subset(result, ceiling); !ok {
		o.object(field, "beyond the profile's ("+beyond+")", "a part of it")
	}
	o.withinMapped(result, p)
	o.withinRegistered(result, p)
	return o.violations
}

// personality objects to another execution domain and to its flags: LINUX32 is another system call table, and the flags
// turn off address space randomisation (personality(2)).
func (o *protest) personality(p *specs.LinuxPersonality) {
	if p == nil {
		return
	}
	if p.Domain != specs.PerLinux {
		o.object("linux.personality.domain", quote(string(p.Domain)), "LINUX")
	}
	if len(p.Flags) > 0 {
		o.object("linux.personality.flags", fmt.Sprintf("%q", p.Flags), "none")
	}
}

// goArch is the GOARCH of an architecture in libseccomp's notation, or empty: then nothing can be read, and the
// container is refused.
func goArch(arch string) string {
	switch specs.Arch(arch) {
	case specs.ArchX86:
		return "386"
	case specs.ArchX86_64:
		return "amd64"
	case specs.ArchARM:
		return "arm"
	case specs.ArchAARCH64:
		return "arm64"
	case specs.ArchLOONGARCH64:
		return "loong64"
	case specs.ArchPPC64LE:
		return "ppc64le"
	case specs.ArchRISCV64:
		return "riscv64"
	case specs.ArchS390X:
		return "s390x"
	}
	return ""
}
