package harden

import (
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

const (
	mapUIDs = `linux.uidMappings: absent -> 0:1000000+65536 (container root must own nothing on the host)`
	mapGIDs = `linux.gidMappings: absent -> 0:1000000+65536 (container root must own nothing on the host)`
)

// joinUser has the spec join a user namespace that resolved to ns, with the given mappings.
func joinUser(ns bundle.Namespace, maps ...specs.LinuxIDMapping) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "user", Path: "/proc/9/ns/user"}}
		ns.Path = "/proc/9/ns/user"
		p.Facts.Namespaces = []bundle.Namespace{ns}
		s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		if ns.Sibling == "" {
			p.Range = userns.Range{}
		}
	}
}

func ownUser(maps ...specs.LinuxIDMapping) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		p.Range = userns.Range{}
	}
}

// joinSibling has the spec join the network namespace of container db1.
func joinSibling(s *specs.Spec, p *Policy) {
	s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "network", Path: "/proc/9/ns/net"}}
	p.Facts.Namespaces = []bundle.Namespace{{Path: "/proc/9/ns/net", Inode: 9, Kind: "network", Owner: 5, Sibling: "db1", SiblingRange: bundle.Range{Start: 1000000, Size: 65536}}}
	p.JoinUser = "/proc/9/ns/user"
}

func TestUserNamespace(t *testing.T) {
	pod := specs.LinuxIDMapping{ContainerID: 0, HostID: 131072, Size: 65536}
	podMap := []bundle.IDMap{{ContainerID: 0, HostID: 131072, Size: 65536}}
	runRule(t, userNamespace, []ruleCase{
		{name: "new", changes: []string{mapUIDs, mapGIDs}},
		{
			name:    "the host's by absence",
			edit:    func(s *specs.Spec, _ *Policy) { s.Linux.Namespaces = nil },
			changes: []string{`linux.namespaces[user]: the host's -> a new one (container root must own nothing on the host)`, mapUIDs, mapGIDs},
		},
		{
			name: "mappings without a namespace",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.Namespaces = nil
				s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 0, Size: 65536}}
			},
			changes: []string{
				`linux.namespaces[user]: the host's -> a new one (container root must own nothing on the host)`,
				`linux.uidMappings: 0:0+65536 -> 0:1000000+65536 (container root must own nothing on the host)`, mapGIDs,
			},
		},
		{name: "own mapping", edit: ownUser(pod)},
		{
			name: "own mapping to host root",
			edit: ownUser(specs.LinuxIDMapping{HostID: 0, Size: 65536}),
			refused: []string{
				`linux.uidMappings is mapped to host ID 0+65536, want host IDs from 65536 on, each once (rule user-namespace)`,
				`linux.gidMappings is mapped to host ID 0+65536, want host IDs from 65536 on, each once (rule user-namespace)`,
			},
		},
		{
			name: "own mapping that overlaps itself",
			edit: ownUser(pod, specs.LinuxIDMapping{ContainerID: 65536, HostID: 131073, Size: 1}),
			refused: []string{
				`linux.uidMappings is mapped to host ID 131073 twice, want host IDs from 65536 on, each once (rule user-namespace)`,
				`linux.gidMappings is mapped to host ID 131073 twice, want host IDs from 65536 on, each once (rule user-namespace)`,
			},
		},
		{
			name: "own namespace without a mapping",
			edit: ownUser(),
			refused: []string{
				`linux.uidMappings is absent, want host IDs from 65536 on, each once (rule user-namespace)`,
				`linux.gidMappings is absent, want host IDs from 65536 on, each once (rule user-namespace)`,
			},
		},
		{name: "a pod's", edit: joinUser(bundle.Namespace{Inode: 5, Kind: "user", UIDMap: podMap, GIDMap: podMap}, pod)},
		{
			name: "a pod's without the mapping",
			edit: joinUser(bundle.Namespace{Inode: 5, Kind: "user", UIDMap: podMap, GIDMap: podMap}),
			changes: []string{
				`linux.uidMappings: absent -> 0:131072+65536 (container root must own nothing on the host)`,
				`linux.gidMappings: absent -> 0:131072+65536 (container root must own nothing on the host)`,
			},
		},
		{
			name:    "the host's by path",
			edit:    joinUser(bundle.Namespace{Inode: 1, Kind: "user", Host: true}, pod),
			refused: []string{`linux.namespaces[user] is the host's, want a new one (rule user-namespace)`},
		},
		{
			name:    "of another kind",
			edit:    joinUser(bundle.Namespace{Inode: 1, Kind: "pid"}, pod),
			refused: []string{`linux.namespaces[user] is a pid namespace, want a user namespace (rule user-namespace)`},
		},
		{
			name:    "not opened",
			edit:    joinUser(bundle.Namespace{Err: "no such file or directory"}, pod),
			refused: []string{`linux.namespaces[user] is not to be opened ("no such file or directory"), want an open user namespace (rule user-namespace)`},
		},
		{
			name:    "not described",
			edit:    joinUser(bundle.Namespace{}, pod),
			refused: []string{`linux.namespaces[user] is "/proc/9/ns/user", want one that was opened and described before (rule user-namespace)`},
		},
		{
			name: "a sibling's with its network",
			edit: joinSibling,
			changes: []string{
				`linux.namespaces[user]: the host's -> that of container "db1" (a namespace is joined together with the user namespace that owns it)`, mapUIDs, mapGIDs,
			},
		},
		{
			name: "a new one with a sibling's network",
			edit: func(s *specs.Spec, p *Policy) {
				joinSibling(s, p)
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
			},
			changes: []string{mapUIDs, mapGIDs},
			refused: []string{`linux.namespaces[user] is a new one, want that of container "db1", whose namespaces are joined (rule user-namespace)`},
		},
		{
			name: "no range",
			edit: func(s *specs.Spec, p *Policy) { s.Linux.Namespaces, p.Range = nil, userns.Range{} },
			changes: []string{
				`linux.namespaces[user]: the host's -> a new one (container root must own nothing on the host)`,
			},
			refused: []string{
				`linux.uidMappings is absent, want host IDs from 65536 on, each once (rule user-namespace)`,
				`linux.gidMappings is absent, want host IDs from 65536 on, each once (rule user-namespace)`,
			},
		},
		{
			name: "a range of the host's users",
			edit: func(_ *specs.Spec, p *Policy) { p.Range.Start = 1000 },
			changes: []string{
				`linux.uidMappings: absent -> 0:1000+65536 (container root must own nothing on the host)`,
				`linux.gidMappings: absent -> 0:1000+65536 (container root must own nothing on the host)`,
			},
			refused: []string{`linux.uidMappings is leased as 1000+65536, want a range from host ID 65536 on (rule user-namespace)`},
		},
	})
}

