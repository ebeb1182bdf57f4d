package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestNoNewPrivileges(t *testing.T) {
	runRule(t, noNewPrivileges, []ruleCase{
		{name: "kept", edit: func(s *specs.Spec, _ *Policy) { s.Process.NoNewPrivileges = true }},
		{
			name: "narrowed",
			edit: func(_ *specs.Spec, p *Policy) { p.Profile.NoNewPrivileges.Reason = "sudo has no place here" },
			changes: []string{
				"process.noNewPrivileges: false -> true (a setuid program must not raise rights: sudo has no place here)",
			},
		},
		{name: "off in the profile", edit: func(_ *specs.Spec, p *Policy) { p.Profile.NoNewPrivileges.On = false }},
	})
}

// The judge refuses what a mistake in the narrow half would let through.
func TestNoNewPrivilegesRefused(t *testing.T) {
	got := noNewPrivileges.judge(testSpec(), testPolicy(t))
	if want := "process.noNewPrivileges is false, want true (rule no-new-privileges)"; len(got) != 1 || got[0].String() != want {
		t.Errorf("got %v, want %q", got, want)
	}
}
