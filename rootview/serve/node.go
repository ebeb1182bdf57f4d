package serve

import (
	"container/list"
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxIdle is how many files have a descriptor although no request is about them.
const maxIdle = 256

// maxDepth is how deep a directory can be that a path reaches (PATH_MAX).
const maxDepth = unix.PathMax / 2

// A node is a file that the kernel knows. Requests work on its O_PATH descriptor, which is opened again, below the directory
// where the file was found, when it was closed to have not too many.
type node struct {
	id      uint64
	kind    uint32 // S_IFMT of the mode
	key     key
	parent  *node
	name    string
	lookups uint64 // how often the kernel was told of it, less what it forgot

	fd   int // -1: closed
	pins int // requests that use the descriptor
	idle *list.Element
}

// fdName is the file's name in /proc/self/fd, the working directory. The node must be pinned.
func (n *node) fdName() string { return strconv.Itoa(n.fd) }

// use pins the node of a request. The caller calls done.
func (t *tree) use(id uint64) (*node, fuse.Status) {
	t.mu.Lock()
	n := t.nodes[id]
	t.mu.Unlock()
	if n == nil {
		return nil, fuse.Status(unix.ESTALE)
	}
	if err := t.pin(n, 0); err != nil {
		return nil, status(err)
	}
	return n, fuse.OK
}

// useDir is use for a request that also names an entry of the directory.
func (t *tree) useDir(id uint64, name string) (*node, fuse.Status) {
	if !plain(name) {
		return nil, fuse.EINVAL
	}
	return t.use(id)
}

// pin opens a node where it is closed. above is how many directories were opened on the way: directories that the container
// moves into one another may each be remembered below the other.
func (t *tree) pin(n *node, above int) error {
	if t.pinOpen(n) {
		return nil
	}
	if above > maxDepth {
		return unix.ESTALE
	}
	parent, name := t.place(n)
	if err := t.pin(parent, above+1); err != nil {
		return err
	}
	fd, err := openPath(parent.fd, name)
	t.done(parent)
	if err != nil {
		return unix.ESTALE // it is not where it was: the kernel looks it up again
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != n.key.dev || st.Ino != n.key.ino || st.Mode&unix.S_IFMT != n.kind {
		_ = unix.Close(fd)
		return unix.ESTALE // another file is there
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.fd >= 0 {
		_ = unix.Close(fd) // somebody else was faster
		t.hold(n)
		return nil
	}
	n.fd, n.pins = fd, 1
	return nil
}

// place is where a node was found last.
func (t *tree) place(n *node) (*node, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return n.parent, n.name
}

func (t *tree) pinOpen(n *node) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n.fd < 0 {
		return false
	}
	t.hold(n)
	return true
}

// hold pins a node that is open. t.mu is held.
func (t *tree) hold(n *node) {
	n.pins++
	if n.idle != nil {
		t.recent.Remove(n.idle)
		n.idle = nil
	}
}

// done lets a request's node go.
func (t *tree) done(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.pins--
	if n.pins > 0 {
		return
	}
	if t.nodes[n.id] != n {
		t.closeFD(n) // forgotten meanwhile
		return
	}
	t.putIdle(n)
}

// putFD gives a node that nobody uses a descriptor. t.mu is held.
func (t *tree) putFD(n *node, fd int) {
	t.closeFD(n)
	n.fd = fd
	t.putIdle(n)
}

func (t *tree) putIdle(n *node) {
	n.idle = t.recent.PushFront(n)
	for t.recent.Len() > maxIdle {
		t.closeFD(t.recent.Back().Value.(*node))
	}
}

// closeFD closes the descriptor of a node that nobody uses. t.mu is held.
func (t *tree) closeFD(n *node) {
	if n.idle != nil {
		t.recent.Remove(n.idle)
		n.idle = nil
	}
	if n.fd >= 0 {
		_ = unix.Close(n.fd)
		n.fd = -1
	}
}
