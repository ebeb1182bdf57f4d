package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockTimeout is how long one operation waits for another on the same container. A create takes less than a second;
// hooks of the caller may take longer.
const lockTimeout = 30 * time.Second

// lock takes the container's lock: create, update and delete exclude one another. The kernel drops it with its holder,
// so a killed operation blocks nobody. The file is close-on-exec: the container never inherits it.
func lock(dir, id string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("lock container %q: %w", id, err)
	}
	for end := time.Now().Add(lockTimeout); ; time.Sleep(5 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			if err := stillThere(f, dir, id); err != nil {
				_ = f.Close()
				return nil, err
			}
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		if time.Now().After(end) {
			err = fmt.Errorf("another operation on it has run for %s", lockTimeout)
			break
		}
	}
	_ = f.Close()
	return nil, fmt.Errorf("lock container %q: %w", id, err)
}

// stillThere closes a race: a delete may have removed the directory while this operation waited for the lock.
func stillThere(f *os.File, dir, id string) error {
	held, err := f.Stat()
	if err == nil {
		var now os.FileInfo
		now, err = os.Lstat(filepath.Join(dir, lockFile))
		if err == nil && os.SameFile(held, now) {
			return nil
		}
	}
	if err == nil || errors.Is(err, os.ErrNotExist) {
		return ErrNotExist
	}
	return fmt.Errorf("lock container %q: %w", id, err)
}
