package harden

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// seccompReason is the default profile's, which each line repeats.
func seccompReason(t *testing.T) string { return testPolicy(t).Profile.Seccomp.Reason }

func askedFilter(edit func(*specs.LinuxSeccomp)) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) {
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
			Flags:    []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"},
			Syscalls: []specs.LinuxSyscall{{Names: []string{"bpf", "mount", "read"}, Action: specs.ActAllow}},
		}
		edit(s.Linux.Seccomp)
	}
}

func TestSeccomp(t *testing.T) {
	reason := seccompReason(t)
	const own = "default SCMP_ACT_ERRNO(1), 8 calls permitted and 1 by argument"
	const one = "default SCMP_ACT_ERRNO(1), 1 calls permitted and 0 by argument"
	const three = "default SCMP_ACT_ERRNO(1), 3 calls permitted and 0 by argument"
	runRule(t, seccompRule, []ruleCase{
		{
			name:    "none given",
			changes: []string{"linux.seccomp: absent -> " + own + " (every container has a filter: " + reason + ")"},
			check: func(t *testing.T, s *specs.Spec) {
				if !slices.Equal(s.Linux.Seccomp.Architectures, []specs.Arch{specs.ArchX86_64}) {
					t.Errorf("architectures are %v", s.Linux.Seccomp.Architectures)
				}
			},
		},
		{
			name:    "intersection",
			edit:    askedFilter(func(*specs.LinuxSeccomp) {}),
			changes: []string{"linux.seccomp: " + three + " -> " + one + " (the profile does not permit bpf, mount: " + reason + ")"},
		},
		{
			name: "other architectures and flags",
			edit: askedFilter(func(s *specs.LinuxSeccomp) {
				s.Architectures = append(s.Architectures, specs.ArchX86, specs.ArchX32)
				s.Flags = []specs.LinuxSeccompFlag{specs.LinuxSeccompFlagSpecAllow, specs.LinuxSeccompFlagLog}
				s.Syscalls[0].Names = []string{"read"}
			}),
			changes: []string{
				"linux.seccomp: " + one + " -> " + one + " (the intersection with the profile's: " + reason + ")",
				"linux.seccomp.architectures: SCMP_ARCH_X86, SCMP_ARCH_X32 -> absent (a second architecture is a second table of system calls)",
				"linux.seccomp.flags: SECCOMP_FILTER_FLAG_SPEC_ALLOW -> absent (it turns off a mitigation (speculative store bypass))",
			},
		},
		{
			name: "allow by default",
			edit: askedFilter(func(s *specs.LinuxSeccomp) { s.DefaultAction, s.Syscalls = specs.ActAllow, nil }),
			changes: []string{
				"linux.seccomp: default SCMP_ACT_ALLOW -> " + own + " (the intersection with the profile's: " + reason + ")",
			},
		},
	})
}

// What an agent would answer, and what cannot be read, is refused as it stands.
func TestSeccompAgent(t *testing.T) {
	reason := seccompReason(t)
	const one = "default SCMP_ACT_ERRNO(1), 1 calls permitted and 0 by argument"
	runRule(t, seccompRule, []ruleCase{
		{
			name:    "unknown action",
			edit:    askedFilter(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action = "SCMP_ACT_PERHAPS" }),
			refused: []string{`linux.seccomp.syscalls[0].action is not readable (unknown action "SCMP_ACT_PERHAPS"), want what runtime-spec and libseccomp know (rule seccomp)`},
		},
		{
			name: "notify",
			edit: askedFilter(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Action, s.ListenerPath = specs.ActNotify, "/run/agent.sock" }),
			refused: []string{
				`linux.seccomp.listenerPath is "/run/agent.sock", want no SCMP_ACT_NOTIFY and no listener, or the agent that the profile names (rule seccomp)`,
			},
		},
		{
			name: "notify to the agent",
			edit: func(s *specs.Spec, p *Policy) {
				askedFilter(func(s *specs.LinuxSeccomp) {
					s.Syscalls[0].Names, s.Syscalls[0].Action, s.ListenerPath = []string{"read"}, specs.ActNotify, "/run/agent.sock"
				})(s, p)
				p.Profile.Seccomp.Agent = "/run/agent.sock"
			},
			changes: []string{"linux.seccomp: " + one + " -> " + one + " (the intersection with the profile's: " + reason + ")"},
			check: func(t *testing.T, s *specs.Spec) {
				if s.Linux.Seccomp.ListenerPath != "/run/agent.sock" {
					t.Error("the listener is gone")
				}
			},
		},
	})
}

