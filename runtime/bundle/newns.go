package bundle

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inNewNamespaces tells which paths below /proc/sys exist for a process in new user, network, IPC and UTS namespaces.
// /proc/sys shows each process the sysctls of its own namespaces, and fewer to those that the first user namespace
// does not own. Where no such process can be made, the runtime's own view is the answer.
func inNewNamespaces(paths []string) []bool {
	if len(paths) == 0 {
		return nil
	}
	found := make([]bool, len(paths))
	word, err := lookFromNew(paths)
	for i, path := range paths {
		if err != nil || len(word) != len(paths) {
			found[i] = exists(path)
			continue
		}
		found[i] = word[i] != 0
	}
	return found
}

// lookFromNew starts a process in new namespaces that says for each path, in a byte, whether it is there.
func lookFromNew(paths []string) ([]byte, error) {
	names := make([]*byte, len(paths))
	for i, path := range paths {
		name, err := unix.BytePtrFromString(path)
		if err != nil {
			return nil, err
		}
		names[i] = name
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	out := w.Fd() // blocking from here on
	args := [8]uint64{unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
	word := make([]byte, len(paths))
	pid, err := unsignalled(func() (uintptr, unix.Errno) { return forkAndLook(&args, names, word, out) })
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	defer reap(pid)
	return readUpTo(r, len(paths)+1, len(paths))
}

// forkAndLook returns in the parent only; see forkAndWait for what the child may do.
//
//go:norace
//go:noinline
func forkAndLook(args *[8]uint64, names []*byte, word []byte, out uintptr) (uintptr, unix.Errno) {
	here := unix.AT_FDCWD
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(args)), unsafe.Sizeof(*args), 0)
	if errno != 0 || pid != 0 {
		return pid, errno
	}
	for i, name := range names {
		if _, _, errno = unix.RawSyscall(unix.SYS_FACCESSAT, uintptr(here), uintptr(unsafe.Pointer(name)), unix.F_OK); errno == 0 {
			word[i] = 1
		}
	}
	_, _, _ = unix.RawSyscall(unix.SYS_WRITE, out, uintptr(unsafe.Pointer(unsafe.SliceData(word))), uintptr(len(word)))
	for {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
}
