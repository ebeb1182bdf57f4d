package serve

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// passed are the flags of open(2) that reach the file. O_DIRECT and O_NOATIME are the reader's business, O_TRUNC is asked for by SetAttr.
const passed = unix.O_ACCMODE | unix.O_APPEND | unix.O_SYNC | unix.O_DSYNC | unix.O_TRUNC

// reopen opens a node for reading or writing. Only regular files and directories are ever opened: opening a device or a
// named pipe has effects, and the container chooses what lies there.
func reopen(n *node, flags int) (int, error) {
	switch n.kind {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		flags |= unix.O_DIRECTORY
	case unix.S_IFLNK:
		return -1, unix.ELOOP
	default:
		return -1, unix.ENXIO
	}
	return unix.Openat(unix.AT_FDCWD, n.fdName(), flags|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
}

// Open opens a regular file. Reads and writes go past the kernel's cache, so that both sides see each other's at once.
func (t *tree) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, s := t.use(in.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	fd, err := reopen(n, int(in.Flags)&passed)
	if err != nil {
		return status(err)
	}
	out.Fh = t.keep(&handle{fd: fd, writable: in.Flags&unix.O_ACCMODE != unix.O_RDONLY})
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return fuse.OK
}

// Create makes a regular file and opens it. It never opens what somebody else has put there meanwhile unless that is a
// regular file and the caller did not ask for a new one.
func (t *tree) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	dir, s := t.useDir(in.NodeId, name)
	if s != fuse.OK {
		return s
	}
	defer t.done(dir)
	flags := int(in.Flags) & passed
	fd, err := unix.Openat(dir.fd, name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, in.Mode&0o7777)
	if err != nil && (err != unix.EEXIST || in.Flags&unix.O_EXCL != 0) { //nolint:errorlint // a raw errno
		return status(err)
	}
	if s := t.entry(dir, name, &out.EntryOut); s != fuse.OK {
		closeIf(fd)
		return s
	}
	if fd < 0 {
		if fd, err = t.openNode(out.NodeId, flags); err != nil {
			t.Forget(out.NodeId, 1)
			return status(err)
		}
	}
	out.Fh = t.keep(&handle{fd: fd, writable: in.Flags&unix.O_ACCMODE != unix.O_RDONLY})
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return fuse.OK
}

func (t *tree) openNode(id uint64, flags int) (int, error) {
	n, s := t.use(id)
	if s != fuse.OK {
		return -1, unix.Errno(s)
	}
	defer t.done(n)
	return reopen(n, flags)
}

func closeIf(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// Read reads at an offset.
func (t *tree) Read(_ <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	h := t.handle(in.Fh)
	if h == nil {
		return nil, fuse.EBADF
	}
	n, err := unix.Pread(h.fd, buf, int64(in.Offset))
	if err != nil {
		return nil, status(err)
	}
	return fuse.ReadResultData(buf[:n]), fuse.OK
}

// Write writes at an offset, or at the end of a file that was opened with O_APPEND.
func (t *tree) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	h := t.handle(in.Fh)
	if h == nil {
		return 0, fuse.EBADF
	}
	n, err := unix.Pwrite(h.fd, data, int64(in.Offset))
	if err != nil {
		return 0, status(err)
	}
	return uint32(n), fuse.OK
}

// Lseek finds data and holes.
func (t *tree) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	h := t.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	if in.Whence != unix.SEEK_DATA && in.Whence != unix.SEEK_HOLE {
		return fuse.EINVAL
	}
	at, err := unix.Seek(h.fd, int64(in.Offset), int(in.Whence))
	if err != nil {
		return status(err)
	}
	out.Offset = uint64(at)
	return fuse.OK
}

// Fsync writes a file to the disk.
func (t *tree) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h := t.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	if in.FsyncFlags&1 != 0 {
		return status(unix.Fdatasync(h.fd))
	}
	return status(unix.Fsync(h.fd))
}

// FsyncDir writes a directory to the disk.
func (t *tree) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return t.Fsync(cancel, in)
}

// Fallocate reserves or gives back space.
func (t *tree) Fallocate(_ <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	h := t.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	return status(unix.Fallocate(h.fd, in.Mode, int64(in.Offset), int64(in.Length)))
}

// Release closes a file.
func (t *tree) Release(_ <-chan struct{}, in *fuse.ReleaseIn) { t.drop(in.Fh) }
