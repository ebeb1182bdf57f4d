package bundle

import (
	"fmt"
	"os"

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

// source describes what a handle holds. A zero handle is a zero source.
func (r *resolver) source(h handle) Source {
	if h.path == "" {
		return Source{}
	}
	s, err := r.inspect(h)
	if err != nil {
		return Source{Bind: true, Path: h.path, Err: err.Error()}
	}
	return s
}

func (r *resolver) inspect(h handle) (Source, error) {
	if h.err != nil {
		return Source{}, h.err
	}
	l, st, err := r.describe(int(h.file.Fd()))
	if err != nil {
		return Source{}, err
	}
	s := Source{
		Bind: true, Path: h.path, Real: l.real, Kind: kindOf(uint32(st.Mode)),
		UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode),
		Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino,
		FSType: l.mount.fsType, FSDev: l.dev, FSPath: l.fsPath, Readonly: l.mount.readonly,
	}
	if s.Kind == "block" || s.Kind == "char" {
		s.Rdev = fmt.Sprintf("%d:%d", st.Rdev_major, st.Rdev_minor)
	}
	if s.Submounts = r.mounts.below(s.Real); len(s.Submounts) > maxSubmounts {
		return Source{}, fmt.Errorf("has %d mounts below it, want at most %d", len(s.Submounts), maxSubmounts)
	}
	return s, nil
}
