// Package rootview puts a view of a running container's root filesystem in front of the engine's own mount of it: a FUSE
// mount, answered by a process that works on the container's mount (package serve, program bulkhead-view). Without it two overlays
// of one upper directory are in use at once, which the kernel calls undefined (Documentation/filesystems/overlayfs.rst).
//
// The engine's mount stays below, untouched, and is there again when the view is removed.
package rootview

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// fsType is how the mount table names a view.
const fsType = "fuse.bulkhead"

// Supported probes whether this process can make a FUSE mount: /dev/fuse can be opened, and the kernel knows the file system.
func Supported() error {
	dev, err := openDevice()
	if err != nil {
		return err
	}
	defer func() { _ = dev.Close() }()
	fd, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("open fuse file system: %w", err)
	}
	return unix.Close(fd)
}

func openDevice() (*os.File, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open \"/dev/fuse\": %w", err)
	}
	// Not os.OpenFile, which would make the descriptor non-blocking: the server's reads are meant to wait.
	return os.NewFile(uintptr(fd), "/dev/fuse"), nil
}

// InNamespace runs f on a thread of its own in the mount namespace ns, with that namespace's root directory; nil is the
// caller's namespace. The thread ends afterwards. Processes that f starts are in that namespace.
func InNamespace(ns *os.File, f func() error) error {
	if ns == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS)
		}
		if err != nil {
			done <- fmt.Errorf("enter mount namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// A Place names a directory on this host for as long as its file system is mounted.
type Place struct {
	Device uint64 `json:"device"` // as makedev(3) has it
	Inode  uint64 `json:"inode"`
}

// PlaceOf names an open directory, which must be the root of a mount.
func PlaceOf(dir *os.File) (Place, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(dir.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO, &st); err != nil {
		return Place{}, fmt.Errorf("stat %q: %w", dir.Name(), err)
	}
	if st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return Place{}, fmt.Errorf("stat %q: it is not the root of a mount", dir.Name())
	}
	return Place{Device: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}, nil
}

// OpenPlace opens the directory path, which must be the root of a mount and that place, in the calling thread's mount namespace.
func OpenPlace(path string, want Place) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	dir := os.NewFile(uintptr(fd), path)
	got, err := PlaceOf(dir)
	if err == nil && got != want {
		err = fmt.Errorf("open %q: another file system is there", path)
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// cover mounts a new FUSE connection on path, which must be that place, and gives the connection's device. Nothing answers
// yet: whoever looks there waits.
func cover(path string, at Place) (_ *os.File, err error) {
	target, err := OpenPlace(path, at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = target.Close() }()
	dev, err := openDevice()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = dev.Close()
		}
	}()
	mnt, err := newMount(dev)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(mnt) }()
	if err := unix.MoveMount(mnt, "", int(target.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return nil, fmt.Errorf("mount the view on %q: %w", path, err)
	}
	return dev, nil
}

// newMount makes a detached FUSE mount of the connection dev. Only processes with this one's user and group may look into it, which are the
// engine's: without allow_other the kernel refuses the others. They are root, for whom modes are checked no further: default_permissions would
// only ask for the attributes of each directory on each way. No program is run and no device is opened through it.
func newMount(dev *os.File) (int, error) {
	fs, err := unix.Fsopen("fuse", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("open fuse file system: %w", err)
	}
	defer func() { _ = unix.Close(fs) }()
	options := []struct{ key, value string }{
		{"source", "bulkhead"},
		{"subtype", "bulkhead"},
		{"fd", strconv.Itoa(int(dev.Fd()))},
		{"rootmode", strconv.FormatUint(unix.S_IFDIR, 8)},
		{"user_id", strconv.Itoa(os.Geteuid())},
		{"group_id", strconv.Itoa(os.Getegid())},
	}
	for _, o := range options {
		if err := unix.FsconfigSetString(fs, o.key, o.value); err != nil {
			return -1, fmt.Errorf("set fuse option %s=%s: %w", o.key, o.value, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, fmt.Errorf("create fuse mount: %w", err)
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
	if err != nil {
		return -1, fmt.Errorf("create fuse mount: %w", err)
	}
	return mnt, nil
}
