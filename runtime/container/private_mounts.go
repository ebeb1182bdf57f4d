package container

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// enterPrivateMounts closes the mount namespace that this process has of its own. It comes before anything is resolved,
// because a mount can be cloned only in the namespace that it was opened in (open_tree(2)).
//
// Propagation is slave: what the host unmounts goes, what is mounted here stays here.
func (r *Runtime) enterPrivateMounts() error {
	if err := r.privateMounts(); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make a private mount namespace: %w", err)
	}
	return nil
}

// privateMounts tells whether this process has a mount namespace of its own, and why not.
func (r *Runtime) privateMounts() error {
	if r.OwnMounts == nil {
		return errors.New("BUG: create in a program without a mount namespace of its own")
	}
	err := r.OwnMounts()
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: want root, or root in a user namespace of this user's", err)
	}
	return err
}

// mountStage mounts a small tmpfs at place. It is 0710 with the range's first ID as its group: the container's root walks
// through it, no other user of the host does. Who is root in a user namespace that the caller brought is the caller's
// affair, so then everybody may walk through; there is nobody else in this mount namespace.
func mountStage(place string, r userns.Range) error {
	data := "size=1m,nr_inodes=16k,mode=0711"
	if r.Size > 0 {
		data = "size=1m,nr_inodes=16k,mode=0710,gid=" + strconv.FormatUint(uint64(r.Start), 10)
	}
	if err := unix.Mount("bulkhead", place, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, data); err != nil {
		return fmt.Errorf("mount staging tmpfs at %q: %w", place, err)
	}
	return nil
}
