package source

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Errno is the number of an errno's name, such as EPERM, as this machine's architecture numbers it.
func Errno(name string) (uint, bool) {
	for n := uint(1); n < 200; n++ {
		if unix.ErrnoName(syscall.Errno(n)) == name {
			return n, true
		}
	}
	return 0, false
}
