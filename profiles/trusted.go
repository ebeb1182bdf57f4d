package profiles

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// This file is the one corner of the package that looks at the host.

// ErrAbsent tells that a file, or a directory above it, is not there.
var ErrAbsent = errors.New("is absent")

// ReadTrusted gives the contents of a regular file of at most max bytes that only root can have written.
//
// The file and every directory above it must belong to user 0, and neither group nor others may write them. (An access
// control list that lets somebody write shows in the group bits, acl(5).) No element of the path may be a symbolic
// link. Each element is opened below the one that was checked before it, so nothing can be exchanged in between. The
// path must be absolute and clean.
//
// In an unprivileged user's namespaces user 0 is that user, and the host's root has no ID. What belongs to either is trusted, and so
// is what rootlesskit puts over /etc there: a directory of the user's that others may write but that is sticky, and in it the user's links
// to the host's directories.
//
// The error wraps [ErrAbsent] when something on the way is not there and everything above that is trusted. It does not
// protect from root, nor from other names (hard links) of the file, which nobody else can write either.
func ReadTrusted(path string, max int64) ([]byte, error) {
	if !cleanAbs(path) || path == "/" {
		return nil, fmt.Errorf("read %q: want an absolute path without \".\", \"..\" and double slashes", path)
	}
	dir, err := openTrustedDir(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	defer func() { _ = unix.Close(dir) }()
	data, err := readTrustedFile(dir, filepath.Base(path), max)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	return data, nil
}

func cleanAbs(path string) bool {
	return filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsRune(path, 0)
}

// maxLinks bounds how many symbolic links of an unprivileged user's namespaces are followed.
const maxLinks = 8

// openTrustedDir walks from the root to the directory, one checked element at a time, and gives an O_PATH descriptor.
func openTrustedDir(path string) (int, error) {
	for range maxLinks {
		fd, target, err := walkTrusted(path)
		if target == "" {
			return fd, err
		}
		path = target
	}
	return -1, fmt.Errorf("directory %q is behind more than %d symbolic links", path, maxLinks)
}

// walkTrusted is one walk: to the directory, or to a symbolic link on the way that is to be followed. Then it gives the path that
// leads on from there.
func walkTrusted(path string) (fd int, target string, err error) {
	if fd, err = unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return -1, "", fmt.Errorf("open \"/\": %w", plain(err))
	}
	if err := checkDir(fd, "/"); err != nil {
		_ = unix.Close(fd)
		return -1, "", err
	}
	done := ""
	elements := strings.Split(strings.Trim(path, "/"), "/")
	for i, element := range elements {
		if element == "" {
			break
		}
		above := done
		done += "/" + element
		next, err := unix.Openat(fd, element, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		_ = unix.Close(fd)
		if err != nil {
			return -1, "", fmt.Errorf("directory %q %w", done, plain(err))
		}
		if to, ok := followed(next); ok {
			_ = unix.Close(next)
			if !filepath.IsAbs(to) {
				to = filepath.Join(above+"/", to)
			}
			return -1, filepath.Join(append([]string{to}, elements[i+1:]...)...), nil
		}
		if err := checkDir(next, done); err != nil {
			_ = unix.Close(next)
			return -1, "", err
		}
		fd = next
	}
	return fd, "", nil
}

// followed gives where a symbolic link leads that the user of this namespace made: on the host none is followed.
func followed(fd int) (string, bool) {
	st, err := stat(fd)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK || st.Uid != 0 || !usersNamespace() {
		return "", false
	}
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", target)
	if err != nil || n <= 0 || n == len(target) {
		return "", false
	}
	return string(target[:n]), true
}

func checkDir(fd int, path string) error {
	st, err := stat(fd)
	if err != nil {
		return fmt.Errorf("directory %q %w", path, plain(err))
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return fmt.Errorf("directory %q is a symbolic link, want the directory itself", path)
	case unix.S_IFDIR:
		if st.Uid == 0 && st.Mode&unix.S_ISVTX != 0 && usersNamespace() {
			return nil // what somebody else puts there belongs to somebody else, and what is there stays
		}
		return checkOwner(st, "directory", path)
	}
	return fmt.Errorf("%q is a file, want a directory", path)
}

func stat(fd int) (*unix.Stat_t, error) {
	var st unix.Stat_t
	return &st, unix.Fstat(fd, &st)
}

// checkOwner wants root as the owner, and nobody else who may write. The sticky bit does not help: it still lets
// anybody put a file there.
func checkOwner(st *unix.Stat_t, kind, path string) error {
	if st.Uid != 0 && !rootOutside(st.Uid) {
		return fmt.Errorf("%s %q belongs to user %d, want root (0)", kind, path, st.Uid)
	}
	if st.Mode&0o022 != 0 {
		return fmt.Errorf("%s %q has mode %04o, which lets others than root write it; want at most %04o",
			kind, path, st.Mode&0o7777, st.Mode&0o7777&^0o022)
	}
	return nil
}

// rootOutside tells that an owner may be the host's root, seen from a user namespace that has no ID for it: the
// overflow ID of user_namespaces(7). There it may also be another user of the host, but whoever runs an engine in such a namespace
// decides himself what its files are.
func rootOutside(uid uint32) bool {
	const overflow = 65534
	return uid == overflow && usersNamespace()
}

// usersNamespace tells that this is an unprivileged user's namespace, in which the host's root has no ID.
func usersNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && !mapsRoot(string(text))
}

