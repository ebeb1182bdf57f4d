package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// overlayByFD mounts with the layers as open files. Kernel 6.13 takes files, 6.15 detached mounts.
func overlayByFD(_ *os.File, l *layers, keep []overlayOption, r Range) (*os.File, error) {
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open overlay file system: %w", err)
	}
	fs := os.NewFile(uintptr(fd), "overlay")
	defer closeAll(fs)
	if err := configure(fs, l, keep); err != nil {
		return nil, err
	}
	if err := withFSID(r.Start, func() error { return unix.FsconfigCreate(fd) }); err != nil {
		return nil, kernelSays(fs, "create overlay", err)
	}
	mfd, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return nil, kernelSays(fs, "mount overlay", err)
	}
	return os.NewFile(uintptr(mfd), "overlay"), nil
}

func configure(fs *os.File, l *layers, keep []overlayOption) error {
	fd := int(fs.Fd())
	if err := unix.FsconfigSetString(fd, "source", "overlay"); err != nil {
		return kernelSays(fs, "set overlay option source", err)
	}
	for _, opt := range keep {
		var err error
		if opt.value == "" {
			err = unix.FsconfigSetFlag(fd, opt.key)
		} else {
			err = unix.FsconfigSetString(fd, opt.key, opt.value)
		}
		if err != nil {
			return kernelSays(fs, fmt.Sprintf("set overlay option %s=%s", opt.key, opt.value), err)
		}
	}
	type layer struct {
		key string
		dir *os.File
	}
	var all []layer
	for _, dir := range l.lower {
		all = append(all, layer{"lowerdir+", dir})
	}
	for _, dir := range l.data {
		all = append(all, layer{"datadir+", dir})
	}
	if l.upper != nil {
		all = append(all, layer{"upperdir", l.upper}, layer{"workdir", l.work})
	}
	for _, layer := range all {
		if err := setDir(fd, layer.key, layer.dir); err != nil {
			return kernelSays(fs, fmt.Sprintf("set overlay option %s to %q", layer.key, layer.dir.Name()), err)
		}
	}
	return nil
}

// setDir hands the directory over as a file that is really open: kernel 6.13 refuses O_PATH files here.
func setDir(fs int, key string, dir *os.File) error {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.FsconfigSetFd(fs, key, fd)
}

