package harden

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func TestRootlessMapping(t *testing.T) {
	const note = "note linux.uidMappings: this user's own IDs -> this user's own IDs (rootless: the containers of one user share the user's IDs, and what is ID 0 outside is the user; no range is leased and no file is shown through one)"
	own := func(maps ...specs.LinuxIDMapping) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, p *Policy) {
			p.Range = userns.Range{}
			p.Facts.OwnUIDs = []bundle.IDMap{{Size: 1}, {ContainerID: 1, HostID: 1, Size: 65536}}
			p.Facts.OwnGIDs = p.Facts.OwnUIDs
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
			s.Linux.UIDMappings, s.Linux.GIDMappings = maps, maps
		}
	}
	const why = "container root must own nothing on the host"
	runRule(t, userNamespace, []ruleCase{
		{name: "given the user's", edit: own(), changes: []string{note,
			"linux.uidMappings: absent -> 0:0+1,1:1+65536 (" + why + ")", "linux.gidMappings: absent -> 0:0+1,1:1+65536 (" + why + ")"}},
		{name: "its own is kept", edit: own(specs.LinuxIDMapping{HostID: 1, Size: 65536}), changes: []string{note}},
		{name: "beyond the user's", edit: own(specs.LinuxIDMapping{HostID: 1, Size: 65537}), changes: []string{note}, refused: []string{
			"linux.uidMappings is 1+65537, want IDs of the user that runs the engine, one extent in one extent (rule user-namespace)",
			"linux.gidMappings is 1+65537, want IDs of the user that runs the engine, one extent in one extent (rule user-namespace)"}},
		{name: "another container's is joined", edit: joined(own()), changes: []string{
			"linux.namespaces[user]: the host's -> that of container \"web\" (a namespace is joined together with the user namespace that owns it)", note,
			"linux.uidMappings: absent -> 0:0+1,1:1+65536 (" + why + ")", "linux.gidMappings: absent -> 0:0+1,1:1+65536 (" + why + ")"}},
		{name: "another container's with IDs beyond the user's", edit: joined(own(specs.LinuxIDMapping{HostID: 7, Size: 65536})), changes: []string{
			"linux.namespaces[user]: the host's -> that of container \"web\" (a namespace is joined together with the user namespace that owns it)", note}, refused: []string{
			"linux.uidMappings is 7+65536, want IDs of the user that runs the engine, one extent in one extent (rule user-namespace)",
			"linux.gidMappings is 7+65536, want IDs of the user that runs the engine, one extent in one extent (rule user-namespace)"}},
	})
}

// joined has the spec join the network of the container "web", with what without adds but its new user namespace.
func joined(without func(*specs.Spec, *Policy)) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		without(s, p)
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })
		p.JoinUser = "/proc/7/ns/user"
		p.Facts.Namespaces = make([]bundle.Namespace, len(s.Linux.Namespaces))
		for i := range s.Linux.Namespaces {
			if n := &s.Linux.Namespaces[i]; n.Type == specs.NetworkNamespace {
				n.Path = "/proc/7/ns/net"
				p.Facts.Namespaces[i] = bundle.Namespace{Path: n.Path, Kind: "network", Inode: 5, Owner: 6, Sibling: "web"}
			}
		}
	}
}
