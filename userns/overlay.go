package userns

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Why a second overlay is safe to make for a hostile image:
//   - No path is taken from the image. The layers' paths are the engine's, from the mount table; below them only the two
//     names beside upper are looked up, without following symbolic links or crossing mounts. What upper is, is checked.
//   - The idmapped clones are detached, close-on-exec and closed before the caller gets the overlay. On older kernels they
//     are attached for a moment in the caller's private namespace, and it is verified that they are gone.
//   - The overlay acts on upper with the first ID of the range, never with host root's, and no range contains host root.
//   - A set-user-ID file or a file capability in a layer belongs to the range: outside it gives the range's IDs at most, and
//     that only to who reaches the mount. Device nodes do open the host's devices: the caller must set nodev.

// An overlayWay makes the overlay from shifted layers and gives its detached mount.
type overlayWay func(root *os.File, l *layers, keep []overlayOption, r Range) (*os.File, error)

// newestFirst are the ways to mount an overlay; the first that this kernel knows is taken. A way says with
// errOldKernel that the next one is to be tried.
var newestFirst = []overlayWay{overlayByFD, overlayByPath}

// errOldKernel marks an answer that kernels give which lack a feature of the way.
var errOldKernel = errors.New("this kernel lacks a part of it")

// shiftOverlay makes an overlay of idmapped clones of the layers of the overlay whose root is root.
func shiftOverlay(root *os.File, r Range, ns *os.File, before func(string) error, judge func([]*os.File, *os.File) error, ways []overlayWay) (_ *Shifted, err error) {
	table, err := readMounts()
	if err != nil {
		return nil, err
	}
	m, err := rootOf(root, table)
	if err != nil {
		return nil, err
	}
	options, err := parseOverlayOptions(m.VFSOptions)
	if err != nil {
		return nil, err
	}
	engine, err := openLayers(options, table.ofDevice(uint32(m.Major), uint32(m.Minor)))
	if err != nil {
		return nil, err
	}
	defer engine.close()
	if err := engine.checkTop(root); err != nil {
		return nil, err
	}
	if judge != nil {
		if err := judge(slices.Concat(engine.lower, engine.data), engine.upper); err != nil {
			return nil, err
		}
	}
	s := &Shifted{How: describe(options)}
	if engine.beside != nil {
		if s.WorkDir, err = makeWorkDir(engine.beside, before); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			closeAll(s.Mount)
			err = errors.Join(err, removeIfAny(s.WorkDir))
		}
	}()
	mine, err := engine.shifted(ns)
	if err != nil {
		return nil, err
	}
	defer mine.close()
	if s.Mount, err = firstWay(ways, root, mine, options.keep, r); err != nil {
		return nil, err
	}
	if err := checkWritable(s.Mount, options.upper != ""); err != nil {
		return nil, err
	}
	return s, SetAttr(s.Mount, attributesOf(m.Options), 0, false)
}

func firstWay(ways []overlayWay, root *os.File, l *layers, keep []overlayOption, r Range) (*os.File, error) {
	var before error
	for _, way := range ways {
		mnt, err := way(root, l, keep, r)
		if err == nil {
			return mnt, nil
		}
		old := errors.Is(err, errOldKernel)
		if before != nil {
			err = fmt.Errorf("%w (before that: %v)", err, before) //nolint:errorlint // only the last decides
		}
		if !old {
			return nil, err
		}
		before = err
	}
	return nil, before
}

// checkWritable finds the overlay that became read-only: that is the kernel's answer, not an error, when it cannot make the
// directories in the work directory.
func checkWritable(mnt *os.File, wanted bool) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(mnt.Fd()), &st); err != nil {
		return fmt.Errorf("stat file system of %q: %w", mnt.Name(), err)
	}
	if wanted && st.Flags&unix.ST_RDONLY != 0 {
		return errors.New("mount overlay: the kernel made it read-only (it says why in the kernel log)")
	}
	return nil
}

// attributesOf are the attributes of the engine's mount; a clone would have kept them as well.
func attributesOf(options string) uint64 {
	var set uint64
	for opt := range strings.SplitSeq(options, ",") {
		switch opt {
		case "ro":
			set |= unix.MOUNT_ATTR_RDONLY
		case "nosuid":
			set |= unix.MOUNT_ATTR_NOSUID
		case "nodev":
			set |= unix.MOUNT_ATTR_NODEV
		case "noexec":
			set |= unix.MOUNT_ATTR_NOEXEC
		}
	}
	return set
}

func describe(o overlayOptions) string {
	n := len(o.lower) + len(o.data)
	if o.upper == "" {
		return fmt.Sprintf("read-only overlay of %d layers", n)
	}
	return fmt.Sprintf("overlay of %d layers", n+1)
}
