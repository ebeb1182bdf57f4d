package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func siteSeccomp(names ...string) *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
		Syscalls: []specs.LinuxSyscall{{Names: names, Action: specs.ActAllow}}}
}

func mappedTo(s *specs.LinuxSeccomp, warning string, edits ...func(*specs.Spec, *Policy)) func(*specs.Spec, *Policy) {
	return func(spec *specs.Spec, p *Policy) {
		p.Mapped = &Mapped{Path: "/etc/web.json", By: `image "web"`, Seccomp: s, Warning: warning}
		for _, e := range edits {
			e(spec, p)
		}
	}
}

// A mapped profile narrows what the hardening profile left, whoever asked for what.
func TestSeccompMapped(t *testing.T) {
	reason := seccompReason(t)
	const own = "default SCMP_ACT_ERRNO(1), 8 calls permitted and 1 by argument"
	const three = "default SCMP_ACT_ERRNO(1), 3 calls permitted and 0 by argument"
	const one = "default SCMP_ACT_ERRNO(1), 1 calls permitted and 0 by argument"
	none := "linux.seccomp: absent -> " + own + " (every container has a filter: " + reason + ")"
	runRule(t, seccompRule, []ruleCase{
		{
			name: "narrows", edit: mappedTo(siteSeccomp("close", "mount", "read", "write"), ""),
			changes: []string{none, "linux.seccomp: " + own + " -> " + three + ` (this host maps image "web" to "/etc/web.json")`},
		},
		{
			name: "warns", edit: mappedTo(siteSeccomp("read"), "it was recorded on Linux 5.4, this is 6.18"),
			changes: []string{none, "linux.seccomp: " + own + " -> " + one + ` (this host maps image "web" to "/etc/web.json")`,
				`note linux.seccomp: "/etc/web.json" -> "/etc/web.json" (it was recorded on Linux 5.4, this is 6.18)`},
		},
		{
			name: "permits all of it",
			edit: mappedTo(siteSeccomp("close", "read"), "", askedFilter(func(s *specs.LinuxSeccomp) { s.Syscalls[0].Names = []string{"read"} })),
			changes: []string{"linux.seccomp: " + one + " -> " + one + " (the intersection with the profile's: " + reason + ")",
				"note linux.seccomp: " + one + " -> " + one + ` (this host maps image "web" to "/etc/web.json", which permits all of it)`},
		},
		{
			name: "a running container has had it",
			edit: mappedTo(siteSeccomp("read"), "", func(_ *specs.Spec, p *Policy) { p.running = true }), changes: []string{none},
		},
		{
			name: "unreadable", edit: mappedTo(&specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_PERHAPS"}, ""), changes: []string{none},
			refused: []string{`linux.seccomp is not comparable with "/etc/web.json" (parse linux.seccomp.defaultAction: unknown action "SCMP_ACT_PERHAPS"), want a readable profile where this host maps image "web" (rule seccomp)`},
		},
	})
}

// The judge alone finds a filter beyond the mapped profile, and one that no registered profile holds.
func TestSeccompSiteIsJudged(t *testing.T) {
	const want = `, want a generated profile that this host has registered, by --security-opt seccomp=FILE, a Localhost profile, or seccompMap (seccomp.requireRegistered) (rule seccomp)`
	for _, c := range []struct {
		name  string
		edit  func(*Policy)
		given []string
		want  string
	}{
		{"within the mapped", func(p *Policy) { p.Mapped = &Mapped{Path: "/m", By: "x", Seccomp: siteSeccomp("read", "write")} }, []string{"read"}, ""},
		{"beyond the mapped", func(p *Policy) { p.Mapped = &Mapped{Path: "/m", By: "x", Seccomp: siteSeccomp("write")} }, []string{"read"},
			`linux.seccomp is beyond "/m" (read(0x0, 0x0, 0x0, 0x0, 0x0, 0x0) gets SCMP_ACT_ALLOW, not SCMP_ACT_ERRNO(1)), want a part of it, as this host maps x (rule seccomp)`},
		{"required, none", func(p *Policy) { p.Profile.Seccomp.RequireRegistered.On = true }, []string{"read"}, "linux.seccomp is within none of the 0 registered profiles" + want},
		{"required, beyond all", func(p *Policy) {
			p.Profile.Seccomp.RequireRegistered.On = true
			p.Registered = []Registered{{"/a", siteSeccomp("write")}, {"/b", siteSeccomp("close")}}
		}, []string{"close", "write"}, "linux.seccomp is within none of the 2 registered profiles" + want},
		{"required, within the second", func(p *Policy) {
			p.Profile.Seccomp.RequireRegistered.On = true
			p.Registered = []Registered{{"/a", siteSeccomp("write")}, {"/b", siteSeccomp("close", "read")}}
		}, []string{"close"}, ""},
		{"required, running", func(p *Policy) { p.Profile.Seccomp.RequireRegistered.On, p.running = true, true }, []string{"close"}, ""},
	} {
		s, p := testSpec(), testPolicy(t)
		s.Linux.Seccomp = siteSeccomp(c.given...)
		s.Linux.Seccomp.Flags = []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}
		c.edit(&p)
		got := ""
		for _, v := range judgeSeccomp(s, p) {
			v.Rule = "seccomp"
			got += v.String()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// A caller's profile for another architecture is taken, with a note.
func TestSeccompElsewhere(t *testing.T) {
	reason := seccompReason(t)
	const one = "default SCMP_ACT_ERRNO(1), 1 calls permitted and 0 by argument"
	runRule(t, seccompRule, []ruleCase{{
		name: "arm64",
		edit: askedFilter(func(s *specs.LinuxSeccomp) {
			s.Architectures, s.Syscalls[0].Names = []specs.Arch{specs.ArchAARCH64}, []string{"read"}
		}),
		changes: []string{
			`note linux.seccomp.architectures: ["SCMP_ARCH_AARCH64"] -> ["SCMP_ARCH_AARCH64"] (the seccomp profile was made for another architecture than SCMP_ARCH_X86_64: the program may make other calls here)`,
			"linux.seccomp: " + one + " -> " + one + " (the intersection with the profile's: " + reason + ")",
			"linux.seccomp.architectures: SCMP_ARCH_AARCH64 -> absent (a second architecture is a second table of system calls)",
		},
	}})
}
