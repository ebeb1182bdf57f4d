package bundle

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inside calls look with the ID of a process that is in a user namespace, and ends the process after it. The process
// is a copy of this one that does nothing but enter and wait: setns(2) lets no thread of a program with several
// enter a user namespace, and a Go program always has several.
//
// The copy cannot be traced from inside the namespace (PR_SET_DUMPABLE is 0 before it enters), is in no PID namespace
// of a container, and ends by itself when this process does.
func inside(namespace int, look func(pid int) error) error {
	var ready, hold [2]int
	if err := unix.Pipe2(ready[:], unix.O_CLOEXEC); err != nil {
		return plain(err)
	}
	defer func() { _ = unix.Close(ready[0]) }()
	if err := unix.Pipe2(hold[:], unix.O_CLOEXEC); err != nil {
		_ = unix.Close(ready[1])
		return plain(err)
	}
	pid, err := forkInto(namespace, ready, hold)
	_ = unix.Close(ready[1])
	_ = unix.Close(hold[0])
	if err != nil {
		_ = unix.Close(hold[1])
		return fmt.Errorf("start a process for it: %w", plain(err))
	}
	err = entered(ready[0])
	if err == nil {
		err = look(pid)
	}
	_ = unix.Close(hold[1]) // lets the process end
	reap(pid)
	return err
}

// entered waits for the process's word: the errno of setns, 0 for success.
func entered(ready int) error {
	var word [1]byte
	for {
		n, err := unix.Read(ready, word[:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return plain(err)
		case n == 0:
			return errors.New("the process for it ended early")
		case word[0] != 0:
			return fmt.Errorf("enter it: %w", plain(unix.Errno(word[0])))
		}
		return nil
	}
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, unix.WALL, nil); err != unix.EINTR {
			return
		}
	}
}

// forkInto starts the process. It has no exit signal, so that this program's other waits do not see it.
func forkInto(namespace int, ready, hold [2]int) (int, error) {
	// struct clone_args of clone(2) in its first version: no flags, no stack of its own, no exit signal.
	var args [8]uint64
	return unsignalled(func() (uintptr, unix.Errno) {
		return forkAndWait(&args, uintptr(namespace), ready, hold)
	})
}

// unsignalled forks with all signals blocked: none may run Go code in the child.
func unsignalled(fork func() (uintptr, unix.Errno)) (int, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all, before unix.Sigset_t
	for i := range all.Val {
		all.Val[i] = ^all.Val[i]
	}
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &all, &before); err != nil {
		return 0, os.NewSyscallError("block signals", err)
	}
	pid, errno := fork()
	if err := unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil); err != nil {
		return 0, os.NewSyscallError("unblock signals", err)
	}
	if errno != 0 {
		return 0, errno
	}
	return int(pid), nil
}

// forkAndWait returns in the parent only. The child has one thread and must not enter the Go runtime: it makes raw
// system calls (which neither grow the stack nor allocate) until it exits.
//
//go:norace
//go:noinline
func forkAndWait(args *[8]uint64, namespace uintptr, ready, hold [2]int) (uintptr, unix.Errno) {
	var word byte
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(hold[1]), 0, 0)
	_, _, errno = unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_DUMPABLE, 0, 0, 0, 0, 0)
	if errno == 0 {
		_, _, errno = unix.RawSyscall(unix.SYS_SETNS, namespace, unix.CLONE_NEWUSER, 0)
	}
	word = byte(errno)
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(ready[1]), uintptr(unsafe.Pointer(&word)), 1)
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(hold[0]), uintptr(unsafe.Pointer(&word)), 1)
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
