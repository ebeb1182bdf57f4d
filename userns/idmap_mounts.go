package userns

import (
	"fmt"
	"os"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// mounts is the mount table of the calling thread's mount namespace.
type mounts []*mountinfo.Info

// readMounts reads the calling thread's own table: /proc/self is the process's first thread, which may live in another
// mount namespace.
func readMounts() (mounts, error) {
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	defer closeAll(f)
	table, err := mountinfo.GetMountsFromReader(f, nil)
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	return table, nil
}

func (t mounts) byID(id uint64) *mountinfo.Info {
	for _, m := range t {
		if uint64(m.ID) == id {
			return m
		}
	}
	return nil
}

// ofDevice are the mounts of one file system, in the table's order.
func (t mounts) ofDevice(major, minor uint32) mounts {
	var found mounts
	for _, m := range t {
		if m.Major == int(major) && m.Minor == int(minor) {
			found = append(found, m)
		}
	}
	return found
}

// below are the mounts under the directory, without one on the directory itself.
func (t mounts) below(dir string) mounts {
	prefix := strings.TrimSuffix(dir, "/") + "/"
	var found mounts
	for _, m := range t {
		if strings.HasPrefix(m.Mountpoint, prefix) && m.Mountpoint != prefix {
			found = append(found, m)
		}
	}
	return found
}

// whereIs tells the path under which the kernel knows the open file, and the ID of its mount.
func whereIs(f *os.File) (path string, mountID uint64, err error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return "", 0, fmt.Errorf("stat %q: %w", f.Name(), err)
	}
	path, err = os.Readlink(procFD(f))
	if err != nil {
		return "", 0, fmt.Errorf("find path of %q: %w", f.Name(), err)
	}
	return path, st.Mnt_id, nil
}

// procFD names an open file by a path that every thread of this process can follow, whatever its mount namespace.
func procFD(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }
