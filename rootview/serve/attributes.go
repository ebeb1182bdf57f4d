package serve

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// GetAttr reads a file's attributes.
func (t *tree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, s := t.use(in.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	return t.stat(n, out)
}

func (t *tree) stat(n *node, out *fuse.AttrOut) fuse.Status {
	var st unix.Stat_t
	if err := unix.Fstat(n.fd, &st); err != nil {
		return status(err)
	}
	t.fill(&out.Attr, &st)
	return fuse.OK
}

// SetAttr changes mode, owner, size and times, in an order that leaves what was asked: a change of owner clears the
// set-user-ID bit, so the mode comes behind it.
func (t *tree) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, s := t.use(in.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	steps := []func(*node, *fuse.SetAttrIn) error{setOwner, setMode, t.setSize, setTimes}
	for _, step := range steps {
		if err := step(n, in); err != nil {
			return status(err)
		}
	}
	return t.stat(n, out)
}

func setOwner(n *node, in *fuse.SetAttrIn) error {
	uid, gid := -1, -1
	if in.Valid&fuse.FATTR_UID != 0 {
		uid = int(in.Uid)
	}
	if in.Valid&fuse.FATTR_GID != 0 {
		gid = int(in.Gid)
	}
	if uid < 0 && gid < 0 {
		return nil
	}
	return unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

// setMode changes the mode by the descriptor's name. A symbolic link has none to change.
func setMode(n *node, in *fuse.SetAttrIn) error {
	if in.Valid&fuse.FATTR_MODE == 0 {
		return nil
	}
	if n.kind == unix.S_IFLNK {
		return unix.EOPNOTSUPP
	}
	return unix.Fchmodat(unix.AT_FDCWD, n.fdName(), in.Mode&0o7777, 0)
}

func (t *tree) setSize(n *node, in *fuse.SetAttrIn) error {
	if in.Valid&fuse.FATTR_SIZE == 0 {
		return nil
	}
	if n.kind != unix.S_IFREG {
		return unix.EINVAL
	}
	if in.Valid&fuse.FATTR_FH != 0 {
		if h := t.handle(in.Fh); h != nil && h.writable {
			return unix.Ftruncate(h.fd, int64(in.Size))
		}
	}
	return unix.Truncate(n.fdName(), int64(in.Size))
}

func setTimes(n *node, in *fuse.SetAttrIn) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	switch {
	case in.Valid&fuse.FATTR_ATIME_NOW != 0:
		times[0].Nsec = unix.UTIME_NOW
	case in.Valid&fuse.FATTR_ATIME != 0:
		times[0] = unix.Timespec{Sec: int64(in.Atime), Nsec: int64(in.Atimensec)}
	}
	switch {
	case in.Valid&fuse.FATTR_MTIME_NOW != 0:
		times[1].Nsec = unix.UTIME_NOW
	case in.Valid&fuse.FATTR_MTIME != 0:
		times[1] = unix.Timespec{Sec: int64(in.Mtime), Nsec: int64(in.Mtimensec)}
	}
	if times[0].Nsec == unix.UTIME_OMIT && times[1].Nsec == unix.UTIME_OMIT {
		return nil
	}
	return unix.UtimesNanoAt(n.fd, "", times, unix.AT_EMPTY_PATH)
}

// StatFs tells how full the file system is.
func (t *tree) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	n, s := t.use(h.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	var st unix.Statfs_t
	if err := unix.Fstatfs(n.fd, &st); err != nil {
		return status(err)
	}
	out.Blocks, out.Bfree, out.Bavail, out.Files, out.Ffree = st.Blocks, st.Bfree, st.Bavail, st.Files, st.Ffree
	out.Bsize, out.Frsize, out.NameLen = uint32(st.Bsize), uint32(st.Frsize), uint32(st.Namelen)
	return fuse.OK
}

// GetXAttr reads an extended attribute. The kernel bounds its size at 64 KiB.
func (t *tree) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	n, s := t.use(h.NodeId)
	if s != fuse.OK {
		return 0, s
	}
	defer t.done(n)
	size, err := unix.Getxattr(n.fdName(), attr, dest)
	if err != nil {
		return 0, status(err)
	}
	return uint32(size), fuse.OK
}

// ListXAttr lists the names of a file's extended attributes, at most 64 KiB.
func (t *tree) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	n, s := t.use(h.NodeId)
	if s != fuse.OK {
		return 0, s
	}
	defer t.done(n)
	size, err := unix.Listxattr(n.fdName(), dest)
	if err != nil {
		return 0, status(err)
	}
	return uint32(size), fuse.OK
}

// SetXAttr writes an extended attribute: those that root in the container's user namespace may write.
func (t *tree) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	n, s := t.use(in.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	return status(unix.Setxattr(n.fdName(), attr, data, int(in.Flags)))
}

// RemoveXAttr removes an extended attribute.
func (t *tree) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, attr string) fuse.Status {
	n, s := t.use(h.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	return status(unix.Removexattr(n.fdName(), attr))
}