// kernelSays adds what the kernel wrote into the log of the file system context (fsopen(2)). EINVAL is also how a kernel
// answers that does not know the option or takes no detached mounts; EOPNOTSUPP is that of one that takes no files here (seen on 6.1).
func kernelSays(fs *os.File, doing string, err error) error {
	old := errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)
	var lines []string
	buf := make([]byte, 1024)
	for {
		n, readErr := unix.Read(int(fs.Fd()), buf)
		if readErr != nil || n <= 0 {
			break
		}
		// "e overlay: text": the first letter is the severity.
		_, line, _ := strings.Cut(strings.TrimSpace(string(buf[:n])), " ")
		lines = append(lines, line)
	}
	if len(lines) > 0 {
		err = fmt.Errorf("%s: %w", strings.Join(lines, "; "), err)
	}
	if old {
		return fmt.Errorf("%s: %w (%w)", doing, err, errOldKernel)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// mountDataLimit is what mount(2) takes as options: one page with its final zero.
const mountDataLimit = 4095

// overlayByPath mounts with mount(2) and paths, which every kernel knows. Before 6.15 a layer must be attached in the
// caller's mount namespace (clone_private_mount asks for that), so the layers and then the overlay are stacked upon root for
// the moment. What is stacked goes away here, or with the namespace when this process dies.
func overlayByPath(root *os.File, l *layers, keep []overlayOption, r Range) (mnt *os.File, err error) {
	data, err := mountData(l, keep)
	if err != nil {
		return nil, err
	}
	stacked := 0
	defer func() {
		if back := unstack(root, stacked); back != nil {
			closeAll(mnt)
			mnt, err = nil, errors.Join(err, back)
		}
	}()
	for _, layer := range l.all() {
		if err := AttachTo(layer, root); err != nil {
			return nil, err
		}
		stacked++
	}
	err = withFSID(r.Start, func() error { return unix.Mount("overlay", procFD(root), "overlay", 0, data) })
	if err != nil {
		return nil, fmt.Errorf("mount overlay (the kernel says why in its log): %w", err)
	}
	stacked++
	return cloneTop(root)
}

func mountData(l *layers, keep []overlayOption) (string, error) {
	var opts []string
	for _, opt := range keep {
		switch {
		case opt.value == "":
			opts = append(opts, opt.key)
		case strings.Contains(opt.value, ","):
			opts = append(opts, opt.key+`="`+opt.value+`"`)
		default:
			opts = append(opts, opt.key+"="+opt.value)
		}
	}
	lower := ""
	for _, dir := range l.lower {
		lower += ":" + procFD(dir)
	}
	for _, dir := range l.data {
		lower += "::" + procFD(dir)
	}
	opts = append(opts, "lowerdir="+strings.TrimPrefix(lower, ":"))
	if l.upper != nil {
		opts = append(opts, "upperdir="+procFD(l.upper), "workdir="+procFD(l.work))
	}
	data := strings.Join(opts, ",")
	if len(data) > mountDataLimit {
		return "", fmt.Errorf("mount overlay: %d layers are too many for this kernel's mount options (%d of %d bytes)",
			len(l.lower)+len(l.data), len(data), mountDataLimit)
	}
	return data, nil
}

// cloneTop makes a detached mount of what is mounted topmost on root.
func cloneTop(root *os.File) (*os.File, error) {
	top, err := openTop(root)
	if err != nil {
		return nil, err
	}
	defer closeAll(top)
	if err := notSameDevice(top, root); err != nil {
		return nil, err
	}
	mnt, err := Clone(top, nil, false)
	if err != nil {
		return nil, err
	}
	if err := MakePrivate(mnt); err != nil {
		closeAll(mnt)
		return nil, err
	}
	return mnt, nil
}

// openTop opens what is mounted topmost on root. A name looked up in the directory above leads there.
func openTop(root *os.File) (*os.File, error) {
	path, _, err := whereIs(root)
	if err != nil {
		return nil, err
	}
	above, err := openDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer closeAll(above)
	fd, err := unix.Openat(int(above.Fd()), filepath.Base(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// notSameDevice makes sure that a is the new overlay and not the engine's: each overlay has a device number
// of its own, which its root directory shows.
func notSameDevice(a, b *os.File) error {
	var sa, sb unix.Stat_t
	if err := unix.Fstat(int(a.Fd()), &sa); err != nil {
		return fmt.Errorf("stat %q: %w", a.Name(), err)
	}
	if err := unix.Fstat(int(b.Fd()), &sb); err != nil {
		return fmt.Errorf("stat %q: %w", b.Name(), err)
	}
	if sa.Dev == sb.Dev {
		return fmt.Errorf("clone overlay at %q: the new one is not on top of it", b.Name())
	}
	return nil
}

// unstack takes n mounts off root, the topmost first: umount(2) follows a path to the top, also one to an open file. It
// makes sure that the mount of root is the topmost again, for what is left there would be a way to the idmapped upper layer.
func unstack(root *os.File, n int) error {
	for range n {
		if err := unix.Unmount(procFD(root), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("detach layers from %q: %w", root.Name(), err)
		}
	}
	top, err := openTop(root)
	if err != nil {
		return fmt.Errorf("detach layers: %w", err)
	}
	defer closeAll(top)
	_, want, err := whereIs(root)
	if err != nil {
		return fmt.Errorf("detach layers: %w", err)
	}
	if _, got, err := whereIs(top); err != nil || got != want {
		return fmt.Errorf("detach layers from %q: mount %d is on top, not %d", root.Name(), got, want)
	}
	return nil
}
