package harden

import (
	"path"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The container's root is a directory of its own, and no mount travels from it to the host.
//
//	Field:    root.path, root.readonly, linux.rootfsPropagation
//	Allowed:  a directory that is no part of the host's system, or an overlay of such; private or slave propagation
//	Else:     narrowed to read-only where the profile says; shared propagation and the host's own root are refused
//	Why:      a shared root sends every mount of the container to the host. CIS Docker 5.20, mount_namespaces(7)
var rootfs = Rule{
	ID:      "rootfs",
	Fields:  []string{"root.path", "root.readonly", "linux.rootfsPropagation"},
	Summary: "The container's root is its own directory, and mounts below it stay in the container.",
	narrow:  narrowRootfs,
	judge:   judgeRootfs,
}

func narrowRootfs(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "rootfs"}
	if p.Profile.Rootfs.Readonly.On && !s.Root.Readonly {
		s.Root.Readonly = true
		t.narrow("root.readonly", "false", "true", because("a program that cannot be changed stays the program that was shipped", p.Profile.Rootfs.Readonly.Reason))
	}
	switch s.Linux.RootfsPropagation {
	case "", "private", "rprivate", "slave", "rslave", "shared", "rshared":
	default:
		t.narrow("linux.rootfsPropagation", quote(s.Linux.RootfsPropagation), "\"rslave\"", "only private and slave keep the container's mounts in the container")
		s.Linux.RootfsPropagation = "rslave"
	}
	return t.changes
}

func judgeRootfs(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "rootfs"}
	root := p.Facts.Root
	switch {
	case s.Root.Path == "":
		o.object("root.path", "absent", "a directory")
	case root.Err != "":
		o.object("root.path", "not to be opened ("+quote(root.Err)+")", "a directory")
	case !root.Bind:
		o.object("root.path", quote(s.Root.Path), "one that was opened and described before")
	case root.Kind != "dir":
		o.object("root.path", "a "+root.Kind, "a directory")
	default:
		o.hostRoot(s, p)
	}
	o.layers(s, p)
	if p.Profile.Rootfs.Readonly.On && !s.Root.Readonly {
		o.object("root.readonly", "false", "true")
	}
	switch s.Linux.RootfsPropagation {
	case "", "private", "rprivate", "slave", "rslave":
	default:
		o.object("linux.rootfsPropagation", quote(s.Linux.RootfsPropagation), "private or slave")
	}
	return o.violations
}

// JudgeLayers is the part of the rule rootfs that is about the layers of an overlay, which are known only when the root is
// staged: p.Facts.Layers. s is a hardened spec. The error is a *Refusal.
func JudgeLayers(s *specs.Spec, p Policy) error {
	o := protest{rule: "rootfs"}
	o.layers(s, p)
	if len(o.violations) == 0 {
		return nil
	}
	return refusal(p, o.violations)
}

// JudgeMountLayers is the part of the rule mounts that is about the layers of an overlay which a mount asks for: p.Facts.Layers. Each is
// judged as the source of a read-only bind. s is a hardened spec, i the mount. The error is a *Refusal.
func JudgeMountLayers(s *specs.Spec, p Policy, i int) error {
	o := protest{rule: "mounts"}
	for _, l := range p.Facts.Layers {
		switch {
		case l.Err != "":
			o.object(mountField(i, "options"), "a layer "+quote(l.Path)+", which cannot be described ("+quote(l.Err)+")", "layers that are known")
		case l.Writable:
			o.object(mountField(i, "options"), "an upper directory "+quote(l.Real), "lower directories alone")
		default:
			o.place(s, mountField(i, "options"), placeOf(l.Source), l.FSType, true, p)
		}
		if len(o.violations) > 0 {
			return refusal(p, o.violations)
		}
	}
	return nil
}

// layers objects to an overlay that shows a protected part of the host: a layer is judged as the source of a volume is,
// the upper one as writable and those below as read-only. Below an engine's state directory is where layers live.
func (o *protest) layers(s *specs.Spec, p Policy) {
	for _, l := range p.Facts.Layers {
		if l.Err != "" {
			o.object("root.path", "an overlay of "+quote(l.Path)+", which cannot be described ("+quote(l.Err)+")", "layers that are known")
			return
		}
		at := placeOf(l.Source)
		if a, ok := allowedSource(at, p); ok && (a.Writable || !l.Writable) {
			continue
		}
		if at.inEngine(p, mayHoldRoots) && !kernelFilesystem(l.FSType) {
			continue
		}
		before := len(o.violations)
		if o.place(s, "root.path", at, l.FSType, !l.Writable, p) {
			for i := before; i < len(o.violations); i++ {
				o.violations[i].Got = "an overlay of " + o.violations[i].Got
			}
			return
		}
	}
}

// hostRoot objects to a root that holds, or lies in, a protected part of the host. Below an engine's state directory
// is where roots live.
func (o *protest) hostRoot(s *specs.Spec, p Policy) {
	root := p.Facts.Root
	if kernelFilesystem(root.FSType) {
		o.object("root.path", "on "+root.FSType, "a file system of files")
		return
	}
	// The root is cloned with the mounts below it: each is judged as the source of a volume would be.
	for _, sub := range root.Submounts {
		below := placeBelow(root, sub)
		if below.inEngine(p, func(string) bool { return true }) && !kernelFilesystem(sub.FSType) {
			continue // below an engine's state directory is where roots and what belongs to them live
		}
		if o.place(s, "root.path", below, sub.FSType, s.Root.Readonly, p) {
			return
		}
	}
	at := placeOf(root)
	if a, ok := allowedSource(at, p); ok && (a.Writable || s.Root.Readonly) {
		return
	}
	const want = "a directory that is no part of the host's system"
	for _, v := range at.views() {
		if g, ok := nearest(v, p.Facts.Protected); ok && (v.same(g) || g.Class != "self" && (g.Class != "engine" || !mayHoldRoots(v.below(g)))) {
			o.object("root.path", quote(root.Real)+" ("+g.Why+")", want)
			return
		}
	}
	for _, g := range p.Facts.Protected {
		if at.holds(g) {
			o.object("root.path", quote(root.Real)+", which holds "+quote(g.Path)+" ("+g.Why+")", want)
			return
		}
	}
}

// mayHoldRoots tells whether a path below an engine's state directory may be a container's root or a layer of one. A whole
// kind of storage is not: it holds all roots. Neither is what an engine keeps of its containers besides their roots.
func mayHoldRoots(below string) bool {
	for _, prefix := range engineInside {
		below = strings.TrimPrefix(below, prefix)
	}
	first, rest, _ := strings.Cut(below, "/")
	switch first {
	case "containers", "volumes", "network", "swarm", "secrets", "image", "libpod", "pods":
		return false
	}
	return rest != "" && path.Base(rest) != "snapshots"
}
