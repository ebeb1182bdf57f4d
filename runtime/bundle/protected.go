package bundle

import (
	"errors"
	"iter"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A locator finds protected paths. Nearly all of a table lie in a few directories, and most are not there: each
// directory is opened once, and a path costs one statx(2) then.
type locator struct {
	*resolver
	dirs map[string]*parentDir
	stat unix.Statx_t // of the last find

	// ways are how the sources can be reached, near the mounts of the file systems that they reach, shows the overlays that
	// sources lie in.
	ways  []way
	near  []mountEntry
	shows []mountEntry
	// layers are the known layers of overlays, twins the other devices with the UUID of a source's; both by device.
	layers  map[string][]fsPlace
	twins   map[string][]string
	aliases []ProtectedPath
	// roots are open directories to open handles on. noHandles tells that overlays give none.
	roots     []int
	noHandles bool
}

// A parentDir is a directory whose path has no symbolic link; fd is -1 when it could not be opened, with err.
type parentDir struct {
	fd  int
	err error
}

func (r *resolver) newLocator() *locator {
	return &locator{resolver: r, dirs: map[string]*parentDir{}, layers: map[string][]fsPlace{}}
}

func (l *locator) close() {
	for _, d := range l.dirs {
		if d.fd >= 0 {
			_ = unix.Close(d.fd)
		}
	}
	for _, fd := range l.roots {
		_ = unix.Close(fd)
	}
}

// protect locates the paths of a table that this host has, in the table's order, and after them the further places of those. A
// path that is there and cannot be located keeps its name: it is still compared by path.
func (l *locator) protect(table iter.Seq[ProtectedPath]) []ProtectedPath {
	const usual = 64 // of some two hundred, the others are not there
	found := make([]ProtectedPath, 0, usual)
	places := make([]located, 0, usual)
	for p := range table {
		place, st, err := l.find(path.Clean(p.Path))
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			found = append(found, p)
			continue
		}
		p.FSDev, p.FSPath = place.dev, place.fsPath
		p.Dev, p.Inode = unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino
		found, places = append(found, p), append(places, located{len(found), place})
	}
	return l.withOthers(found, places)
}

// find locates what a clean absolute path leads to, symbolic links followed. What it gives of statx(2) is good until the next find.
func (l *locator) find(name string) (location, *unix.Statx_t, error) {
	dir := l.dir(path.Dir(name))
	if errors.Is(dir.err, unix.ENOENT) || errors.Is(dir.err, unix.ENOTDIR) {
		return location{}, nil, dir.err
	}
	if dir.err != nil { // a symbolic link in it (ELOOP), or a kernel before 5.6 (ENOSYS)
		return l.follow(name)
	}
	base := path.Base(name)
	if base == "/" {
		base = "."
	}
	st := &l.stat
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if err := unix.Statx(dir.fd, base, flags, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, st); err != nil {
		return location{}, nil, err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK || st.Mask&unix.STATX_MNT_ID == 0 {
		return l.follow(name)
	}
	place, err := l.locate(name, int(st.Mnt_id))
	return place, st, err
}

// follow opens a path and asks the kernel where it led.
func (l *locator) follow(name string) (location, *unix.Statx_t, error) {
	fd, err := openRetry(name, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return location{}, nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	return l.describe(fd)
}

// dir opens a directory, once. Its path is its real one: a symbolic link in it is ELOOP.
func (l *locator) dir(name string) *parentDir {
	d, ok := l.dirs[name]
	if !ok {
		how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
		d = &parentDir{}
		if d.fd, d.err = unix.Openat2(unix.AT_FDCWD, name, &how); d.err != nil {
			d.fd = -1
		}
		l.dirs[name] = d
	}
	return d
}

// expand gives a table with its patterns (a "*" stands for one path element) replaced by the names on this host that a source
// can touch: those it lies in, all of them when it lies above, and symbolic links, which lead anywhere.
func (l *locator) expand(table []ProtectedPath) iter.Seq[ProtectedPath] {
	return func(yield func(ProtectedPath) bool) {
		names := map[string][]string{}
		for _, p := range table {
			before, after, ok := strings.Cut(p.Path, "/*/")
			if !ok {
				if !yield(p) {
					return
				}
				continue
			}
			if _, ok := names[before]; !ok {
				names[before] = l.touched(before)
			}
			for _, name := range names[before] {
				p.Path = before + "/" + name + "/" + after
				if !yield(p) {
					return
				}
			}
		}
	}
}

// touched are the names in a directory that matter to the sources, sorted.
func (l *locator) touched(dir string) []string {
	base, _, err := l.find(path.Clean("/" + dir))
	if err != nil {
		return nil
	}
	at := []fsPlace{{dev: base.dev, path: base.fsPath}}
	if base.mount.fsType == "overlay" {
		for _, layer := range l.layersOf(base.mount) {
			at = append(at, fsPlace{dev: layer.dev, path: path.Join(layer.path, base.fsPath)})
		}
	}
	all := false
	var names []string
	for _, w := range l.ways {
		more, whole := l.namesAt(base.real, at, w)
		names, all = append(names, more...), all || whole
	}
	names = append(names, listed(base.real, all)...)
	slices.Sort(names)
	return slices.Compact(names)
}

// namesAt are the names below a directory, which has a path and places, that a way leads into: by path, in the same file
// system, or in a file system that is mounted below the directory. whole tells that the way leads above it, or to it.
func (l *locator) namesAt(dir string, at []fsPlace, w way) (names []string, whole bool) {
	look := func(dir, path string) {
		if rel, ok := relative(dir, path); ok && rel != "" {
			name, _, _ := strings.Cut(rel[1:], "/")
			names = append(names, name)
		} else if _, ok := relative(path, dir); ok {
			whole = true
		}
	}
	if w.real != "" {
		look(dir, w.real)
	}
	for _, p := range at {
		if w.dev == p.dev {
			look(p.path, w.path)
		}
	}
	for i := range l.near {
		e := &l.near[i]
		rel, ok := relative(dir, e.point)
		if ok && rel != "" && e.dev == w.dev && overlap(e.root, w.path) {
			name, _, _ := strings.Cut(rel[1:], "/")
			names = append(names, name)
		}
	}
	return names, whole
}

// overlap tells that one path is the other or lies below it.
func overlap(a, b string) bool {
	_, below := relative(a, b)
	_, above := relative(b, a)
	return below || above
}
