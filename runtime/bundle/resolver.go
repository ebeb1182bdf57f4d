package bundle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A resolver describes open files by the mounts of the calling thread.
type resolver struct {
	// fds is /proc/thread-self/fd, opened once: a lookup below it is cheaper than a path.
	fds    *os.File
	mounts *mountTable
}

// newResolver reads mountinfo. The mounts of what was opened before are in it.
func newResolver() (*resolver, error) {
	fds, err := openDescriptors()
	if err != nil {
		return nil, err
	}
	mounts, err := readMounts()
	if err != nil {
		_ = fds.Close()
		return nil, err
	}
	return &resolver{fds: fds, mounts: mounts}, nil
}

func openDescriptors() (*os.File, error) {
	fds, err := os.Open("/proc/thread-self/fd")
	if err != nil {
		return nil, fmt.Errorf("open /proc/thread-self/fd: %w", plain(err))
	}
	return fds, nil
}

func (r *resolver) close() { _ = r.fds.Close() }

// A location is where a file is: by path, and in its own file system.
type location struct {
	real, dev, fsPath string
	mount             mountEntry
}

// locate finds the place of a file by its path (as the kernel reports it) and the ID of its mount.
func (r *resolver) locate(real string, mountID int) (location, error) {
	m, ok := r.mounts.mount(mountID)
	if !ok {
		return location{}, errors.New("its mount is not in this mount namespace")
	}
	fsPath, ok := m.place(real)
	if !ok {
		return location{}, fmt.Errorf("its path %q is not below its mount %q", cut(real), cut(m.point))
	}
	return location{real: real, dev: m.dev, fsPath: fsPath, mount: m}, nil
}

// describe says where an open file is, and what it is.
func (r *resolver) describe(fd int) (location, *unix.Statx_t, error) {
	st, mountID, err := statFile(fd)
	if err != nil {
		return location{}, nil, err
	}
	real, err := r.realPath(fd, st)
	if err != nil {
		return location{}, nil, err
	}
	l, err := r.locate(real, mountID)
	return l, st, err
}

// statFile describes an open file and tells the ID of its mount.
func statFile(fd int) (*unix.Statx_t, int, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &st)
	if err != nil {
		return nil, 0, plain(err)
	}
	if st.Mask&unix.STATX_MNT_ID != 0 {
		return &st, int(st.Mnt_id), nil
	}
	id, err := mountIDOf(fd) // before Linux 5.8
	return &st, id, err
}

// mountIDOf reads the ID of an open file's mount from fdinfo: proc_pid_fdinfo(5).
func mountIDOf(fd int) (int, error) {
	data, err := os.ReadFile("/proc/thread-self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, plain(err)
	}
	for line := range strings.Lines(string(data)) {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strconv.Atoi(strings.TrimSpace(id))
		}
	}
	return 0, errors.New("the kernel does not tell its mount")
}

// realPath is the path of an open file. A file whose name is gone has none.
func (r *resolver) realPath(fd int, st *unix.Statx_t) (string, error) {
	buf := make([]byte, maxPath+2)
	n, err := unix.Readlinkat(int(r.fds.Fd()), strconv.Itoa(fd), buf)
	if err != nil {
		return "", plain(err)
	}
	if n > maxPath {
		return "", errors.New("its path is too long to tell")
	}
	real := string(buf[:n])
	if !strings.HasPrefix(real, "/") {
		return "", fmt.Errorf("has no path below the root: %q", cut(real))
	}
	if strings.HasSuffix(real, " (deleted)") && !leadsTo(real, st) {
		return "", errors.New("was deleted")
	}
	return real, nil
}

// leadsTo tells that a path names a file: a name may really end in " (deleted)".
func leadsTo(path string, want *unix.Statx_t) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO, &st)
	return err == nil && st.Ino == want.Ino && st.Dev_major == want.Dev_major && st.Dev_minor == want.Dev_minor
}
