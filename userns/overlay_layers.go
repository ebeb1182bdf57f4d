package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// layers are the directories of an overlay as open files: first the engine's own, then our idmapped clones of them.
type layers struct {
	lower, data []*os.File
	beside      *os.File // the directory above upper and work: both must come from one mount. nil if read-only
	upperName   string
	upper, work *os.File
}

func (l *layers) close() {
	closeAll(l.lower...)
	closeAll(l.data...)
	closeAll(l.beside, l.upper, l.work)
}

// all are the mounts to attach where the kernel takes no detached layers.
func (l *layers) all() []*os.File {
	all := append(append([]*os.File{}, l.lower...), l.data...)
	if l.beside != nil {
		all = append(all, l.beside)
	}
	return all
}

// openLayers opens the directories that the options name.
func openLayers(o overlayOptions, at mounts) (_ *layers, err error) {
	l := &layers{}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	base, err := layerBase(o, at)
	if err != nil {
		return nil, err
	}
	if o.upper != "" {
		path := filepath.Join(base, o.upper)
		if filepath.IsAbs(o.upper) {
			path = o.upper
		}
		if l.upper, err = openDir(path); err != nil {
			if l.upper, err = openDir(unescape(path)); err != nil {
				return nil, err
			}
		}
		// The path that the kernel knows, so that "diff" is a name in the directory above and not a symbolic link.
		real, err := os.Readlink(procFD(l.upper))
		if err != nil {
			return nil, fmt.Errorf("find path of %q: %w", path, err)
		}
		l.upperName = filepath.Base(real)
		if l.beside, err = openDir(filepath.Dir(real)); err != nil {
			return nil, err
		}
	}
	if l.lower, err = openDirs(base, o.lower); err != nil {
		return nil, err
	}
	l.data, err = openDirs(base, o.data)
	return l, err
}

func openDirs(base string, paths []string) ([]*os.File, error) {
	var dirs []*os.File
	for _, path := range paths {
		if !filepath.IsAbs(path) {
			path = filepath.Join(base, path)
		}
		dir, err := openDir(path)
		if err != nil {
			closeAll(dirs...)
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func openDir(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		// Engines take the errno's own words for a missing command.
		return nil, fmt.Errorf("open layer %q: nothing is there", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open layer %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// layerBase is the directory that relative layers are relative to. Docker and podman mount images of many layers from
// inside their overlay directory, with everything relative ("l/ABC", "ID/diff") and ID/merged as the mount point;
// containerd makes the lowers alone relative ("12/fs") to the directory above its snapshots, of which upper is one.
func layerBase(o overlayOptions, at mounts) (string, error) {
	relative := ""
	for _, path := range append(append([]string{o.upper}, o.lower...), o.data...) {
		if path != "" && !filepath.IsAbs(path) {
			relative = path
			break
		}
	}
	if relative == "" {
		return "", nil
	}
	var bases []string
	if filepath.IsAbs(o.upper) {
		bases = append(bases, filepath.Dir(filepath.Dir(o.upper)))
	}
	for _, m := range at {
		bases = append(bases, filepath.Dir(filepath.Dir(m.Mountpoint)))
	}
	for _, base := range bases {
		if dir, err := openDir(filepath.Join(base, relative)); err == nil {
			closeAll(dir)
			return base, nil
		}
	}
	return "", fmt.Errorf("find layer %q: it is relative to none of %s", relative, strings.Join(bases, ", "))
}

// checkTop makes sure that the topmost layer is the directory that the overlay shows: its root has the attributes of that
// layer's root (ovl_getattr asks the layer). A path that leads elsewhere by now (a mount over the engine's directory, another
// mount namespace, a name decoded wrongly) is found here.
func (l *layers) checkTop(root *os.File) error {
	top := l.upper
	if top == nil {
		top = l.lower[0]
	}
	var shown, real unix.Statx_t
	const want = unix.STATX_MODE | unix.STATX_MTIME | unix.STATX_CTIME
	if err := unix.Statx(int(root.Fd()), "", unix.AT_EMPTY_PATH, want, &shown); err != nil {
		return fmt.Errorf("stat %q: %w", root.Name(), err)
	}
	if err := unix.Statx(int(top.Fd()), "", unix.AT_EMPTY_PATH, want, &real); err != nil {
		return fmt.Errorf("stat %q: %w", top.Name(), err)
	}
	if shown.Mode != real.Mode || shown.Mtime != real.Mtime || shown.Ctime != real.Ctime {
		return fmt.Errorf("use layer %q: it is not the directory that the overlay at %q shows", top.Name(), root.Name())
	}
	return nil
}

// shifted are idmapped clones of the layers. The work directory must exist.
func (l *layers) shifted(ns *os.File) (_ *layers, err error) {
	s := &layers{upperName: l.upperName}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.lower, err = cloneEach(l.lower, ns); err != nil {
		return nil, err
	}
	if s.data, err = cloneEach(l.data, ns); err != nil {
		return nil, err
	}
	if l.beside == nil {
		return s, nil
	}
	if s.beside, err = Clone(l.beside, ns, false); err != nil {
		return nil, err
	}
	if s.upper, err = openBeneath(s.beside, l.upperName); err != nil {
		return nil, err
	}
	if s.work, err = openBeneath(s.beside, workName); err != nil {
		return nil, err
	}
	return s, sameDir(l.upper, s.upper)
}

func cloneEach(dirs []*os.File, ns *os.File) ([]*os.File, error) {
	var clones []*os.File
	for _, dir := range dirs {
		clone, err := Clone(dir, ns, false)
		if err != nil {
			closeAll(clones...)
			return nil, err
		}
		clones = append(clones, clone)
	}
	return clones, nil
}

// openBeneath opens the directory name in dir, which must be neither a symbolic link nor a mount point.
func openBeneath(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	path := filepath.Join(dir.Name(), name)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// sameDir finds an upper directory that is a mount of its own: the clone of the directory above shows what lies under it.
func sameDir(a, b *os.File) error {
	var sa, sb unix.Stat_t
	if err := unix.Fstat(int(a.Fd()), &sa); err != nil {
		return fmt.Errorf("stat %q: %w", a.Name(), err)
	}
	if err := unix.Fstat(int(b.Fd()), &sb); err != nil {
		return fmt.Errorf("stat %q: %w", b.Name(), err)
	}
	if sa.Dev != sb.Dev || sa.Ino != sb.Ino {
		return fmt.Errorf("use upper directory %q: it is a mount of its own, and upper and work must be in one", a.Name())
	}
	return nil
}

// rootOf finds the mount of which root must be the root, and refuses what an overlay of the same layers would not show.
func rootOf(root *os.File, table mounts) (*mountinfo.Info, error) {
	path, id, err := whereIs(root)
	if err != nil {
		return nil, err
	}
	m := table.byID(id)
	if m == nil {
		return nil, fmt.Errorf("find mount of %q: it is not in this thread's mount namespace", path)
	}
	if m.Root != "/" || m.Mountpoint != path {
		return nil, fmt.Errorf("shift %q: it is a directory inside an overlay; only an overlay's own root can be shifted", path)
	}
	if strings.Contains(m.Optional, "shared:") {
		// What is stacked on it for older kernels would show up in the host's namespaces.
		return nil, fmt.Errorf("shift overlay at %q: its mount is shared with other mount namespaces", path)
	}
	if sub := table.below(path); len(sub) > 0 {
		return nil, fmt.Errorf("shift overlay at %q: %s is mounted in it at %q", path, sub[0].FSType, sub[0].Mountpoint)
	}
	return m, nil
}
