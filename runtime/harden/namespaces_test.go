package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// join has the spec join one namespace by path instead of making a new one.
func join(kind specs.LinuxNamespaceType, ns bundle.Namespace) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		p.Facts.Namespaces = make([]bundle.Namespace, len(s.Linux.Namespaces))
		i := namespaceIndex(s, kind)
		s.Linux.Namespaces[i].Path, ns.Path = "/x", "/x"
		p.Facts.Namespaces[i] = ns
	}
}

// without removes a namespace.
func withoutNamespace(kinds ...specs.LinuxNamespaceType) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) {
		for _, kind := range kinds {
			i := namespaceIndex(s, kind)
			s.Linux.Namespaces = append(s.Linux.Namespaces[:i:i], s.Linux.Namespaces[i+1:]...)
		}
	}
}

func TestNamespacesByAbsence(t *testing.T) {
	const nothing = " (the container needs to know nothing of the host's)"
	runRule(t, namespaces, []ruleCase{
		{name: "kept"},
		{
			name:    "cgroup and uts",
			edit:    withoutNamespace("cgroup", "uts"),
			changes: []string{"linux.namespaces[cgroup]: the host's -> a new one" + nothing, "linux.namespaces[uts]: the host's -> a new one" + nothing},
		},
		{name: "pid", edit: withoutNamespace("pid"), refused: []string{"linux.namespaces[pid] is the host's, want a new one (rule namespaces)"}},
		{name: "ipc", edit: withoutNamespace("ipc"), refused: []string{"linux.namespaces[ipc] is the host's, want a new one (rule namespaces)"}},
		{name: "network", edit: withoutNamespace("network"), refused: []string{"linux.namespaces[network] is the host's, want a new one (rule namespaces)"}},
		{name: "mount", edit: withoutNamespace("mount"), refused: []string{"linux.namespaces[mount] is the host's, want a new one (rule namespaces)"}},
		{
			name: "network with a reason",
			edit: func(s *specs.Spec, p *Policy) {
				withoutNamespace("network")(s, p)
				p.Profile.Namespaces.HostNetwork = profiles.Switch{On: true, Reason: "a router"}
			},
			changes: []string{"note linux.namespaces[network]: the host's -> the host's (the profile lets it: a router)"},
		},
		{
			name: "time",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "time"})
				s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}
			},
		},
		{
			name: "time offsets without time",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.TimeOffsets = map[string]specs.LinuxTimeOffset{"boottime": {Secs: 1}}
			},
			changes: []string{`linux.timeOffsets: "boottime" -> none (offsets belong to a new time namespace, and the spec has none)`},
		},
		{
			name: "unknown",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "moon"})
			},
			refused: []string{`linux.namespaces[7].type is "moon", want a type of namespace that this runtime knows (rule namespaces)`},
		},
		{
			name: "twice",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "pid"})
			},
			refused: []string{`linux.namespaces[pid] is given twice, want one (rule namespaces)`},
		},
	})
}

func TestNamespacesByPath(t *testing.T) {
	host := func(kind string) bundle.Namespace {
		return bundle.Namespace{Inode: 1, Kind: kind, Host: true, OwnerIsHost: true}
	}
	engine := func(kind string) bundle.Namespace { return bundle.Namespace{Inode: 2, Kind: kind, OwnerIsHost: true} }
	sibling := func(kind, id string, start uint32) bundle.Namespace {
		return bundle.Namespace{Inode: 3, Kind: kind, Sibling: id, SiblingRange: bundle.Range{Start: start, Size: 65536}}
	}
	runRule(t, namespaces, []ruleCase{
		{name: "a pod's network", edit: join("network", engine("network"))},
		{name: "a pod's ipc", edit: join("ipc", engine("ipc"))},
		{name: "a pod's uts", edit: join("uts", engine("uts"))},
		{name: "a sibling's pid", edit: join("pid", sibling("pid", "db1", 1000000))},
		{
			name:    "an engine's pid",
			edit:    join("pid", engine("pid")),
			refused: []string{"linux.namespaces[pid] is owned by the host's user namespace, want a new one or that of a container of this runtime (rule namespaces)"},
		},
		{name: "the host's network", edit: join("network", host("network")), refused: []string{"linux.namespaces[network] is the host's, want a new one (rule namespaces)"}},
		{name: "the host's uts", edit: join("uts", host("uts")), refused: []string{"linux.namespaces[uts] is the host's, want a new one (rule namespaces)"}},
		{
			name:    "a sibling's mounts",
			edit:    join("mount", sibling("mount", "db1", 1000000)),
			refused: []string{`linux.namespaces[mount] is "/x", want a new one: another's mounts cannot be hardened (rule namespaces)`},
		},
		{
			name:    "of another kind",
			edit:    join("ipc", engine("network")),
			refused: []string{"linux.namespaces[ipc] is a network namespace, want a ipc namespace (rule namespaces)"},
		},
		{
			name:    "a stranger's",
			edit:    join("network", bundle.Namespace{Inode: 4, Kind: "network", Owner: 77}),
			refused: []string{"linux.namespaces[network] is owned by a user namespace of unknown origin, want a new one or that of a container of this runtime (rule namespaces)"},
		},
		{
			name: "of the joined user namespace",
			edit: func(s *specs.Spec, p *Policy) {
				join("network", bundle.Namespace{Inode: 4, Kind: "network", Owner: 77})(s, p)
				i := namespaceIndex(s, "user")
				s.Linux.Namespaces[i].Path = "/u"
				p.Facts.Namespaces[i] = bundle.Namespace{Path: "/u", Inode: 77, Kind: "user"}
			},
		},
		{
			name:    "not described",
			edit:    join("network", bundle.Namespace{}),
			refused: []string{`linux.namespaces[network] is "/x", want one that was opened and described before (rule namespaces)`},
		},
		{
			name:    "not opened",
			edit:    join("network", bundle.Namespace{Err: "invalid argument"}),
			refused: []string{`linux.namespaces[network] is not to be opened ("invalid argument"), want an open namespace (rule namespaces)`},
		},
		{
			name: "of two siblings",
			edit: func(s *specs.Spec, p *Policy) {
				join("network", sibling("network", "db1", 1000000))(s, p)
				i := namespaceIndex(s, "ipc")
				s.Linux.Namespaces[i].Path = "/y"
				p.Facts.Namespaces[i] = sibling("ipc", "db2", 2000000)
			},
			refused: []string{
				`linux.namespaces[ipc] is that of container "db2" with the range 2000000+65536, want one that belongs to the range 1000000+65536 (rule namespaces)`,
				`linux.namespaces[ipc] is that of container "db2", want that of container "db1", as the others: containers with different ranges share nothing (rule namespaces)`,
			},
		},
	})
}
