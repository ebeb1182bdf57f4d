package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// passDescriptors hands the caller's descriptors on: those of systemd's socket activation (LISTEN_FDS, sd_listen_fds(3)),
// for a container's init, and the n after them that --preserve-fds names.
//
// Only what the caller really passed goes on: inherited is the number that [Inherited] counted when the program began, so
// a caller that names more than it passed never hands a file of the runtime's own to a container (CVE-2024-21626).
func passDescriptors(p *libcontainer.Process, n, inherited int, init bool) error {
	listen := 0
	if init {
		listen = listenFDs()
	}
	if listen > 0 {
		p.Env = append(p.Env, "LISTEN_FDS="+strconv.Itoa(listen), "LISTEN_PID=1")
	}
	if n < 0 {
		return fmt.Errorf("pass descriptors: --preserve-fds is %d, want at least 0", n)
	}
	if listen+n > inherited {
		return fmt.Errorf("pass descriptors: %d wanted (LISTEN_FDS and --preserve-fds), the caller opened %d", listen+n, inherited)
	}
	for fd := 3; fd < 3+listen+n; fd++ {
		if err := passable(fd); err != nil {
			return fmt.Errorf("pass descriptor %d: %w", fd, err)
		}
		p.ExtraFiles = append(p.ExtraFiles, os.NewFile(uintptr(fd), "passed:"+strconv.Itoa(fd)))
	}
	return nil
}

// passable objects to a descriptor that opens more than itself: from a directory of the host's a process walks to all others
// (openat(2)), and a disk holds them. Neither has been judged as a mount or a device.
func passable(fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	const want = "want a file, pipe, socket or terminal"
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return errors.New("it is a directory, " + want)
	case unix.S_IFBLK:
		return errors.New("it is a block device, " + want)
	}
	return nil
}

// Inherited counts the descriptors from 3 on that the caller passed. It has to be called before anything is opened. The
// Go runtime may hold descriptors of its own by then; they are close-on-exec, which one that came through execve(2) is not.
func Inherited() int {
	for n := 0; ; n++ {
		flags, err := unix.FcntlInt(uintptr(3+n), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return n
		}
	}
}

// listenFDs is the number of sockets that systemd passed to this very process.
func listenFDs() int {
	pid, err := strconv.Atoi(os.Getenv("LISTEN_PID"))
	if err != nil || pid != os.Getpid() {
		return 0
	}
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
