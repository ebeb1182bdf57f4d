package bundle

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// findTwins finds the file systems of sources that are mounted from another block device than one with the same UUID: a loop
// device, a snapshot or a clone of the disk. It is known for ext2, ext3 and ext4, whose ID in statfs(2) is made of the UUID;
// btrfs and, without being told otherwise, xfs refuse a second device with a UUID that is mounted.
func (l *locator) findTwins() {
	devs := map[string]string{} // device: a mount point
	for i := range l.mounts.entries {
		if e := &l.mounts.entries[i]; strings.HasPrefix(e.fsType, "ext") {
			if _, ok := devs[e.dev]; !ok && l.shownAt(e) {
				devs[e.dev] = e.point
			}
		}
	}
	if len(devs) < 2 {
		return
	}
	ids := map[string]unix.Fsid{}
	for dev, point := range devs {
		var st unix.Statfs_t
		if unix.Statfs(point, &st) == nil && st.Fsid != (unix.Fsid{}) {
			ids[dev] = st.Fsid
		}
	}
	l.twins = map[string][]string{}
	for _, w := range l.ways {
		id, ok := ids[w.dev]
		if !ok || l.twins[w.dev] != nil {
			continue
		}
		for dev, other := range ids {
			if dev != w.dev && id == other {
				l.twins[w.dev] = append(l.twins[w.dev], dev)
			}
		}
	}
}

// shownAt tells that a mount is what its point leads to: no other mount covers it.
func (l *locator) shownAt(e *mountEntry) bool {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path.Clean(e.point), unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st)
	return err == nil && (st.Mask&unix.STATX_MNT_ID == 0 || int(st.Mnt_id) == e.id)
}
