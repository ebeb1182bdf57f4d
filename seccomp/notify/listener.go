package notify

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Judge decides about calls. Several listeners may ask one at the same time.
type Judge interface {
	// Judge says what becomes of a call. The call waits.
	Judge(l *Listener, n Notification) Answer
	// Done tells that the kernel has taken the answer. Without it the call was not made: its thread was killed, or interrupted and
	// will ask again.
	Done(n Notification, a Answer)
}

// A Listener receives the notifications of one loaded filter.
type Listener struct {
	fd   *os.File
	stop *os.File
	// running tells that the workload's own execve has come: what came before was the runtime's or the launcher's.
	running bool
}

// NewListener takes over the descriptor of a filter's listener.
func NewListener(fd *os.File) (*Listener, error) {
	if err := checkSizes(); err != nil {
		return nil, errors.Join(err, fd.Close())
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make eventfd: %w", errors.Join(err, fd.Close()))
	}
	return &Listener{fd: fd, stop: os.NewFile(uintptr(stop), "eventfd")}, nil
}

// Stop ends Serve. The processes under the filter get ENOSYS for what would be notified from then on.
func (l *Listener) Stop() error {
	one := uint64(1)
	_, err := unix.Write(int(l.stop.Fd()), unsafe.Slice((*byte)(unsafe.Pointer(&one)), 8))
	return err
}

// Serve answers until the last process under the filter has ended, or Stop. The calls up to the first execve, which starts the
// workload, are let run without asking the judge.
func (l *Listener) Serve(j Judge) (err error) {
	runtime.LockOSThread() // as long as it lasts, a notification takes one thread, not two
	defer runtime.UnlockOSThread()
	defer func() { err = errors.Join(err, l.fd.Close(), l.stop.Close()) }()
	fd := int(l.fd.Fd())
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(l.stop.Fd()), Events: unix.POLLIN}} //nolint:gosec // descriptors
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("wait for seccomp notifications: %w", err)
		case fds[1].Revents != 0:
			return nil
		case fds[0].Revents&unix.POLLIN == 0:
			return nil // POLLHUP: nobody is left
		}
		if err := l.answer(fd, j); err != nil {
			return err
		}
	}
}

func (l *Listener) answer(fd int, j Judge) error {
	n, err := receive(fd)
	if errors.Is(err, errGone) {
		return nil // it was killed while it waited; some kernels wake the reader nevertheless
	}
	if err != nil {
		return fmt.Errorf("receive seccomp notification: %w", err)
	}
	begins := !l.running && starts(n)
	var a Answer
	if l.running || begins {
		a = j.Judge(l, n)
	}
	if a.Kill {
		l.kill(n)
	}
	err = send(fd, n, a)
	switch {
	case errors.Is(err, errGone) && a.Kill:
	case errors.Is(err, errGone):
		return nil
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("answer seccomp notification: this kernel cannot let a call continue (Linux 5.5 can): %w", err)
	case err != nil:
		return fmt.Errorf("answer seccomp notification: %w", err)
	}
	if l.running || begins {
		l.running = true
		j.Done(n, a)
	}
	return nil
}

// Valid tells whether the call still waits, so that what was read of its thread in /proc meanwhile was its own.
func (l *Listener) Valid(n Notification) bool {
	id := n.id
	return ioctl(int(l.fd.Fd()), ioctlIDValid, unsafe.Pointer(&id)) == nil
}

// Name of the thread that waits (comm), which it chooses itself, and its process's ID. Empty and 0 when it is gone.
func (l *Listener) Name(n Notification) (string, int) {
	if n.Thread == 0 {
		return "", 0
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.Thread))
	if err != nil || !l.Valid(n) {
		return "", 0
	}
	name, pid := "", 0
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			name = value
		case "Tgid":
			_, _ = fmt.Sscan(value, &pid)
		}
	}
	return name, pid
}

// kill ends the process of a call that waits. Its ID is held by a pidfd and checked behind it.
func (l *Listener) kill(n Notification) {
	_, pid := l.Name(n)
	if pid == 0 {
		return
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if l.Valid(n) {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}
