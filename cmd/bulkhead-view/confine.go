package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// kept are the capabilities in the container's user namespace that acting for the engine's root needs (capabilities(7)). Setting
// up the empty root needs CAP_SYS_ADMIN, which the second program then no longer has.
var kept = []uintptr{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_SETFCAP,
}

// giveUp leaves everything of the host but the descriptors: the root becomes an empty read-only directory, the capabilities
// shrink to those that are needed, and no program that is started gains any. Capabilities are a thread's own, so the
// program starts itself anew for all of its threads to have these.
func giveUp(id string) error {
	runtime.LockOSThread()
	// Whatever else the engine's programs left open on the way here ends with this program.
	if err := unix.CloseRange(programFD, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	// The working directory stays reachable for this process alone: /proc/self/fd, which knows only its own files.
	if err := unix.Chdir("/proc/self/fd"); err != nil {
		return fmt.Errorf("enter /proc/self/fd: %w", err)
	}
	if err := emptyRoot(); err != nil {
		return fmt.Errorf("make an empty root: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	if err := dropBounding(); err != nil {
		return err
	}
	// The kernel finds a program by descriptor: there is no path to it any more (execveat(2)).
	return execDescriptor(programFD, []string{"bulkhead-view", "serve", id})
}

// emptyRoot makes an empty tmpfs the root of this mount namespace and lets go of all other mounts. What is still open, as
// the working directory, stays.
func emptyRoot() error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return err
	}
	// Any directory does: it is covered for a moment, in this namespace only.
	if err := unix.Mount("bulkhead", "/proc", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=4k,mode=0555"); err != nil {
		return err
	}
	root, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(root) }()
	return pivotInto(root)
}

// pivotInto makes the mount root, which is open, the root directory, and detaches the old one, which pivot_root(2) stacks
// on top of the new one when both names are the same.
func pivotInto(root int) error {
	work, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(work) }()
	if err := unix.Fchdir(root); err != nil {
		return err
	}
	if err := enterRoot(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	return unix.Fchdir(work)
}

// enterRoot makes the working directory, a mount, the root. On a host that runs from its initial ramdisk the root cannot
// be exchanged (pivot_root(2)); the mount is then moved over it.
func enterRoot() error {
	err := unix.PivotRoot(".", ".")
	if err == nil {
		return unix.Unmount(".", unix.MNT_DETACH)
	}
	if !errors.Is(err, unix.EINVAL) {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return err
	}
	return unix.Chroot(".")
}

func dropBounding() error {
	for c := uintptr(0); ; c++ {
		have, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) {
			return nil // behind the kernel's last capability
		}
		if err != nil {
			return fmt.Errorf("read capability %d: %w", c, err)
		}
		if have == 0 || isKept(c) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err != nil {
			return fmt.Errorf("drop capability %d: %w", c, err)
		}
	}
}

func isKept(c uintptr) bool {
	for _, k := range kept {
		if k == c {
			return true
		}
	}
	return false
}

// confine is what the second program does before it serves.
func confine() error {
	unix.Umask(0)
	// Nobody reads this process's memory, not even one with the same user ID.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set dumpable: %w", err)
	}
	if _, err := os.Stat("/proc"); err == nil {
		return errors.New("leave the host's files: they are still there")
	}
	return onlyAllowed()
}