func TestOwnUserNamespace(t *testing.T) {
	pod := specs.LinuxIDMapping{HostID: 131072, Size: 65536}
	for _, c := range []struct {
		name string
		edit func(*specs.Spec, *Policy)
		want bool
	}{
		{"a new one without a mapping", nil, false},
		{"a new one with a mapping", ownUser(pod), true},
		{"a new one with host root", ownUser(specs.LinuxIDMapping{Size: 1}), false},
		{"a pod's", joinUser(bundle.Namespace{Inode: 5, Kind: "user"}), true},
		{"the host's", joinUser(bundle.Namespace{Inode: 5, Kind: "user", Host: true}), false},
		{"a sibling's", joinUser(bundle.Namespace{Inode: 5, Kind: "user", Sibling: "db1"}), false},
		{"a sibling's network", joinSibling, false},
	} {
		s, p := testSpec(), testPolicy(t)
		if c.edit != nil {
			c.edit(s, &p)
		}
		if got := OwnUserNamespace(s, p.Facts); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

// TestUserNamespaceOfASibling looks at the path that the runtime gets back.
func TestUserNamespaceOfASibling(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	joinSibling(s, &p)
	narrowUserNamespace(s, p)
	want := specs.LinuxNamespace{Type: "user", Path: "/proc/9/ns/user"}
	if got := s.Linux.Namespaces[1]; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
