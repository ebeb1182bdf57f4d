package harden

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

func TestMaskedPaths(t *testing.T) {
	small := func(p *Policy) {
		p.Profile.MaskedPaths = []profiles.Entry{{Name: "/proc/kcore"}, {Name: "/proc/keys"}}
		p.Profile.ReadonlyPaths = []profiles.Entry{{Name: "/proc/sys"}}
	}
	runRule(t, maskedPaths, []ruleCase{
		{
			name: "kept, the caller's first",
			edit: func(s *specs.Spec, p *Policy) {
				small(p)
				s.Linux.MaskedPaths = []string{"/opt/secret", "/proc/keys", "/proc/kcore"}
				s.Linux.ReadonlyPaths = []string{"/proc/sys"}
			},
		},
		{
			name: "systempaths=unconfined",
			edit: func(_ *specs.Spec, p *Policy) { small(p) },
			changes: []string{
				"linux.maskedPaths: none -> also /proc/kcore, /proc/keys (the profile names them)",
				"linux.readonlyPaths: none -> also /proc/sys (the profile names them)",
			},
		},
		{
			name: "another spelling",
			edit: func(s *specs.Spec, p *Policy) {
				small(p)
				s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = []string{"/proc/keys/"}, []string{"/proc/sys"}
			},
			changes: []string{
				`linux.maskedPaths: "/proc/keys/" -> "/proc/keys" (a path must have one spelling)`,
				"linux.maskedPaths: 1 paths -> also /proc/kcore (the profile names them)",
			},
			check: func(t *testing.T, s *specs.Spec) {
				if want := []string{"/proc/keys", "/proc/kcore"}; !slices.Equal(s.Linux.MaskedPaths, want) {
					t.Errorf("got %q, want %q", s.Linux.MaskedPaths, want)
				}
			},
		},
		{
			name: "relative",
			edit: func(s *specs.Spec, p *Policy) {
				p.Profile.MaskedPaths, p.Profile.ReadonlyPaths = nil, nil
				s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = []string{"proc/kcore"}, []string{"/a\x00b"}
			},
			refused: []string{
				`linux.maskedPaths[0] is "proc/kcore", want an absolute path without ".." (rule masked-paths)`,
				`linux.readonlyPaths[0] is "/a\x00b", want an absolute path without ".." (rule masked-paths)`,
			},
		},
	})
}
