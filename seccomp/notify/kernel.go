package notify

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ioctlIDValid is SECCOMP_IOCTL_NOTIF_ID_VALID of linux/seccomp.h.
const ioctlIDValid = 0x40082102

// A Notification is a system call that waits for an answer.
type Notification struct {
	id uint64
	// Thread that made the call, in the reader's PID namespace; 0 when it is not in it. It may be gone, and its number another's,
	// unless [Listener.Valid] says otherwise.
	Thread int
	// Audit architecture and number of the call.
	Arch, Number uint32
	// Args are the registers as the kernel copied them: the workload cannot change them any more.
	Args [6]uint64
}

// An Answer to a notification. The zero Answer lets the call run.
type Answer struct {
	// Deny has the call return Errno instead of running; Errno 0 is success for a call that did nothing, as with a filter's.
	Deny  bool
	Errno unix.Errno
	// Kill ends the process that made the call, before Deny answers it.
	Kill bool

	row *rowKey // for the judge's Done
}

// notif and response are struct seccomp_notif and seccomp_notif_resp of linux/seccomp.h.
type notif struct {
	id         uint64
	pid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type response struct {
	id    uint64
	val   int64
	err   int32
	flags uint32
}

// errGone: the thread was killed or interrupted before its call was answered.
var errGone = errors.New("the call is gone")

// checkSizes asks whether this kernel's notifications have the form that is known here (seccomp(2), SECCOMP_GET_NOTIF_SIZES).
func checkSizes() error {
	var sizes struct{ notif, response, data uint16 }
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	if errno != 0 {
		return fmt.Errorf("ask for seccomp notification: this kernel has none: %w", errno)
	}
	if uintptr(sizes.notif) != unsafe.Sizeof(notif{}) || uintptr(sizes.response) != unsafe.Sizeof(response{}) {
		return fmt.Errorf("ask for seccomp notification: its records have %d and %d bytes, want %d and %d",
			sizes.notif, sizes.response, unsafe.Sizeof(notif{}), unsafe.Sizeof(response{}))
	}
	return nil
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)) //nolint:gosec // a descriptor
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		case unix.ENOENT:
			return errGone
		default:
			return errno
		}
	}
}

func receive(fd int) (Notification, error) {
	var n notif
	err := ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n))
	return Notification{id: n.id, Thread: int(n.pid), Arch: n.arch, Number: uint32(n.nr), Args: n.args}, err //nolint:gosec // a number
}

func send(fd int, n Notification, a Answer) error {
	r := response{id: n.id}
	if a.Deny {
		r.err = -int32(a.Errno) //nolint:gosec // an errno
	}
	if !a.Deny {
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

// loadFilter loads a filter for the calling thread only, and makes no system call but seccomp, not even on the way out:
// the filter may already deny it. fd is the listener, -1 without one.
func loadFilter(program []bpf.RawInstruction, listen bool) (fd int, errno unix.Errno) {
	insns := make([]unix.SockFilter, len(program))
	for i, p := range program {
		insns[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	prog := unix.SockFprog{Len: uint16(len(insns)), Filter: &insns[0]} //nolint:gosec // at most 4096
	flags := []uintptr{0}
	if listen {
		flags = []uintptr{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER}
	}
	for _, f := range flags {
		var got uintptr
		if got, _, errno = unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, f, uintptr(unsafe.Pointer(&prog))); errno == 0 {
			fd = int(got) //nolint:gosec // a descriptor
			break
		}
		if errno != unix.EINVAL { // what kernels before 5.19 say to the first one
			break
		}
	}
	runtime.KeepAlive(insns)
	if !listen || errno != 0 {
		fd = -1
	}
	return fd, errno
}
