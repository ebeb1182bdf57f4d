package bundle

import (
	"path"
	"strings"
)

// overlaid gives the further places of a protected path that lies on an overlay: the same file in the overlay's layers, where it has
// another device and inode (https://docs.kernel.org/filesystems/overlayfs.html, "Inode properties"). Hosts with an
// overlaid /etc or root have such. A layer that this mount namespace does not show has no place here, and one that was named
// by a relative path or through a symbolic link is not found.
func (r *resolver) overlaid(p ProtectedPath, place location) []ProtectedPath {
	if place.mount.fsType != "overlay" {
		return nil
	}
	var found []ProtectedPath
	for _, layer := range overlayLayers(place.mount.options) {
		under, ok := r.mounts.holding(layer, place.mount.id)
		if !ok {
			continue
		}
		q := p
		q.FSDev, q.Dev, q.Inode = under.dev, 0, 0
		q.FSPath, ok = under.place(layer)
		if !ok {
			continue
		}
		q.FSPath = path.Join(q.FSPath, place.fsPath)
		q.Why += " (in a layer of the overlay that it lies on)"
		found = append(found, q)
	}
	return found
}

// overlayLayers are the absolute directories in the options of an overlay's super block, as mountinfo shows them: a list
// with colons, in which a backslash makes the next character an ordinary one, or an option for each (Linux 6.8).
func overlayLayers(options string) []string {
	var dirs []string
	for _, o := range splitEscaped(options, ',') {
		name, value, _ := strings.Cut(o, "=")
		switch name {
		case "lowerdir":
			dirs = append(dirs, splitEscaped(value, ':')...)
		case "upperdir", "lowerdir+", "datadir+":
			dirs = append(dirs, value)
		}
	}
	var absolute []string
	for _, d := range dirs {
		if d = plainName(d); strings.HasPrefix(d, "/") {
			absolute = append(absolute, path.Clean(d))
		}
	}
	return absolute
}

// splitEscaped splits at a separator that has no backslash before it. The backslashes stay.
func splitEscaped(s string, at byte) []string {
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			parts, from = append(parts, s[from:i]), i+1
		}
	}
	return append(parts, s[from:])
}

// plainName takes the backslashes away that splitEscaped left.
func plainName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// holding is the mount that a path lies on when one mount is left out: what an overlay that covers its own lower directory
// was mounted over. Of several mounts on one point it is the last.
func (t *mountTable) holding(name string, without int) (mountEntry, bool) {
	best, found := mountEntry{}, false
	for _, e := range t.entries {
		if e.id == without {
			continue
		}
		if _, ok := relative(e.point, name); ok && len(e.point) >= len(best.point) {
			best, found = e, true
		}
	}
	return best, found
}
