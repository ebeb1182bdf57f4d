package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// cloneOverlay shows a bind of an overlay or of a directory or file in one through the range, as BuildKit binds a stage or a cache into a
// step: by a second overlay of its layers, which are judged like a root's. Without a mount and an error the source is something else.
// A read-only one that cannot be shown so and lies in an overlay of the host's own, as where the host's root is one, is left to [cloneSource],
// which mounts it as it is: the rule mounts has judged the directory itself. Of other overlays only the layers say what they show, and
// their names may lead elsewhere by now.
func (c *creation) cloneOverlay(place string, i int, f *os.File, src bundle.Source, m *specs.Mount, ns *os.File) (*os.File, error) {
	if src.Overlay && ns == nil {
		return nil, errors.New("show an overlay: it takes a range of the container's own")
	}
	if ns == nil || src.FSType != "overlay" || src.Kind != "dir" && src.Kind != "file" || len(src.Submounts) > 0 {
		return nil, nil //nolint:nilnil // see above
	}
	ofRoot := c.policy.Facts.Layers
	defer func() { c.policy.Facts.Layers = ofRoot }()
	judge := c.judgeOverlay
	if src.Overlay {
		judge = func(lower []*os.File, upper *os.File) error {
			if err := c.describeLayers(lower, upper); err != nil {
				return err
			}
			return harden.JudgeMountLayers(c.hardened, c.policy, i)
		}
	}
	mnt, err := c.shiftSource(filepath.Join(place, "overlay-"+strconv.Itoa(i)), f, src, ns, judge)
	if err == nil {
		return mnt, nil
	}
	if c.hostsOverlay(src) && mountAttrs(m.Options)&unix.MOUNT_ATTR_RDONLY != 0 {
		return nil, nil //nolint:nilnil // see above
	}
	var refused *harden.Refusal
	if errors.As(err, &refused) {
		c.logRefusal("create", c.o.ID, c.o.Bundle, err)
	}
	if src.Overlay {
		return nil, err
	}
	return nil, fmt.Errorf("show %q through the range: it lies in an overlay: %w", src.Real, err)
}

// hostsOverlay tells whether the source lies in an overlay that holds a protected path in that very place.
func (c *creation) hostsOverlay(src bundle.Source) bool {
	return !src.Overlay && slices.ContainsFunc(c.policy.Facts.Protected, func(g bundle.ProtectedPath) bool {
		return g.Inode != 0 && g.Dev == src.Dev && g.FSDev == src.FSDev // what is known by another place has no inode
	})
}

// shiftSource is the detached mount of the second overlay, or of the directory in it that f is in the first.
func (c *creation) shiftSource(whole string, f *os.File, src bundle.Source, ns *os.File, judge func([]*os.File, *os.File) error) (*os.File, error) {
	root := f
	if src.FSPath != "/" {
		var err error
		if root, err = overlayRoot(src); err != nil {
			return nil, err
		}
		defer root.Close()
	}
	shifted, err := userns.ShiftRoot(root, c.rec.Range, ns, c.keepWorkDir, judge)
	if err != nil || root == f {
		if err != nil {
			return nil, err
		}
		return shifted.Mount, nil
	}
	defer func() { _ = shifted.Close() }()
	return cloneBelow(shifted.Mount, whole, f, src)
}

// overlayRoot opens a mount of the whole overlay that the source lies in, in this mount namespace.
func overlayRoot(src bundle.Source) (*os.File, error) {
	found, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		same := m.Root == "/" && fmt.Sprintf("%d:%d", m.Major, m.Minor) == src.FSDev
		return !same, same
	})
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	if len(found) == 0 {
		return nil, errors.New("its root is mounted nowhere")
	}
	fd, err := unix.Open(found[0].Mountpoint, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", found[0].Mountpoint, err)
	}
	root := os.NewFile(uintptr(fd), found[0].Mountpoint)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != src.Dev {
		_ = root.Close()
		return nil, fmt.Errorf("open %q: it is no longer the overlay of %q", found[0].Mountpoint, src.Real)
	}
	return root, nil
}

// cloneBelow attaches the overlay at a staging path, which older kernels want of what is cloned, and clones the directory in it. The
// flags are those of the mount that f was opened through.
func cloneBelow(overlay *os.File, whole string, f *os.File, src bundle.Source) (*os.File, error) {
	below, flags := src.FSPath, uint64(unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC)
	if src.Kind == "dir" {
		flags |= unix.O_DIRECTORY
	}
	if err := os.Mkdir(whole, 0o700); err != nil {
		return nil, fmt.Errorf("make staging directory: %w", err)
	}
	if err := userns.Attach(overlay, whole); err != nil {
		return nil, err
	}
	fd, err := unix.Openat2(int(overlay.Fd()), strings.TrimPrefix(below, "/"), &unix.OpenHow{
		Flags: flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if err != nil {
		return nil, fmt.Errorf("open %q in its overlay: %w", below, err)
	}
	dir := os.NewFile(uintptr(fd), below)
	defer dir.Close()
	mnt, err := userns.Clone(dir, nil, false)
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	if err = unix.Fstatfs(int(f.Fd()), &st); err == nil {
		err = userns.SetAttr(mnt, attrsOf(st.Flags), 0, false)
	}
	if err != nil {
		_ = mnt.Close()
		return nil, err
	}
	return mnt, nil
}

// attrsOf are a mount's flags (statfs(2)) as attributes of mount_setattr(2).
func attrsOf(flags int64) uint64 {
	var attrs uint64
	for _, f := range []struct {
		flag int64
		attr uint64
	}{
		{unix.ST_RDONLY, unix.MOUNT_ATTR_RDONLY}, {unix.ST_NOSUID, unix.MOUNT_ATTR_NOSUID},
		{unix.ST_NODEV, unix.MOUNT_ATTR_NODEV}, {unix.ST_NOEXEC, unix.MOUNT_ATTR_NOEXEC},
	} {
		if flags&f.flag != 0 {
			attrs |= f.attr
		}
	}
	return attrs
}
