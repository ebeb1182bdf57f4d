package userns

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Shifted is a root filesystem seen through a range.
type Shifted struct {
	Mount   *os.File // detached, private; the caller attaches it
	WorkDir string   // a directory of ours for RemoveWorkDir when the container is deleted; "" if none
	How     string   // for reports: "idmapped ext4", "overlay of 2 layers"
}

// Close closes the mount. A mount that was attached stays; one that was not goes away. The work directory stays.
func (s Shifted) Close() error {
	if s.Mount == nil {
		return nil
	}
	return s.Mount.Close()
}

// ShiftRoot shows the directory root through the range r in O(1) of its size: nothing is copied, no owner is changed on
// disk, and files made through the mount by the range's first ID are stored as 0:0. ns carries the mapping of r, from
// [NewNamespace] or from a container that the new one joins.
//
// A directory of a file system that takes an idmapped mount is cloned with the mounts below it. An overlay takes none; a
// second overlay is made of idmapped clones of its layers, with a work directory of ours beside the upper one. The clones
// of the layers are reachable by no path when ShiftRoot returns.
//
// before, when not nil, is called with the path of the work directory before anything is made there, so that the caller
// can write down what a crash leaves; its error stops everything. Without a work directory it is not called.
//
// layers, when not nil, is called with the layers of an overlay, from the open files that are used, before anything is made; its
// error stops everything. upper is nil for a read-only overlay.
//
// The calling goroutine must be locked to a thread whose mount namespace is its own and receives only (MS_SLAVE), and root
// must have been opened there: on older kernels the layers are attached for a moment on top of root.
//
// Not guaranteed: mount attributes (nosuid, nodev: [SetAttr]); coherence with another live mount of the same upper
// directory (the kernel calls that undefined); two containers at once on one upper directory.
func ShiftRoot(root *os.File, r Range, ns *os.File, before func(workDir string) error, layers func(lower []*os.File, upper *os.File) error) (*Shifted, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(root.Fd()), &st); err != nil {
		return nil, fmt.Errorf("stat file system of %q: %w", root.Name(), err)
	}
	if st.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return shiftOverlay(root, r, ns, before, layers, newestFirst)
	}
	mnt, err := Clone(root, ns, true)
	if err != nil {
		var not *NotIDMappable
		if errors.As(err, &not) {
			err = fmt.Errorf("%w (needs one of ext4, xfs, btrfs, tmpfs, overlay)", err)
		}
		return nil, err
	}
	if err := MakePrivate(mnt); err != nil {
		closeAll(mnt)
		return nil, err
	}
	return &Shifted{Mount: mnt, How: "idmapped " + fsName(st.Type)}, nil
}

// fsName names a file system by its magic number (statfs(2)). The ext family shares one number.
func fsName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	}
	return fmt.Sprintf("file system %#x", magic)
}