func TestSeccompFailsClosed(t *testing.T) {
	runRule(t, seccompRule, []ruleCase{
		{
			name:    "policy without a profile",
			edit:    func(_ *specs.Spec, p *Policy) { p.Seccomp = nil },
			refused: []string{"linux.seccomp is absent, want a filter (rule seccomp)"},
		},
		{
			name: "unknown architecture",
			edit: func(s *specs.Spec, p *Policy) {
				p.Facts.Kernel.Arch = "SCMP_ARCH_VAX"
				s.Linux.Seccomp = testCeiling()
			},
			refused: []string{`linux.seccomp is not comparable with the profile's own (parse linux.seccomp: unknown native architecture ""), want a profile for this architecture (rule seccomp)`},
		},
	})
}

func TestPersonality(t *testing.T) {
	reason := seccompReason(t)
	change := []string{"linux.seccomp: absent -> default SCMP_ACT_ERRNO(1), 8 calls permitted and 1 by argument (every container has a filter: " + reason + ")"}
	set := func(domain specs.LinuxPersonalityDomain, flags ...specs.LinuxPersonalityFlag) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, _ *Policy) {
			s.Linux.Personality = &specs.LinuxPersonality{Domain: domain, Flags: flags}
		}
	}
	runRule(t, seccompRule, []ruleCase{
		{name: "linux", edit: set(specs.PerLinux), changes: change},
		{name: "linux32", edit: set(specs.PerLinux32), changes: change, refused: []string{`linux.personality.domain is "LINUX32", want LINUX (rule seccomp)`}},
		{
			name: "flags", edit: set(specs.PerLinux, "ADDR_NO_RANDOMIZE"), changes: change,
			refused: []string{`linux.personality.flags is ["ADDR_NO_RANDOMIZE"], want none (rule seccomp)`},
		},
	})
}

// Each judge objection has a spec that the narrow half would never leave behind.
func TestSeccompJudge(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*specs.LinuxSeccomp)
		want string
	}{
		{"foreign architecture", func(s *specs.LinuxSeccomp) { s.Architectures = append(s.Architectures, specs.ArchX86) }, `linux.seccomp.architectures is ["SCMP_ARCH_X86_64" "SCMP_ARCH_X86"], want only SCMP_ARCH_X86_64 (rule seccomp)`},
		{"no flags are SPEC_ALLOW", func(s *specs.LinuxSeccomp) { s.Flags = nil }, `linux.seccomp.flags is [], want a list without SECCOMP_FILTER_FLAG_SPEC_ALLOW (rule seccomp)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := testSpec(), testPolicy(t)
			narrowSeccomp(s, p)
			c.edit(s.Linux.Seccomp)
			if v := judgeSeccomp(s, p); len(v) != 1 || v[0].String() != c.want {
				t.Errorf("got %v, want %q", v, c.want)
			}
		})
	}
}

func TestSeccompJudgesSubset(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	narrowSeccomp(s, p)
	s.Linux.Seccomp.Syscalls = append(s.Linux.Seccomp.Syscalls, specs.LinuxSyscall{Names: []string{"reboot"}, Action: specs.ActAllow})
	v := judgeSeccomp(s, p)
	if len(v) != 1 || v[0].Field != "linux.seccomp" {
		t.Fatalf("got %v, want one violation that names reboot", v)
	}
	t.Log(v[0].String())
}
