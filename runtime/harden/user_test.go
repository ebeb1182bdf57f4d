package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

func TestUser(t *testing.T) {
	runRule(t, user, []ruleCase{
		{name: "root kept"},
		{name: "last ID kept", edit: func(s *specs.Spec, _ *Policy) {
			s.Process.User = specs.User{UID: 65535, GID: 65535, AdditionalGids: []uint32{0, 65535}, Umask: new(uint32(0o777))}
		}},
		{
			name: "outside the range",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.User = specs.User{UID: 70000, GID: 65536, AdditionalGids: []uint32{1, 99999}}
			},
			refused: []string{
				"process.user.uid is 70000, want below 65536, the size of the range (rule user)",
				"process.user.gid is 65536, want below 65536, the size of the range (rule user)",
				"process.user.additionalGids[1] is 99999, want below 65536, the size of the range (rule user)",
			},
		},
		{
			name:    "beyond int32 (CVE-2024-40635)",
			edit:    func(s *specs.Spec, _ *Policy) { s.Process.User.UID = 1 << 31 },
			refused: []string{"process.user.uid is 2147483648, want at most 2147483647 (rule user)"},
		},
		{
			name: "non-root wanted",
			edit: func(_ *specs.Spec, p *Policy) { p.Profile.User.NonRoot.On = true },
			refused: []string{
				"process.user.uid is 0, want another than root: set USER in the image or start it with --user (rule user)",
			},
		},
		{
			name: "non-root kept",
			edit: func(s *specs.Spec, p *Policy) { p.Profile.User.NonRoot.On, s.Process.User.UID = true, 1000 },
		},
		{
			name:    "umask",
			edit:    func(s *specs.Spec, _ *Policy) { s.Process.User.Umask = new(uint32(0o1022)) },
			refused: []string{"process.user.umask is 01022, want at most 0777 (rule user)"},
		},
	})
}

func TestUserOfOwnMapping(t *testing.T) {
	runRule(t, user, []ruleCase{
		{
			name: "own mapping kept",
			edit: func(s *specs.Spec, p *Policy) {
				p.Range.Size = 0
				m := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 10}, {ContainerID: 1000, HostID: 300000, Size: 1}}
				s.Linux.UIDMappings, s.Linux.GIDMappings = m, m
				s.Process.User.UID = 1000
			},
		},
		{
			name: "hole in the own mapping",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.UIDMappings = []specs.LinuxIDMapping{{ContainerID: 0, HostID: 200000, Size: 10}, {ContainerID: 1000, HostID: 300000, Size: 1}}
				s.Process.User.UID = 999
			},
			refused: []string{"process.user.uid is 999, want an ID of the user namespace's own mapping (rule user)"},
		},
		{
			name: "joined mapping",
			edit: func(s *specs.Spec, p *Policy) {
				m := []bundle.IDMap{{ContainerID: 0, HostID: 200000, Size: 100}}
				p.Facts.Namespaces = []bundle.Namespace{{Path: "/proc/9/ns/user", Kind: "user", Inode: 9, UIDMap: m, GIDMap: m}}
				s.Process.User.UID = 100
			},
			refused: []string{"process.user.uid is 100, want below 100, the size of the range (rule user)"},
		},
	})
}
