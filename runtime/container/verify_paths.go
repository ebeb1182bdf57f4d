package container

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// verifyPaths compares the masked and read-only paths of /proc and /sys with the container's mount table: one that is there
// must have a mount of its own, a masked one /dev/null or an empty read-only tmpfs, a read-only one that is read-only.
// Paths elsewhere are the image's, which may have put symbolic links on the way; libcontainer resolves those.
func verifyPaths(pid int, at map[string]*mountinfo.Info, s *specs.Spec) error {
	root := "/proc/" + strconv.Itoa(pid) + "/root"
	for _, path := range s.Linux.MaskedPaths {
		if !kernelPath(path) {
			continue
		}
		info, err := mountOf(root, path, at)
		if err != nil {
			return err
		}
		if info != nil && !masks(info) {
			return fmt.Errorf("mount %q is %s of %s, want /dev/null or an empty tmpfs over it", path, info.Root, info.FSType)
		}
	}
	for _, path := range s.Linux.ReadonlyPaths {
		if !kernelPath(path) {
			continue
		}
		info, err := mountOf(root, path, at)
		if err != nil {
			return err
		}
		if info != nil && !hasFlag(info, "ro") && !masks(info) {
			return fmt.Errorf("mount %q is %s, want ro", path, info.Options)
		}
	}
	return nil
}

// kernelPath tells whether the path lies in a file system of the kernel's, where no image has a say.
func kernelPath(path string) bool {
	return strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/sys/")
}

// mountOf is the mount at a path. None is an error where there is something to see, and nil where this kernel has no such path or
// only a link: /proc/net, whose mount is at /proc/1/net.
func mountOf(root, path string, at map[string]*mountinfo.Info) (*mountinfo.Info, error) {
	if info := at[path]; info != nil {
		return info, nil
	}
	seen, err := os.Lstat(root + path)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil //nolint:nilnil // nothing is there
	}
	if err != nil {
		return nil, fmt.Errorf("look at %q: %w", path, err)
	}
	if seen.Mode()&os.ModeSymlink != 0 {
		return nil, nil //nolint:nilnil // nothing to compare
	}
	return nil, fmt.Errorf("path %q has no mount of its own, want it masked or read-only", path)
}

// masks tells whether what libcontainer covers masked paths with is mounted.
func masks(i *mountinfo.Info) bool {
	return i.FSType == "tmpfs" && hasFlag(i, "ro") || (i.FSType == "devtmpfs" || i.FSType == "tmpfs") && strings.HasSuffix(i.Root, "/null")
}
