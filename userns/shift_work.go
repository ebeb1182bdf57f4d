package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// workName is our work directory beside an upper directory. With the engine's own, a second overlay would wipe what the
// engine's mount needs for its next copy-up.
const workName = "bulkhead-work"

// makeWorkDir makes an empty work directory in the open directory beside, and gives its path. One that a crash left is
// removed first. before is called with the path before anything is made.
func makeWorkDir(beside *os.File, before func(string) error) (string, error) {
	home, err := os.Readlink(procFD(beside))
	if err != nil {
		return "", fmt.Errorf("find path of %q: %w", beside.Name(), err)
	}
	path := filepath.Join(home, workName)
	if before != nil {
		if err := before(path); err != nil {
			return "", err
		}
	}
	if err := removeWork(beside, path); err != nil {
		return "", err
	}
	if err := unix.Mkdirat(int(beside.Fd()), workName, 0o700); err != nil {
		return "", fmt.Errorf("make work directory %q: %w", path, err)
	}
	// A set-group-ID directory above would have given it a group that the range does not have.
	if err := unix.Fchownat(int(beside.Fd()), workName, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return "", fmt.Errorf("make work directory %q: %w", path, err)
	}
	return path, nil
}

// RemoveWorkDir removes the work directory of [Shifted]. The container's overlay must be gone. One that is gone already, or
// whose engine removed everything, is no error. Nothing but a directory of our name, owned by root, closed to others, and
// with only an overlay's own entries is removed; a symbolic link is neither followed nor removed.
func RemoveWorkDir(path string) error {
	if filepath.Base(path) != workName || !filepath.IsAbs(path) {
		return fmt.Errorf("remove work directory %q: not a work directory of ours", path)
	}
	fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove work directory %q: %w", path, err)
	}
	beside := os.NewFile(uintptr(fd), filepath.Dir(path))
	defer closeAll(beside)
	return removeWork(beside, path)
}

func removeIfAny(path string) error {
	if path == "" {
		return nil
	}
	return RemoveWorkDir(path)
}

func removeWork(beside *os.File, path string) error {
	work, err := openBeneath(beside, workName)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove work directory %q: not a work directory of ours: %w", path, err)
	}
	err = checkWork(work)
	closeAll(work)
	if err != nil {
		return fmt.Errorf("remove work directory %q: %w", path, err)
	}
	// os.Root neither follows symbolic links out of the directory nor looks anything up by its full path.
	home, err := os.OpenRoot(procFD(beside))
	if err != nil {
		return fmt.Errorf("remove work directory %q: %w", path, err)
	}
	defer func() { _ = home.Close() }()
	if err := home.RemoveAll(workName); err != nil {
		return fmt.Errorf("remove work directory %q: %w", path, err)
	}
	return nil
}

// checkWork tells a directory that we made and an overlay filled from anything else.
func checkWork(work *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(work.Fd()), &st); err != nil {
		return err
	}
	if st.Uid != 0 || st.Gid != 0 || st.Mode&0o777 != 0o700 {
		return fmt.Errorf("not a work directory of ours: it is %d:%d with mode %#o", st.Uid, st.Gid, st.Mode&0o777)
	}
	names, err := work.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != "work" && name != "index" {
			return fmt.Errorf("not a work directory of ours: it holds %q", name)
		}
	}
	return nil
}
