package userns

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// NotIDMappable says that a mount cannot be shown through an ID range, and which mount that is.
type NotIDMappable struct {
	FSType string // as in mountinfo: "nfs"
	Path   string // where it is mounted, or the file that was asked for
	Err    error  // the kernel's answer
}

func (e *NotIDMappable) Error() string {
	if errors.Is(e.Err, unix.EPERM) {
		return fmt.Sprintf("%s at %q is idmapped already", e.FSType, e.Path)
	}
	return fmt.Sprintf("%s at %q takes no idmapped mount", e.FSType, e.Path)
}

func (e *NotIDMappable) Unwrap() error { return e.Err }

// Clone makes a detached mount of what f refers to, a directory or another file, with the mounts below it when recursive.
// It is idmapped through ns unless ns is nil. Flags and propagation are those of the source; see [SetAttr] and [MakePrivate].
//
// f must have been opened in the calling thread's mount namespace, else the kernel answers EINVAL (open_tree(2)). The
// caller closes the result; a detached mount that nobody attached goes away with that.
// The error is a [*NotIDMappable] that names the mount when the file system, or one below it, takes no mapping.
func Clone(f *os.File, ns *os.File, recursive bool) (*os.File, error) {
	flags := uint(unix.AT_EMPTY_PATH | unix.OPEN_TREE_CLONE | unix.OPEN_TREE_CLOEXEC)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	fd, err := unix.OpenTree(int(f.Fd()), "", flags)
	if err != nil {
		return nil, fmt.Errorf("clone mount of %q: %w", f.Name(), err)
	}
	mnt := os.NewFile(uintptr(fd), f.Name())
	if ns == nil {
		return mnt, nil
	}
	if err := mapMount(mnt, f, ns, recursive); err != nil {
		closeAll(mnt)
		return nil, err
	}
	return mnt, nil
}

// CloneTop is [Clone] with the mounts below f, but idmaps only the mount of f itself: the option "idmap" of runtime-spec beside
// "rbind".
func CloneTop(f *os.File, ns *os.File) (*os.File, error) {
	mnt, err := Clone(f, nil, true)
	if err != nil {
		return nil, err
	}
	if err := mapMount(mnt, f, ns, false); err != nil {
		closeAll(mnt)
		return nil, err
	}
	return mnt, nil
}

// mapMount idmaps the detached mount that was cloned of f.
func mapMount(mnt, f, ns *os.File, recursive bool) error {
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	if err := setAttr(mnt, &attr, recursive); err != nil {
		return whyNotMappable(f, ns, recursive, err)
	}
	return nil
}

// IDMapSupported probes whether what f refers to takes an idmapped mount, by making one and throwing it away. The mounts
// below f are not asked. The error is a [*NotIDMappable] when the answer is no.
func IDMapSupported(f *os.File, ns *os.File) error {
	mnt, err := Clone(f, ns, false)
	if err != nil {
		return err
	}
	return mnt.Close()
}

// SetAttr sets and clears mount attributes (unix.MOUNT_ATTR_NOSUID and its kin, mount_setattr(2)) on a mount, and on the
// mounts below it when recursive. With recursive either all change or none.
func SetAttr(mnt *os.File, set, clear uint64, recursive bool) error {
	if err := setAttr(mnt, &unix.MountAttr{Attr_set: set, Attr_clr: clear}, recursive); err != nil {
		return fmt.Errorf("set attributes %#x of mount %q: %w", set, mnt.Name(), err)
	}
	return nil
}

// MakePrivate cuts a mount and those below it off from the host's mount events. A clone of a shared or slave mount would
// otherwise receive what the host mounts into the source later.
func MakePrivate(mnt *os.File) error {
	if err := setAttr(mnt, &unix.MountAttr{Propagation: unix.MS_PRIVATE}, true); err != nil {
		return fmt.Errorf("make mount %q private: %w", mnt.Name(), err)
	}
	return nil
}

func setAttr(mnt *os.File, attr *unix.MountAttr, recursive bool) error {
	flags := uint(unix.AT_EMPTY_PATH)
	if recursive {
		flags |= unix.AT_RECURSIVE
	}
	return unix.MountSetattr(int(mnt.Fd()), "", flags, attr)
}

// Attach moves a detached mount onto the path target. A symbolic link as the last component is not followed; those before it
// are, so the directory above target must be ours. Directories take directories, other files take files.
func Attach(mnt *os.File, target string) error {
	err := unix.MoveMount(int(mnt.Fd()), "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("attach mount to %q: %w", target, err)
	}
	return nil
}

// AttachTo moves a detached mount onto the open file target, on top of whatever is mounted on it.
func AttachTo(mnt, target *os.File) error {
	err := unix.MoveMount(int(mnt.Fd()), "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return fmt.Errorf("attach mount to %q: %w", target.Name(), err)
	}
	return nil
}

// closeAll closes files of which nothing was written; what close could say about them helps nobody.
func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// whyNotMappable turns the errno of a refused MOUNT_ATTR_IDMAP into the name of the mount that refused.
func whyNotMappable(f, ns *os.File, recursive bool, cause error) error {
	if !errors.Is(cause, unix.EINVAL) && !errors.Is(cause, unix.EPERM) {
		return fmt.Errorf("idmap mount of %q: %w", f.Name(), cause)
	}
	table, err := readMounts()
	if err != nil {
		return fmt.Errorf("idmap mount of %q: %w", f.Name(), errors.Join(cause, err))
	}
	path, id, err := whereIs(f)
	if err != nil {
		return fmt.Errorf("idmap mount of %q: %w", f.Name(), errors.Join(cause, err))
	}
	if recursive && IDMapSupported(f, ns) == nil {
		for _, m := range table.below(path) {
			if err := probePath(m.Mountpoint, ns); err != nil {
				return &NotIDMappable{FSType: m.FSType, Path: m.Mountpoint, Err: cause}
			}
		}
	}
	fsType := "the file system"
	if m := table.byID(id); m != nil {
		fsType = m.FSType
	}
	return &NotIDMappable{FSType: fsType, Path: path, Err: cause}
}

func probePath(path string, ns *os.File) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer closeAll(f)
	probe, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	mnt := os.NewFile(uintptr(probe), path)
	defer closeAll(mnt)
	return setAttr(mnt, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}, false)
}
