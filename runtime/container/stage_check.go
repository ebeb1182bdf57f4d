package container

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// A stagedMount is a clone at its staging path, and what was judged of its source.
type stagedMount struct {
	path string
	src  bundle.Source
}

// noteStaged remembers a clone that has been attached, and whether there may be mounts on top of it or below it.
func (c *creation) noteStaged(mnt *os.File, path string, src bundle.Source) error {
	c.staged = append(c.staged, stagedMount{path, src})
	switch n, err := mountsBelow(mnt); {
	case errors.Is(err, unix.ENOSYS):
		c.unsure = true
	case err != nil:
		return fmt.Errorf("list mounts below %q: %w", path, err)
	default:
		c.unsure = c.unsure || n > 0
	}
	return nil
}

// checkStaged looks for mounts on or below what was staged that no rule has judged. A recursive clone takes along what the host has
// mounted there since the source was judged; from the clone on nothing can be added, because it is private.
func (c *creation) checkStaged() error {
	if !c.unsure {
		return nil
	}
	infos, err := mountinfo.GetMounts(nil)
	if err != nil {
		return fmt.Errorf("read mount table: %w", err)
	}
	for _, s := range c.staged {
		if err := onlyJudged(s.path, s.src, infos); err != nil {
			return err
		}
	}
	return nil
}

// onlyJudged compares the mounts at and below a staged path with those that were judged.
func onlyJudged(path string, src bundle.Source, infos []*mountinfo.Info) error {
	at := 0
	for _, m := range infos {
		below, ok := strings.CutPrefix(m.Mountpoint, path)
		switch {
		case !ok || below != "" && below[0] != '/':
			continue
		case below == "":
			if at++; at == 1 {
				continue // the clone itself
			}
		}
		dev := fmt.Sprintf("%d:%d", m.Major, m.Minor)
		judged := false
		for _, s := range src.Submounts {
			judged = judged || s.Path == below && s.FSDev == dev && s.FSPath == m.Root
		}
		if !judged {
			return fmt.Errorf("use %q: something was mounted at %q while it was prepared", src.Real, src.Real+below)
		}
	}
	return nil
}

// A mountRequest is struct mnt_id_req of listmount(2) in its first version.
type mountRequest struct {
	size, spare uint32
	id, param   uint64
}

// mountsBelow counts the mounts on top of and below a mount. ENOSYS is a kernel before Linux 6.8.
func mountsBelow(mnt *os.File) (int, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(mnt.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID_UNIQUE, &st); err != nil {
		return 0, err
	}
	if st.Mask&unix.STATX_MNT_ID_UNIQUE == 0 {
		return 0, unix.ENOSYS
	}
	request := mountRequest{id: st.Mnt_id}
	request.size = uint32(unsafe.Sizeof(request))
	var ids [2]uint64
	n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&request)), uintptr(unsafe.Pointer(&ids[0])), uintptr(len(ids)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
