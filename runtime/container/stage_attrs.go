package container

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// mountAttrs is what of a mount's options becomes locked on the staged clone: even a libcontainer that forgot a flag
// could then not clear it in the container's user namespace (mount_namespaces(7)).
func mountAttrs(options []string) uint64 {
	attrs := uint64(0)
	for _, o := range options {
		switch o {
		case "ro", "rro":
			attrs |= unix.MOUNT_ATTR_RDONLY
		case "nosuid", "rnosuid":
			attrs |= unix.MOUNT_ATTR_NOSUID
		case "nodev", "rnodev":
			attrs |= unix.MOUNT_ATTR_NODEV
		case "noexec", "rnoexec":
			attrs |= unix.MOUNT_ATTR_NOEXEC
		}
	}
	return attrs
}

// setSourceAttrs sets what of a mount's options belongs to the mount. The access times' share is set here because in a user
// namespace it is locked (mount_namespaces(7)): libcontainer can repeat it there and not change it.
func setSourceAttrs(mnt *os.File, options []string) error {
	if err := userns.SetAttr(mnt, mountAttrs(options), 0, true); err != nil {
		return err
	}
	for _, o := range options {
		name, recursive := strings.CutPrefix(o, "r")
		if o == "relatime" {
			name, recursive = o, false
		}
		if t, ok := accessTimes[name]; ok {
			if err := userns.SetAttr(mnt, t.set, t.clear, recursive); err != nil {
				return err
			}
		}
	}
	return nil
}

// accessTimes are the options on access times that ask for something, as mount attributes (mount_setattr(2)).
var accessTimes = map[string]struct{ set, clear uint64 }{
	"noatime":     {unix.MOUNT_ATTR_NOATIME, unix.MOUNT_ATTR__ATIME},
	"strictatime": {unix.MOUNT_ATTR_STRICTATIME, unix.MOUNT_ATTR__ATIME},
	"relatime":    {unix.MOUNT_ATTR_RELATIME, unix.MOUNT_ATTR__ATIME},
	"nodiratime":  {unix.MOUNT_ATTR_NODIRATIME, 0},
	"diratime":    {0, unix.MOUNT_ATTR_NODIRATIME},
}
