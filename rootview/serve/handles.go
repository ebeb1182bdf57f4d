package serve

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A handle is an open file or directory.
type handle struct {
	fd       int
	writable bool
	mu       sync.Mutex // a directory has one position
	at       int64
}

func (t *tree) keep(h *handle) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastHandle++
	t.handles[t.lastHandle] = h
	return t.lastHandle
}

func (t *tree) handle(id uint64) *handle {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.handles[id]
}

func (t *tree) drop(id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.handles[id]; h != nil {
		delete(t.handles, id)
		_ = unix.Close(h.fd)
	}
}

// OpenDir opens a directory for reading. Its entries are not cached.
func (t *tree) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, s := t.use(in.NodeId)
	if s != fuse.OK {
		return s
	}
	defer t.done(n)
	if n.kind != unix.S_IFDIR {
		return fuse.ENOTDIR
	}
	fd, err := reopen(n, unix.O_RDONLY)
	if err != nil {
		return status(err)
	}
	out.Fh = t.keep(&handle{fd: fd})
	return fuse.OK
}

// ReadDir gives the entries from an offset on, as many as fit. Offsets are those of getdents64(2).
func (t *tree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	h := t.handle(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at != int64(in.Offset) {
		if _, err := unix.Seek(h.fd, int64(in.Offset), unix.SEEK_SET); err != nil {
			return status(err)
		}
		h.at = int64(in.Offset)
	}
	buf := make([]byte, 4096)
	for {
		n, err := unix.Getdents(h.fd, buf)
		if err != nil {
			return status(err)
		}
		if n == 0 {
			return fuse.OK
		}
		next, full := addEntries(buf[:n], out)
		if next != 0 {
			h.at = next
		}
		if full {
			// What did not fit is read again: the next request comes with the offset of the last entry that did.
			h.at = -1
			return fuse.OK
		}
	}
}

// addEntries copies what getdents64(2) gave, and tells the offset behind the last entry that fit.
func addEntries(buf []byte, out *fuse.DirEntryList) (next int64, full bool) {
	for len(buf) >= direntHead {
		var e fuse.DirEntry
		size := e.Parse(buf)
		if size <= 0 || size > len(buf) {
			return next, true
		}
		buf = buf[size:]
		if !out.AddDirEntry(e) {
			return next, true
		}
		next = int64(e.Off)
	}
	return next, false
}

// direntHead is the size of struct linux_dirent64 of getdents64(2) up to the name.
const direntHead = 8 + 8 + 2 + 1

// ReleaseDir closes a directory.
func (t *tree) ReleaseDir(in *fuse.ReleaseIn) { t.drop(in.Fh) }
