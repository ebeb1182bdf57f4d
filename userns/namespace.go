package userns

import (
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NewNamespace makes a user namespace that carries the mapping of r for users and groups, for MOUNT_ATTR_IDMAP
// (mount_setattr(2)). No process is in it when NewNamespace returns; it lives as long as the file, or a mount that uses it.
//
// A range that contains ID 0, or that is empty, is an error, never identity. Nothing is executed in the namespace and nobody is
// traced, so a host that allows no ptrace (Yama's ptrace_scope 3) is no obstacle. It needs no particular thread.
func NewNamespace(r Range) (*os.File, error) {
	if r.Start == 0 || r.Size == 0 || r.End() > math.MaxUint32 {
		return nil, fmt.Errorf("make user namespace for %s: the range must have IDs and must not have 0 or 4294967295", r)
	}
	ns, err := newNamespace(fmt.Sprintf("0 %d %d\n", r.Start, r.Size))
	if err != nil {
		return nil, fmt.Errorf("make user namespace for %s: %w", r, err)
	}
	return ns, nil
}

func newNamespace(mapping string) (*os.File, error) {
	var hold [2]int
	if err := unix.Pipe2(hold[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	defer func() { _ = unix.Close(hold[0]) }()
	pid, err := forkInNamespace(hold)
	if err != nil {
		_ = unix.Close(hold[1])
		return nil, err
	}
	// The child is not reaped before this, so its ID cannot belong to another process.
	ns, err := mapNamespace(fmt.Sprintf("/proc/%d/", pid), mapping)
	_ = unix.Close(hold[1]) // the child reads the end of the pipe and exits
	for {
		if _, werr := unix.Wait4(pid, nil, unix.WALL, nil); !errors.Is(werr, unix.EINTR) {
			return ns, err
		}
	}
}

// mapNamespace writes the child's maps and opens its namespace.
func mapNamespace(proc, mapping string) (*os.File, error) {
	for _, name := range []string{"uid_map", "gid_map"} {
		f, err := os.OpenFile(proc+name, os.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(mapping)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return os.Open(proc + "ns/user")
}

// forkInNamespace starts a process in a new user namespace that waits for the end of the pipe and exits. It has no exit signal, so
// that this program's other waits do not see it. All signals are blocked around the fork: none may run Go code in the child.
func forkInNamespace(hold [2]int) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return 0, os.NewSyscallError("block signals", err)
	}
	// struct clone_args of clone(2) in its first version: flags, no stack of its own, no exit signal.
	args := [8]uint64{unix.CLONE_NEWUSER}
	pid, errno := forkAndHold(&args, hold)
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		return 0, os.NewSyscallError("unblock signals", err)
	}
	if errno != 0 {
		return 0, os.NewSyscallError("clone3", errno)
	}
	return int(pid), nil
}

// forkAndHold returns in the parent only. The child has one thread and must not enter the Go runtime: it makes raw
// system calls, which neither grow the stack nor allocate, until it exits.
//
//go:norace
//go:noinline
func forkAndHold(args *[8]uint64, hold [2]int) (uintptr, unix.Errno) {
	var word byte
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(hold[1]), 0, 0)
	_, _, _ = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0, 0)
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(hold[0]), uintptr(unsafe.Pointer(&word)), 1)
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
