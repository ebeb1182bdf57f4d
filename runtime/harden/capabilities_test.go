package harden

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func sets(names ...string) *specs.LinuxCapabilities {
	return &specs.LinuxCapabilities{Bounding: names, Effective: slices.Clone(names), Permitted: slices.Clone(names)}
}

func allCapabilities() []string {
	var all []string
	for _, n := range strings.Fields(knownCapabilities) {
		all = append(all, "CAP_"+n)
	}
	return all
}

func TestCapabilities(t *testing.T) {
	const why = "the profile does not name them, or another set rules them out"
	runRule(t, capabilities, []ruleCase{
		{name: "kept", edit: func(s *specs.Spec, _ *Policy) { s.Process.Capabilities = sets("CAP_CHOWN", "CAP_KILL") }},
		{name: "none kept", edit: func(s *specs.Spec, _ *Policy) { s.Process.Capabilities = &specs.LinuxCapabilities{} }},
		{
			name:    "absent",
			changes: []string{"process.capabilities: absent -> none (absent sets would leave the container every capability of its user namespace)"},
			check:   wantCapabilities(&specs.LinuxCapabilities{}),
		},
		{
			name:    "beyond the profile",
			edit:    func(s *specs.Spec, _ *Policy) { s.Process.Capabilities = sets("CAP_NET_RAW", "CAP_CHOWN", "CAP_MKNOD") },
			changes: []string{"process.capabilities.bounding,permitted,effective: with CAP_MKNOD, CAP_NET_RAW -> only CAP_CHOWN (" + why + ")"},
			check:   wantCapabilities(sets("CAP_CHOWN")),
		},
		{
			name: "privileged",
			edit: func(s *specs.Spec, p *Policy) {
				s.Process.Capabilities = sets(allCapabilities()...)
				p.Profile.Capabilities = p.Profile.Capabilities[:1]
			},
			changes: []string{"process.capabilities.bounding,permitted,effective: 40 more -> only CAP_CHOWN (" + why + ")"},
		},
		{
			name: "inheritable goes without ambient (CVE-2022-24769)",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Capabilities = sets("CAP_CHOWN")
				s.Process.Capabilities.Inheritable = []string{"CAP_CHOWN"}
			},
			changes: []string{"process.capabilities.inheritable: with CAP_CHOWN -> none (" + why + ")"},
		},
		{
			name: "ambient is kept with inheritable",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Capabilities = sets("CAP_CHOWN")
				s.Process.Capabilities.Inheritable, s.Process.Capabilities.Ambient = []string{"CAP_CHOWN"}, []string{"CAP_CHOWN"}
			},
		},
		{
			name: "sets within sets",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}, Effective: []string{"CAP_CHOWN"}}
			},
			changes: []string{"process.capabilities.effective: with CAP_CHOWN -> none (" + why + ")"},
		},
		{
			name: "unknown name",
			edit: func(s *specs.Spec, _ *Policy) { s.Process.Capabilities = sets("CAP_CHOWN", "cap_kill\n") },
			changes: []string{
				`process.capabilities.bounding,permitted,effective: with "cap_kill\n" -> only CAP_CHOWN (` + why + ")",
				`note process.capabilities: "cap_kill\n" -> "cap_kill\n" (capabilities(7) knows no such names: they were dropped)`,
			},
		},
	})
}

func wantCapabilities(want *specs.LinuxCapabilities) func(*testing.T, *specs.Spec) {
	return func(t *testing.T, s *specs.Spec) {
		t.Helper()
		if !reflect.DeepEqual(s.Process.Capabilities, want) {
			t.Errorf("got %+v, want %+v", s.Process.Capabilities, want)
		}
	}
}

func TestCapabilitiesRefused(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	check := func(want ...string) {
		t.Helper()
		var got []string
		for _, v := range judgeCapabilities(s, p) {
			got = append(got, v.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check("process.capabilities is absent, want five sets, which may be empty (rule capabilities)")
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_SYS_ADMIN"}}
	check(`process.capabilities.bounding is "CAP_SYS_ADMIN", want one that the profile names (rule capabilities)`)
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL"}, Inheritable: []string{"CAP_KILL"}}
	check(`process.capabilities.inheritable is "CAP_KILL", want one of ambient (rule capabilities)`)
	s.Process.Capabilities = &specs.LinuxCapabilities{Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}}
	check(`process.capabilities.permitted is "CAP_KILL", want one of bounding (rule capabilities)`)
}

func TestCapabilityKnown(t *testing.T) {
	for name, want := range map[string]bool{"CAP_CHOWN": true, "CHOWN": false, "CAP_": false, "CAP_NET": false, "CAP_NET_RAW": true, "CAP_SETUID SETPCAP": false} {
		if capabilityKnown(name) != want {
			t.Errorf("capabilityKnown(%q) is %v", name, !want)
		}
	}
	if n := len(allCapabilities()); n != 41 {
		t.Errorf("%d names, want 41", n)
	}
}
