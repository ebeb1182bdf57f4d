package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Store is a directory of leases. It may be used by many goroutines and processes at once.
type Store struct {
	// Alive tells whether the holder's container still exists; Lease, Join and a Reclaim without a function of its own ask
	// it. It runs with the store locked and must not call the store. OpenStore sets it to StateExists.
	Alive func(Holder) bool

	path string
	dir  int
}

// StateExists tells whether the directory Root/ID of the holder is there. libcontainer makes it before the first process of
// a container and removes it last. An answer that cannot be had counts as yes.
func StateExists(h Holder) bool {
	_, err := os.Lstat(filepath.Join(h.Root, h.ID))
	return !errors.Is(err, os.ErrNotExist)
}

// OpenStore opens the directory, usually /run/bulkhead/leases, and creates it (0700) and what is missing above it (0711).
//
// It refuses a directory that is not root's own or that others may write, and a path on which others could put something
// else in its place: no component may be a symbolic link, and each must be root's and not writable by others, unless
// it is sticky as /tmp is.
func OpenStore(dir string) (*Store, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("open lease directory %q: the path is not absolute", dir)
	}
	fd, err := openTrusted(filepath.Clean(dir))
	if err != nil {
		return nil, fmt.Errorf("open lease directory %q: %w", dir, err)
	}
	s := &Store{Alive: StateExists, path: dir, dir: fd}
	if err := unix.Mkdirat(fd, holdersDir, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, errors.Join(fmt.Errorf("open lease directory %q: %w", dir, err), s.Close())
	}
	return s, nil
}

// Close closes the directory.
func (s *Store) Close() error { return unix.Close(s.dir) }

// openTrusted walks from the root directory, one component at a time, and creates what is missing.
func openTrusted(dir string) (int, error) {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	names := strings.Split(strings.Trim(dir, "/"), "/")
	for i, name := range names {
		last := i == len(names)-1
		next, err := openOrMake(fd, name, last)
		if err == nil {
			if err = trusted(next, last); err != nil {
				err = errors.Join(err, unix.Close(next))
			}
		}
		if closeErr := unix.Close(fd); err == nil {
			err = closeErr
		}
		if err != nil {
			return -1, fmt.Errorf("%q: %w", "/"+strings.Join(names[:i+1], "/"), err)
		}
		fd = next
	}
	return fd, nil
}

func openOrMake(parent int, name string, last bool) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(parent, name, flags, 0)
	if !errors.Is(err, unix.ENOENT) {
		return fd, notDirectory(err)
	}
	mode := uint32(0o711)
	if last {
		mode = 0o700
	}
	made := unix.Mkdirat(parent, name, mode)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return -1, made
	}
	if fd, err = unix.Openat(parent, name, flags, 0); err != nil {
		return -1, notDirectory(err)
	}
	if made == nil {
		// The umask of the caller, which may be an engine's 0077, must not hide the directories above.
		if err := unix.Fchmodat(parent, name, mode, 0); err != nil {
			return -1, errors.Join(err, unix.Close(fd))
		}
	}
	return fd, nil
}

func notDirectory(err error) error {
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return errors.New("it is a symbolic link or no directory")
	}
	return err
}

func trusted(fd int, last bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	sticky := st.Mode&unix.S_ISVTX != 0 && !last
	switch {
	case st.Uid != 0:
		return fmt.Errorf("it belongs to user %d, want root", st.Uid)
	case st.Mode&0o022 != 0 && !sticky:
		return fmt.Errorf("its mode is %04o: others may write it", st.Mode&0o7777)
	}
	return nil
}

func (s *Store) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(s.dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), s.path+"/"+name), nil
}

// locked runs f while no other call on the directory runs. Each call opens the lock file anew, because flock(2) belongs to
// the open file: so it works between goroutines too. The kernel drops the lock of a process that is killed.
func (s *Store) locked(f func() error) error {
	lock, err := s.open(lockName, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return fmt.Errorf("open lock %q: %w", s.path+"/"+lockName, err)
	}
	defer lock.Close()
	for {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %q: %w", s.path+"/"+lockName, err)
	}
	return f()
}

// change is locked for calls that write a holder.
func (s *Store) change(h Holder, f func() error) error {
	switch {
	case !filepath.IsAbs(h.Root) || h.ID == "":
		return fmt.Errorf("holder %q below %q needs an ID and an absolute root", h.ID, h.Root)
	case h.PID <= 0 || h.StartTime == 0:
		return fmt.Errorf("holder %q needs the PID and start time of its create process", h.ID)
	}
	return s.locked(f)
}
