package harden

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// A place is where a file is: in its own file system, which no mount can disguise, and by the path that the kernel
// reports, which also says what lies around it. name is that path, for messages.
type place struct {
	dev, path  string
	real       string
	fileDev    uint64
	fileNumber uint64
	name       string
}

func placeOf(s bundle.Source) place {
	at := place{dev: s.FSDev, path: s.FSPath, real: s.Real, fileDev: s.Dev, fileNumber: s.Inode, name: s.Real}
	if s.Overlay {
		at.real = "" // the runtime's own, which says nothing
	}
	return at
}

// placeBelow is the place of a mount below a source.
func placeBelow(s bundle.Source, sub bundle.Submount) place {
	real := strings.TrimSuffix(s.Real, "/") + sub.Path
	return place{dev: sub.FSDev, path: sub.FSPath, real: real, name: real}
}

// views are the place in its own file system alone, and by its path alone. Each is judged, because one may excuse what the
// other does not: a volume of Docker's that binds the host's directory lies among the volumes by its path, and is the
// directory by its file system.
func (a place) views() [2]place {
	file, path := a, place{real: a.real, name: a.name}
	file.real = ""
	return [2]place{file, path}
}

// same tells whether the two are one file.
func (a place) same(g bundle.ProtectedPath) bool {
	if g.Inode != 0 && a.fileNumber == g.Inode && a.fileDev == g.Dev {
		return true
	}
	return a.real == g.Path || a.sameFS(g) && a.path == g.FSPath
}

// sameFS tells whether the two are known to be in one file system.
func (a place) sameFS(g bundle.ProtectedPath) bool { return a.dev != "" && a.dev == g.FSDev }

// inside tells whether the place is the protected one or below it. Everything is below "/", which counts only as
// itself.
func (a place) inside(g bundle.ProtectedPath) bool {
	return a.same(g) || g.Path != "/" && (within(a.real, g.Path) || a.sameFS(g) && within(a.path, g.FSPath))
}

// holds tells whether the protected place is this one or below it.
func (a place) holds(g bundle.ProtectedPath) bool {
	return a.same(g) || a.real != "" && within(g.Path, a.real) || a.sameFS(g) && a.path != "" && within(g.FSPath, a.path)
}

// below is the path from the protected place to this one, without a leading slash.
func (a place) below(g bundle.ProtectedPath) string {
	if within(a.real, g.Path) {
		return strings.Trim(strings.TrimPrefix(a.real, g.Path), "/")
	}
	return strings.Trim(strings.TrimPrefix(a.path, g.FSPath), "/")
}

// kernelFilesystem tells whether files of the type are the kernel's own: a view of the host wherever it is mounted.
func kernelFilesystem(fstype string) bool {
	switch fstype {
	case "proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "debugfs", "tracefs", "securityfs", "bpf", "configfs",
		"efivarfs", "fusectl", "pstore", "selinuxfs", "smackfs", "binfmt_misc", "nsfs", "mqueue", "rpc_pipefs", "nfsd", "resctrl",
		"xenfs", "cpuset", "binder", "functionfs", "gadgetfs", "spufs", "s390_hypfs":
		return true
	}
	return false
}

// showsOthers tells whether files of the type are those of directories elsewhere, which nothing tells: any of the host's. Of an overlay
// the layers are looked at.
func showsOthers(fstype string) bool {
	switch fstype {
	case "aufs", "ecryptfs", "shiftfs", "unionfs", "wrapfs":
		return true
	}
	return false
}

// allowedSource is the line of a site's profile that opens the place.
func allowedSource(at place, p Policy) (profiles.AllowedSource, bool) {
	i := slices.IndexFunc(p.Profile.Mounts.AllowedSources, func(a profiles.AllowedSource) bool {
		return a.Path != "" && a.Reason != "" && (at.real == a.Path || a.Path != "/" && within(at.real, a.Path))
	})
	if i < 0 {
		return profiles.AllowedSource{}, false
	}
	return p.Profile.Mounts.AllowedSources[i], true
}

// nearest is the protected path that a view of a place lies in, of several the one deepest down: it says more than those
// above it.
func nearest(view place, protected []bundle.ProtectedPath) (bundle.ProtectedPath, bool) {
	best, deepest := -1, 0
	for i, g := range protected {
		if !view.inside(g) {
			continue
		}
		depth := view.depth(g)
		if best < 0 || depth > deepest || depth == deepest && strictness(g) > strictness(protected[best]) {
			best, deepest = i, depth
		}
	}
	if best < 0 {
		return bundle.ProtectedPath{}, false
	}
	return protected[best], true
}

// depth orders the protected paths that a view of a place lies in: those lie in one another.
func (a place) depth(g bundle.ProtectedPath) int {
	if a.real != "" {
		return len(g.Path)
	}
	if a.same(g) {
		return len(a.path)
	}
	return len(g.FSPath)
}

// inEngine tells whether the place lies below an engine's state directory, at a path that allowed accepts, and by neither of
// its views in another protected place.
func (a place) inEngine(p Policy, allowed func(below string) bool) bool {
	found := false
	for _, v := range a.views() {
		if g, ok := nearest(v, p.Facts.Protected); ok && g.Class != "self" {
			if g.Class != "engine" || !allowed(v.below(g)) {
				return false
			}
			found = true
		}
	}
	return found
}

// strictness orders classes. What is none of them counts as refused.
func strictness(g bundle.ProtectedPath) int {
	switch g.Class {
	case "self":
		return 0
	case "readonly":
		return 1
	case "engine":
		return 2
	}
	return 3
}

// place objects to a source, or to a mount below one, that is protected. It tells whether it did: one reason is
// enough.
func (o *protest) place(s *specs.Spec, field string, at place, fstype string, readonly bool, p Policy) bool {
	if kernelFilesystem(fstype) {
		o.object(field, quote(at.name)+" on "+fstype, "no file system of the kernel's")
		return true
	}
	if showsOthers(fstype) {
		o.object(field, quote(at.name)+" on "+fstype, "no file system that shows directories of another")
		return true
	}
	for _, v := range at.views() {
		if o.inside(s, field, v, readonly, p) {
			return true
		}
	}
	for _, v := range at.views() {
		if o.above(field, v, readonly, p) {
			return true
		}
	}
	return false
}

const (
	wantOther    = "a path that is no part of the host's system"
	wantReadonly = "it read-only (:ro)"
)

// inside objects to a view of a place that lies in a protected path.
func (o *protest) inside(s *specs.Spec, field string, at place, readonly bool, p Policy) bool {
	g, ok := nearest(at, p.Facts.Protected)
	if !ok {
		return false
	}
	text := quote(at.name) + " (" + g.Why + ")"
	switch {
	case g.Class == "self" && !at.same(g):
	case g.Class == "self" || g.Class == "readonly":
		if !readonly {
			o.object(field, text+" and writable", wantReadonly)
			return true
		}
	case g.Class == "engine" && engineFile(g, at.below(g), s, p):
	default:
		o.object(field, text, wantOther)
		return true
	}
	return false
}

// above objects to a view of a place that holds a protected path.
func (o *protest) above(field string, at place, readonly bool, p Policy) bool {
	for _, g := range p.Facts.Protected {
		if at.same(g) || !at.holds(g) {
			continue
		}
		text := quote(at.name) + ", which holds " + quote(g.Path) + " (" + g.Why + ")"
		if g.Class != "self" && g.Class != "readonly" {
			o.object(field, text, wantOther)
			return true
		}
		if !readonly {
			o.object(field, text+" and writable", wantReadonly)
			return true
		}
	}
	return false
}
