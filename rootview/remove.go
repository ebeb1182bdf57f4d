package rootview

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Uncover takes every view off path, with whatever an engine mounted on top of one, in the calling thread's mount namespace. What
// was below is visible again. A path without a view is left alone. The process that answers is not asked, so a
// dead or hanging one is no obstacle; it ends by itself when its mount is gone everywhere.
func Uncover(path string) error {
	for {
		stack, err := mountsOn(path)
		if err != nil {
			return err
		}
		found := false
		for _, m := range stack {
			found = found || m.FSType == fsType
		}
		if !found {
			return nil
		}
		if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount the view from %q: %w", path, err)
		}
	}
}

// Covered tells whether the topmost mount on path is a view.
func Covered(path string) (bool, error) {
	stack, err := mountsOn(path)
	return len(stack) > 0 && stack[len(stack)-1].FSType == fsType, err
}

// Refresh has the overlay that is mounted on path forget what it remembers of its layers: names and attributes from before
// the container wrote to them. A path with no overlay is left alone. What somebody holds open at this moment is not forgotten.
func Refresh(path string) error {
	stack, err := mountsOn(path)
	if err != nil || len(stack) == 0 || stack[len(stack)-1].FSType != "overlay" {
		return err
	}
	// A remount that changes nothing drops the unused entries of the superblock: reconfigure_super() of the kernel.
	fs, err := unix.Fspick(unix.AT_FDCWD, path, unix.FSPICK_CLOEXEC|unix.FSPICK_SYMLINK_NOFOLLOW)
	if err != nil {
		return fmt.Errorf("open file system at %q: %w", path, err)
	}
	defer func() { _ = unix.Close(fs) }()
	if err := unix.FsconfigReconfigure(fs); err != nil {
		return fmt.Errorf("remount %q: %w", path, err)
	}
	return nil
}

// mountsOn are the mounts on path in the calling thread's namespace, the topmost last: each but the first has the one before it as
// its parent. /proc/self is about the first thread, which may be elsewhere.
func mountsOn(path string) ([]*mountinfo.Info, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	defer func() { _ = f.Close() }()
	return stackOn(f, path)
}

func stackOn(table io.Reader, path string) ([]*mountinfo.Info, error) {
	found, err := mountinfo.GetMountsFromReader(table, func(m *mountinfo.Info) (skip, stop bool) {
		return m.Mountpoint != path, false
	})
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	if len(found) < 2 {
		return found, nil
	}
	return inOrder(found)
}

// inOrder sorts mounts on one path from the lowest to the topmost by who is whose parent. The table's own order is that of
// the mount tree, not promised to be that of the stack.
func inOrder(found []*mountinfo.Info) ([]*mountinfo.Info, error) {
	byParent, ids := map[int]*mountinfo.Info{}, map[int]bool{}
	for _, m := range found {
		byParent[m.Parent], ids[m.ID] = m, true
	}
	var stack []*mountinfo.Info
	for _, m := range found {
		if !ids[m.Parent] {
			stack = append(stack, m)
		}
	}
	if len(stack) != 1 {
		return nil, errors.New("read mount table: several mounts lie lowest on one path")
	}
	for next := byParent[stack[0].ID]; next != nil && len(stack) < len(found); next = byParent[next.ID] {
		stack = append(stack, next)
	}
	return stack, nil
}
