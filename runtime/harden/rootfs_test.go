package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

func rootAt(src bundle.Source) func(*specs.Spec, *Policy) {
	return func(_ *specs.Spec, p *Policy) {
		p.Facts.Root = src
		p.Facts.Protected = hostPaths()
	}
}

func propagation(word string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		rootAt(onDisk("/srv/bundle/rootfs"))(s, p)
		s.Linux.RootfsPropagation = word
	}
}

func TestRootfs(t *testing.T) {
	overlay := bundle.Source{Bind: true, Real: "/var/lib/docker/overlay2/4a71/merged", Kind: "dir", FSType: "overlay", FSDev: "0:50", FSPath: "/"}
	const system = ", want a directory that is no part of the host's system (rule rootfs)"
	runRule(t, rootfs, []ruleCase{
		{name: "a bundle", edit: rootAt(onDisk("/srv/bundle/rootfs"))},
		{name: "an engine's", edit: rootAt(overlay)},
		{name: "private", edit: propagation("rprivate")},
		{name: "slave", edit: propagation("rslave")},
		{
			name:    "unbindable",
			edit:    propagation("unbindable"),
			changes: []string{`linux.rootfsPropagation: "unbindable" -> "rslave" (only private and slave keep the container's mounts in the container)`},
		},
		{name: "shared", edit: propagation("rshared"), refused: []string{`linux.rootfsPropagation is "rshared", want private or slave (rule rootfs)`}},
		{
			name: "read-only",
			edit: func(s *specs.Spec, p *Policy) {
				rootAt(overlay)(s, p)
				p.Profile.Rootfs.Readonly = profiles.Switch{On: true, Reason: "restricted"}
			},
			changes: []string{"root.readonly: false -> true (a program that cannot be changed stays the program that was shipped: restricted)"},
		},
		{name: "the host's", edit: rootAt(onDisk("/")), refused: []string{`root.path is "/" (the host's whole file system)` + system}},
		{name: "below /etc", edit: rootAt(onDisk("/etc/ssl")), refused: []string{`root.path is "/etc/ssl" (the host's configuration)` + system}},
		{name: "above Docker", edit: rootAt(onDisk("/var")), refused: []string{`root.path is "/var", which holds "/var/lib/docker" (Docker's state)` + system}},
		{name: "all of Docker's layers", edit: rootAt(onDisk("/var/lib/docker/overlay2")), refused: []string{`root.path is "/var/lib/docker/overlay2" (Docker's state)` + system}},
		{name: "other containers' settings", edit: rootAt(onDisk("/var/lib/docker/containers/4a71")), refused: []string{`root.path is "/var/lib/docker/containers/4a71" (Docker's state)` + system}},
		{name: "all volumes", edit: rootAt(onDisk("/var/lib/docker/volumes/x/_data")), refused: []string{`root.path is "/var/lib/docker/volumes/x/_data" (Docker's state)` + system}},
		{name: "a layer of Docker's", edit: rootAt(onDisk("/var/lib/docker/overlay2/4a71/diff"))},
		{
			name: "an overlay of the host",
			edit: func(s *specs.Spec, p *Policy) {
				rootAt(overlay)(s, p)
				p.Facts.Layers = []bundle.Layer{{Source: onDisk("/var/lib/docker/overlay2/l/ABC")}, {Source: onDisk("/etc")}}
			},
			refused: []string{`root.path is an overlay of "/etc", which holds "/etc/shadow" (password hashes), want a path that is no part of the host's system (rule rootfs)`},
		},
		{name: "proc", edit: rootAt(bundle.Source{Bind: true, Real: "/mnt", Kind: "dir", FSType: "proc"}), refused: []string{"root.path is on proc, want a file system of files (rule rootfs)"}},
		{name: "a file", edit: rootAt(bundle.Source{Bind: true, Real: "/x", Kind: "file"}), refused: []string{"root.path is a file, want a directory (rule rootfs)"}},
		{name: "not opened", edit: rootAt(bundle.Source{Bind: true, Err: "not a directory"}), refused: []string{`root.path is not to be opened ("not a directory"), want a directory (rule rootfs)`}},
		{name: "not described", refused: []string{`root.path is "rootfs", want one that was opened and described before (rule rootfs)`}},
		{
			name: "opened by the profile, read-only",
			edit: func(s *specs.Spec, p *Policy) {
				rootAt(onDisk("/"))(s, p)
				s.Root.Readonly = true
				p.Profile.Mounts.AllowedSources = []profiles.AllowedSource{{Path: "/", Reason: "a sandbox over this host"}}
			},
		},
		{
			name: "opened by the profile, writable",
			edit: func(s *specs.Spec, p *Policy) {
				rootAt(onDisk("/"))(s, p)
				p.Profile.Mounts.AllowedSources = []profiles.AllowedSource{{Path: "/", Reason: "a sandbox over this host"}}
			},
			refused: []string{`root.path is "/" (the host's whole file system)` + system},
		},
	})
}
