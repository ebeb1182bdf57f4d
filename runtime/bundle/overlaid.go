package bundle

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A fsPlace is a directory in its own file system. upper tells that it is an overlay's upper directory.
type fsPlace struct {
	dev, path string
	upper     bool
}

// layersOf finds the layers of an overlay, by what its mount options name. A name is one of the mount namespace and the working
// directory of whoever mounted it, so it may be relative, lead through symbolic links, or mean something else by now:
// what is found is what it can mean here. [locator.learn] finds more.
func (l *locator) layersOf(m mountEntry) []fsPlace {
	if found, ok := l.layers[m.dev]; ok {
		return found
	}
	var found []fsPlace
	var relative []layerName
	for _, n := range overlayLayers(m.options) {
		if !strings.HasPrefix(n.path, "/") {
			relative = append(relative, n)
			continue
		}
		if n.role == "workdir" {
			continue
		}
		// The name itself counts even where the overlay covers it.
		if at, ok := l.mounts.under(path.Clean(n.path), m.dev); ok {
			found = append(found, fsPlace{at.dev, at.path, n.role == "upperdir"})
		}
		if at, ok := l.layerAt(n.path, m.dev); ok {
			found = append(found, fsPlace{at.dev, at.path, n.role == "upperdir"})
		}
	}
	found = append(found, l.relativeLayers(relative, m)...)
	l.layers[m.dev] = slices.Compact(found)
	return l.layers[m.dev]
}

// layerAt opens a layer's name and says where it is. Where the overlay itself is mounted over the layer, it is what lies below.
func (l *locator) layerAt(name, overlay string) (fsPlace, bool) {
	fd, err := openRetry(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
	if err != nil {
		return fsPlace{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	at, _, err := l.describe(fd)
	if err != nil {
		return fsPlace{}, false
	}
	if at.dev == overlay {
		return l.mounts.under(at.real, overlay)
	}
	return fsPlace{dev: at.dev, path: at.fsPath}, true
}

// relativeLayers finds layers that were named relative to one working directory, which nothing tells any more: it is taken for the
// first directory below which all the names lead to directories, of those that layers, sources and mounts lie in.
func (l *locator) relativeLayers(names []layerName, m mountEntry) []fsPlace {
	if len(names) == 0 {
		return nil
	}
	for _, base := range l.bases(m) {
		var found []fsPlace
		all := true
		for _, n := range names {
			at, ok := l.layerAt(base+"/"+n.path, m.dev)
			if !ok {
				all = false
				break
			}
			if n.role != "workdir" {
				found = append(found, fsPlace{at.dev, at.path, n.role == "upperdir"})
			}
		}
		if all {
			return found
		}
	}
	return nil
}

// bases are where a relative layer may start from, the likely ones first. A name can lead upwards, so the directories beside
// count, too: "../low" below any of them is the same.
func (l *locator) bases(m mountEntry) []string {
	var bases []string
	add := func(name string) {
		for ; ; name = path.Dir(name) {
			if !slices.Contains(bases, name) {
				bases = append(bases, name)
			}
			if name == "/" || name == "." {
				return
			}
		}
	}
	for _, n := range overlayLayers(m.options) {
		if strings.HasPrefix(n.path, "/") {
			add(path.Clean(n.path))
		}
	}
	add(m.point)
	for _, w := range l.ways {
		if w.real != "" {
			add(w.real)
		}
	}
	for i := range l.mounts.entries {
		if e := &l.mounts.entries[i]; onDisk(e.fsType) && len(bases) < maxBases {
			add(e.point)
		}
	}
	return bases
}

// maxBases bounds the directories that are tried for a relative layer.
const maxBases = 1024

// onDisk tells whether a file system of the type holds files by itself, so that opening it waits for no server.
func onDisk(fsType string) bool {
	switch fsType {
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "ramfs", "f2fs", "squashfs", "erofs", "iso9660", "udf", "bcachefs", "jfs",
		"nilfs2", "reiserfs", "zfs", "ubifs", "jffs2":
		return true
	}
	return false
}

// A layerName is a directory in the options of an overlay's super block, with the option's name. It is as it was given: ".." in it
// may come after a symbolic link.
type layerName struct{ path, role string }

// overlayLayers are the directories in the options of an overlay's super block, as mountinfo shows them: a list
// with colons, in which a backslash makes the next character an ordinary one, or an option for each (Linux 6.8). Commas in names and
// those backslashes are themselves shown as octal escapes, so the options are split before these are undone.
func overlayLayers(options string) []layerName {
	var names []layerName
	add := func(dir, role string) {
		if dir = plainName(dir); dir != "" {
			names = append(names, layerName{dir, role})
		}
	}
	for o := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(o, "=")
		value = unescape(value)
		switch name {
		case "lowerdir":
			for _, dir := range splitList(value) {
				add(dir, "lowerdir")
			}
		case "lowerdir+", "datadir+":
			add(value, "lowerdir")
		case "upperdir", "workdir":
			add(value, name)
		}
	}
	return names
}

// splitList splits at colons that have no backslash before them. The backslashes stay.
func splitList(s string) []string {
	var parts []string
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ':':
			parts, from = append(parts, s[from:i]), i+1
		}
	}
	return append(parts, s[from:])
}

// plainName takes the backslashes away that splitList left.
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

// under is the place that a path has when the mounts of one file system are left out: what an overlay that covers its own lower
// directory was mounted over. Of several mounts on one point it is the last.
func (t *mountTable) under(name, without string) (fsPlace, bool) {
	best, found := mountEntry{}, false
	for _, e := range t.entries {
		if e.dev == without {
			continue
		}
		if _, ok := relative(e.point, name); ok && len(e.point) >= len(best.point) {
			best, found = e, true
		}
	}
	at, ok := best.place(name)
	return fsPlace{dev: best.dev, path: at}, found && ok
}
