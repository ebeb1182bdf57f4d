package main

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// execDescriptor replaces this program by the one that is open as fd.
func execDescriptor(fd int, args []string) error {
	argv := make([]*byte, 0, len(args)+1)
	for _, a := range args {
		p, err := unix.BytePtrFromString(a)
		if err != nil {
			return err
		}
		argv = append(argv, p)
	}
	argv = append(argv, nil)
	env := []*byte{nil}
	empty := new(byte)
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH, 0)
	return fmt.Errorf("start anew: %w", os.NewSyscallError("execveat", errno))
}
