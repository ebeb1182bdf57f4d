package bundle

import (
	"path"
	"slices"
)

// A way is how a source can be reached: by its path, and by a place in a file system. One that lies in an overlay has further
// ways, through the overlay's layers, which have no path here.
type way struct{ real, dev, path string }

// waysOf are the ways to all sources and to the mounts below them. The root is no source: its layers are judged when it is staged.
func (l *locator) waysOf(sources []Source) []way {
	var ways []way
	for _, s := range sources {
		if !s.Bind || s.Err != "" {
			continue
		}
		ways = append(ways, way{s.Real, s.FSDev, s.FSPath})
		for _, m := range s.Submounts {
			ways = append(ways, way{path.Join(s.Real, m.Path), m.FSDev, m.FSPath})
		}
	}
	return ways
}

// look sets what the sources can touch. It comes before expand and protect.
func (l *locator) look(sources []Source, root Source) {
	l.ways = l.waysOf(sources)
	direct := l.ways
	l.findTwins()
	overlays := map[string]*mountEntry{} // by device; nil for what is none
	for _, w := range direct {
		m, seen := overlays[w.dev]
		if !seen {
			if m = l.overlayBy(w.dev); m != nil {
				l.shows = append(l.shows, *m)
			}
			overlays[w.dev] = m
		}
		if m == nil {
			continue
		}
		for _, layer := range l.layersOf(*m) {
			l.ways = append(l.ways, way{"", layer.dev, path.Join(layer.path, w.path)})
		}
	}
	for _, w := range direct {
		for _, dev := range l.twins[w.dev] {
			l.ways = append(l.ways, way{"", dev, w.path})
		}
	}
	l.ways = append(l.ways, l.waysOf([]Source{root})...)
	devs := map[string]bool{}
	for _, w := range l.ways {
		devs[w.dev] = true
	}
	for _, e := range l.mounts.entries {
		own := slices.ContainsFunc(sources, func(s Source) bool { return s.Overlay && s.Real == e.point })
		if devs[e.dev] && !own {
			l.near = append(l.near, e)
		}
	}
}

// overlayBy is a mount of the overlay that a source lies in; nil when it lies in none.
func (l *locator) overlayBy(dev string) *mountEntry {
	i := slices.IndexFunc(l.mounts.entries, func(e mountEntry) bool { return e.dev == dev })
	if i < 0 || l.mounts.entries[i].fsType != "overlay" {
		return nil
	}
	return &l.mounts.entries[i]
}

// What is said of a protected path that is known by another place as well.
const (
	inALayer    = " (in a layer of the overlay that it lies on)"
	inAnOverlay = " (shown by an overlay)"
	covered     = " (under what is mounted there)"
	onATwin     = " (on a file system with the same UUID)"
)

// elsewhere is a protected path at another place.
func elsewhere(p ProtectedPath, dev, fsPath, how string) ProtectedPath {
	p.FSDev, p.FSPath, p.Dev, p.Inode = dev, fsPath, 0, 0
	p.Why += how
	return p
}

// A located is the place of a protected path.
type located struct {
	path int // in the list of what was found
	at   location
}

// withOthers adds the further places of what was located: in the layers of an overlay that it lies on, where it has another device
// and inode (https://docs.kernel.org/filesystems/overlayfs.html, "Inode properties"); under a mount that covers it; where a file system
// below it is mounted as well; in overlays that show it to a source; on twins of its file system. Only what a source
// could touch is looked for.
func (l *locator) withOthers(found []ProtectedPath, places []located) []ProtectedPath {
	for i := range places {
		if p := &places[i]; p.at.mount.fsType == "overlay" {
			l.learn(found[p.path], p.at)
		}
	}
	for i := range places {
		p, at := &found[places[i].path], &places[i].at
		if at.mount.fsType == "overlay" {
			for _, layer := range l.layersOf(at.mount) {
				l.aliases = append(l.aliases, elsewhere(*p, layer.dev, path.Join(layer.path, at.fsPath), inALayer))
			}
		}
		l.byMounts(p, at)
	}
	all := append(found, l.aliases...)
	more := l.shown(all)
	for _, p := range all {
		for twin, of := range l.twins {
			if slices.Contains(of, p.FSDev) {
				more = append(more, elsewhere(p, twin, p.FSPath, onATwin))
			}
		}
	}
	return append(all, more...)
}

// byMounts adds what lies under a protected path's mount, and the file systems that are mounted below it.
func (l *locator) byMounts(p *ProtectedPath, where *location) {
	for i := range l.near {
		e := &l.near[i]
		at, under := e.place(where.real)
		if under && e.id != where.mount.id && where.mount.point != "/" && (e.dev != p.FSDev || at != p.FSPath) {
			l.aliases = append(l.aliases, elsewhere(*p, e.dev, at, covered))
		}
		below, ok := relative(where.real, e.point)
		if ok && below != "" && e.root == "/" && p.Path != "/" && wholly(*p) {
			q := elsewhere(*p, e.dev, "/", "")
			q.Path = e.point
			l.aliases = append(l.aliases, q)
		}
	}
}

// wholly tells whether all that is below a path is protected as the path is. Below an engine's state lie volumes.
func wholly(p ProtectedPath) bool { return p.Class == "refused" || p.Class == "readonly" }

// shown are the protected paths as the overlays show them that sources lie in. A lower layer is never written, so that it matters
// only for what is refused even read-only. An ordinary directory below an engine's state or a directory of volumes is no part of it.
func (l *locator) shown(protected []ProtectedPath) []ProtectedPath {
	var found []ProtectedPath
	for _, m := range l.shows {
		for _, layer := range l.layersOf(m) {
			for _, p := range protected {
				if p.FSDev != layer.dev || p.FSDev == m.dev || !layer.upper && (p.Class == "readonly" || p.Class == "self") {
					continue
				}
				if rel, ok := relative(layer.path, p.FSPath); ok {
					found = append(found, elsewhere(p, m.dev, path.Join("/", rel), inAnOverlay))
				} else if _, ok := relative(p.FSPath, layer.path); ok && wholly(p) && p.Path != "/" {
					found = append(found, elsewhere(p, m.dev, "/", inAnOverlay))
				}
			}
		}
	}
	return found
}