// mapsRoot tells whether a uid_map (user_namespaces(7)) has an ID for the host's root: then root shows as that, and the overflow ID is
// somebody else. What cannot be read counts as such.
func mapsRoot(text string) bool {
	extents := 0
	for line := range strings.Lines(text) {
		var inside, outside, size uint32
		if _, err := fmt.Sscan(line, &inside, &outside, &size); err != nil || outside == 0 {
			return true
		}
		extents++
	}
	return extents == 0
}

func readTrustedFile(dir int, name string, max int64) ([]byte, error) {
	// O_NONBLOCK: opening a fifo must not wait for a writer.
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("the file %w", plain(err))
	}
	f := os.NewFile(uintptr(fd), name)
	defer func() { _ = f.Close() }()
	st, err := stat(fd)
	if err != nil {
		return nil, fmt.Errorf("the file %w", plain(err))
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errors.New("it is not a regular file")
	}
	if err := checkOwner(st, "file", name); err != nil {
		return nil, err
	}
	// The size is checked by reading: a file may grow, and /proc files have size 0.
	data, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("the file breaks off: %w", plain(err))
	}
	if int64(len(data)) > max {
		return nil, fmt.Errorf("it is larger than %d bytes", max)
	}
	return data, nil
}

// listTrusted gives the names in a directory that is trusted as [ReadTrusted] has it, in no order. An absent one has none.
func listTrusted(path string) ([]string, error) {
	if !cleanAbs(path) || path == "/" {
		return nil, fmt.Errorf("read %q: want an absolute path without \".\", \"..\" and double slashes", path)
	}
	checked, err := openTrustedDir(path)
	if errors.Is(err, ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", path, err)
	}
	defer func() { _ = unix.Close(checked) }()
	// The checked descriptor is only a place (O_PATH): "." below it is the same directory, to be read.
	fd, err := unix.Openat(checked, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("read %q: the directory %w", path, plain(err))
	}
	dir := os.NewFile(uintptr(fd), path)
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("read %q: the directory %w", path, plain(err))
	}
	return names, nil
}

// plain puts an errno into words that follow a noun and that no engine takes for an exit code of the container's
// program: Docker makes 126 and 127 of "permission denied" and "no such file or directory".
func plain(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return ErrAbsent
	case errors.Is(err, unix.ELOOP):
		return errors.New("is a symbolic link, want the file itself")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return errors.New("may not be opened by this process")
	}
	return fmt.Errorf("cannot be read: %w", err)
}
