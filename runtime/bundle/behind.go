package bundle

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// atHandleFID asks name_to_handle_at(2) for a handle that need not be good for opening; overlays give those since Linux 6.6.
const atHandleFID = 0x200

// learn asks an overlay which file is behind one of its own, and so finds a layer that no name led to. The overlay's handle of a file
// holds that of the file behind it, which opens it on any mount of its file system. Kernels before 6.6 give none, unless the
// overlay was mounted with nfs_export, and opening takes CAP_DAC_READ_SEARCH.
func (l *locator) learn(p ProtectedPath, at location) {
	behind, ok := l.behind(p.Path)
	if !ok {
		return
	}
	dir, ok := strings.CutSuffix(behind.fsPath, strings.TrimSuffix(at.fsPath, "/"))
	if !ok { // it was renamed in the overlay
		l.aliases = append(l.aliases, elsewhere(p, behind.dev, behind.fsPath, inALayer))
		return
	}
	if dir == "" {
		dir = "/"
	}
	for _, known := range l.layersOf(at.mount) {
		if known.dev == behind.dev && known.path == dir {
			return
		}
	}
	// Whether it is the upper one is not known: it counts as that.
	l.layers[at.mount.dev] = append(l.layersOf(at.mount), fsPlace{behind.dev, dir, true})
}

// behind finds the file that an overlay's file has in a layer.
func (l *locator) behind(name string) (location, bool) {
	if l.noHandles {
		return location{}, false
	}
	fd, err := openRetry(name, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return location{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	handle, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH|atHandleFID)
	if errors.Is(err, unix.EINVAL) {
		handle, _, err = unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	}
	if err != nil {
		l.noHandles = errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS)
		return location{}, false
	}
	inner, ok := innerHandle(handle)
	if !ok {
		return location{}, false
	}
	for _, root := range l.diskRoots() {
		if at, ok := l.byHandle(root, inner); ok {
			return at, true
		}
	}
	return location{}, false
}

// innerHandle takes the handle of the file behind out of an overlay's handle: struct ovl_fh of the kernel, whose
// second version is padded in front by three bytes.
func innerHandle(h unix.FileHandle) (unix.FileHandle, bool) {
	const version0, version1, magic, header = 0xfb, 0xf8, 0xfb, 21
	b := h.Bytes()
	if h.Type() == version1 && len(b) > 3 {
		b = b[3:]
	} else if h.Type() != version0 {
		return unix.FileHandle{}, false
	}
	if len(b) <= header || b[0] != 0 || b[1] != magic || int(b[2]) > len(b) || int(b[2]) <= header {
		return unix.FileHandle{}, false
	}
	return unix.NewFileHandle(int32(b[4]), b[header:b[2]]), true
}

// byHandle opens a file by its handle and says where it is. A file that has no path below the mount is none.
func (l *locator) byHandle(root int, h unix.FileHandle) (location, bool) {
	fd, err := unix.OpenByHandleAt(root, h, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return location{}, false
	}
	defer func() { _ = unix.Close(fd) }()
	at, st, err := l.describe(fd)
	return at, err == nil && leadsTo(at.real, st)
}

// diskRoots opens a mount of each file system that holds files by itself, once. open_by_handle_at(2) takes no O_PATH.
func (l *locator) diskRoots() []int {
	if l.roots != nil {
		return l.roots
	}
	l.roots = []int{}
	seen := map[string]bool{}
	for i := range l.mounts.entries {
		e := &l.mounts.entries[i]
		if seen[e.dev] || !onDisk(e.fsType) {
			continue
		}
		fd, err := openRetry(e.point, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC)
		if err != nil {
			continue
		}
		if _, id, err := statFile(fd); err != nil || id != e.id {
			_ = unix.Close(fd)
			continue
		}
		seen[e.dev] = true
		l.roots = append(l.roots, fd)
	}
	return l.roots
}
