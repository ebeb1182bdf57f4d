package harden

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// A place is where a file is: in its own file system, which no mount can disguise, and by the path that the kernel
// reports, which also says what lies around it.
type place struct {
	dev, path  string
	real       string
	fileDev    uint64
	fileNumber uint64
}

func placeOf(s bundle.Source) place {
	return place{dev: s.FSDev, path: s.FSPath, real: s.Real, fileDev: s.Dev, fileNumber: s.Inode}
}

// same tells whether the two are one file.
func (a place) same(g bundle.ProtectedPath) bool {
	if g.Inode != 0 && a.fileNumber == g.Inode && a.fileDev == g.Dev {
		return true
	}
	return a.real == g.Path || g.FSDev != "" && a.dev == g.FSDev && a.path == g.FSPath
}

// inside tells whether the place is the protected one or below it. Everything is below "/", which counts only as
// itself.
func (a place) inside(g bundle.ProtectedPath) bool {
	return a.same(g) || g.Path != "/" && (within(a.real, g.Path) || g.FSDev != "" && a.dev == g.FSDev && within(a.path, g.FSPath))
}

// holds tells whether the protected place is this one or below it.
func (a place) holds(g bundle.ProtectedPath) bool {
	return a.same(g) || within(g.Path, a.real) || g.FSDev != "" && a.dev == g.FSDev && a.path != "" && within(g.FSPath, a.path)
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
		"efivarfs", "fusectl", "pstore", "selinuxfs", "smackfs", "binfmt_misc", "nsfs", "mqueue", "rpc_pipefs", "nfsd", "resctrl":
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

// nearest is the protected path that the place lies in, of several the one deepest down: it says more than those
// above it.
func nearest(at place, protected []bundle.ProtectedPath) (bundle.ProtectedPath, bool) {
	best := -1
	for i, g := range protected {
		if !at.inside(g) {
			continue
		}
		if best < 0 || len(g.Path) > len(protected[best].Path) || len(g.Path) == len(protected[best].Path) && strictness(g) > strictness(protected[best]) {
			best = i
		}
	}
	if best < 0 {
		return bundle.ProtectedPath{}, false
	}
	return protected[best], true
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
	const other, only = "a path that is no part of the host's system", "it read-only (:ro)"
	if kernelFilesystem(fstype) {
		o.object(field, quote(at.real)+" on "+fstype, "no file system of the kernel's")
		return true
	}
	if g, ok := nearest(at, p.Facts.Protected); ok {
		text := quote(at.real) + " (" + g.Why + ")"
		switch {
		case g.Class == "self" && !at.same(g):
		case g.Class == "self" || g.Class == "readonly":
			if !readonly {
				o.object(field, text+" and writable", only)
				return true
			}
		case g.Class == "engine" && engineFile(at.below(g), s, p):
		default:
			o.object(field, text, other)
			return true
		}
	}
	for _, g := range p.Facts.Protected {
		if at.same(g) || !at.holds(g) {
			continue
		}
		text := quote(at.real) + ", which holds " + quote(g.Path) + " (" + g.Why + ")"
		if g.Class != "self" && g.Class != "readonly" {
			o.object(field, text, other)
			return true
		}
		if !readonly {
			o.object(field, text+" and writable", only)
			return true
		}
	}
	return false
}
