package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// writePidFile writes the digits and nothing else (go-runc parses them so). A reader sees the whole number or no new
// file. The file gets its name last (O_TMPFILE, open(2)): a process that is killed on the way leaves nothing behind, and what
// an attacker may have put at the path is replaced, never followed.
func writePidFile(path string, pid int) error {
	digits := []byte(strconv.Itoa(pid))
	err := linkFile(path, digits)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		err = renameFile(path, digits)
	}
	if err != nil {
		return fmt.Errorf("write pid file: %w", err)
	}
	return nil
}

func linkFile(path string, data []byte) error {
	f, err := os.OpenFile(filepath.Dir(path), os.O_WRONLY|unix.O_TMPFILE|unix.O_CLOEXEC, 0o644) //nolint:gosec // engines read it
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	name := "/proc/self/fd/" + strconv.Itoa(int(f.Fd()))
	for range 10 {
		err = unix.Linkat(unix.AT_FDCWD, name, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
		if !errors.Is(err, unix.EEXIST) {
			break
		}
		// The file of an earlier container of this bundle.
		if err := unix.Unlink(path); err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "unlink", Path: path, Err: err}
		}
	}
	if err != nil {
		return &os.PathError{Op: "link", Path: path, Err: err}
	}
	return nil
}

// renameFile is for file systems without O_TMPFILE (NFS, FUSE, 9p). What a killed process left at the temporary name is replaced.
func renameFile(path string, data []byte) error {
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := unix.Unlink(tmp); err != nil && !errors.Is(err, unix.ENOENT) {
		return &os.PathError{Op: "unlink", Path: tmp, Err: err}
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_CLOEXEC, 0o644) //nolint:gosec // engines read it
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}
