package serve

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// The requests that name an entry of a directory. Each acts on the directory's descriptor and one name.

// Lookup finds an entry.
func (t *tree) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	dir, s := t.useDir(h.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	return t.entry(dir, name, out)
}

// Mkdir makes a directory.
func (t *tree) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, s := t.useDir(in.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	if err := unix.Mkdirat(dir.fd, name, in.Mode&0o7777); err != nil {
		return status(err)
	}
	return t.entry(dir, name, out)
}

// Mknod makes a named pipe, a socket's name or an empty file. Device nodes are refused: the container could open none anyhow.
func (t *tree) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, s := t.useDir(in.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	switch in.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return fuse.EPERM
	}
	if err := unix.Mknodat(dir.fd, name, in.Mode, 0); err != nil {
		return status(err)
	}
	return t.entry(dir, name, out)
}

// Symlink makes a symbolic link. What it says is not looked at.
func (t *tree) Symlink(_ <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	dir, s := t.useDir(h.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	if err := unix.Symlinkat(target, dir.fd, name); err != nil {
		return status(err)
	}
	return t.entry(dir, name, out)
}

// Link gives a file another name.
func (t *tree) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	dir, s := t.useDir(in.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	n, s := t.use(in.Oldnodeid)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	if err := unix.Linkat(unix.AT_FDCWD, n.fdName(), dir.fd, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return status(err)
	}
	return t.entry(dir, name, out)
}

// Unlink removes an entry that is no directory.
func (t *tree) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	dir, s := t.useDir(h.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	return status(unix.Unlinkat(dir.fd, name, 0))
}

// Rmdir removes an empty directory.
func (t *tree) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	dir, s := t.useDir(h.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	return status(unix.Unlinkat(dir.fd, name, unix.AT_REMOVEDIR))
}

// Rename moves an entry, with the flags of renameat2(2).
func (t *tree) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	dir, s := t.useDir(in.NodeId, from)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	target, s := t.useDir(in.Newdir, to)
	if s != fuse.OK {
		return s
	}
	defer t.done(target)
	return status(unix.Renameat2(dir.fd, from, target.fd, to, uint(in.Flags)))
}

// Readlink reads a symbolic link.
func (t *tree) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	n, s := t.use(h.NodeId)
	if s != fuse.OK {
		return nil, s
	}
	defer t.done(n)
	buf := make([]byte, unix.PathMax)
	size, err := unix.Readlinkat(n.fd, "", buf)
	if err != nil {
		return nil, status(err)
	}
	return buf[:size], fuse.OK
}
