package bundle

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSubmounts bounds the mounts below one source that are listed. A source with more has an Err.
const maxSubmounts = 4096

// A handle is a path that was opened with O_PATH, or why it was not.
type handle struct {
	path string
	file *os.File
	err  error
}

// openPath opens a path for reference only, and follows symbolic links. O_PATH neither reads nor writes nor waits.
// dir wants a directory.
func openPath(path string, dir bool) handle {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if dir {
		flags |= unix.O_DIRECTORY
	}
	fd, err := openRetry(path, flags)
	if err == nil && isAutofs(fd) {
		// open(2): O_PATH does not trigger an automount, mount(2) does. Looking up "." in it does as well.
		_ = unix.Close(fd)
		fd, err = openRetry(path+"/.", flags)
	}
	if err != nil {
		return handle{path: path, err: plain(err)}
	}
	return handle{path: path, file: os.NewFile(uintptr(fd), path)}
}

func openRetry(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

func isAutofs(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.AUTOFS_SUPER_MAGIC
}

// describe says what the handle holds. A zero handle is a zero source.
func (h handle) describe(mounts *mountTable) Source {
	if h.path == "" {
		return Source{}
	}
	s, err := h.inspect(mounts)
	if err != nil {
		return Source{Bind: true, Path: h.path, Err: err.Error()}
	}
	if s.Submounts = mounts.below(s.Real); len(s.Submounts) > maxSubmounts {
		return Source{Bind: true, Path: h.path, Err: fmt.Sprintf("has %d mounts below it, want at most %d", len(s.Submounts), maxSubmounts)}
	}
	return s
}

// inspect describes the open file without the mounts below it.
func (h handle) inspect(mounts *mountTable) (Source, error) {
	if h.err != nil {
		return Source{}, h.err
	}
	fd := int(h.file.Fd())
	st, mountID, err := statFile(fd)
	if err != nil {
		return Source{}, err
	}
	m, ok := mounts.mount(mountID)
	if !ok {
		return Source{}, errors.New("its mount is not in this mount namespace")
	}
	real, err := realPath(fd, st)
	if err != nil {
		return Source{}, err
	}
	fsPath, ok := m.place(real)
	if !ok {
		return Source{}, fmt.Errorf("its path %q is not below its mount %q", cut(real), cut(m.point))
	}
	s := Source{
		Bind: true, Path: h.path, Real: real, Kind: kindOf(uint32(st.Mode)),
		UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode),
		Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino,
		FSType: m.fsType, FSDev: m.dev, FSPath: fsPath, Readonly: m.readonly,
	}
	if s.Kind == "block" || s.Kind == "char" {
		s.Rdev = fmt.Sprintf("%d:%d", st.Rdev_major, st.Rdev_minor)
	}
	return s, nil
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
func realPath(fd int, st *unix.Statx_t) (string, error) {
	real, err := os.Readlink("/proc/thread-self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return "", plain(err)
	}
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
