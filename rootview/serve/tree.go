package serve

import (
	"container/list"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A key finds the node of a file that is looked up again. The kernel drops what is mounted on a directory whose node
// changes, so directories keep theirs wherever they are moved. Other files are known by their place as well: an
// overlay may show two links of one file with the same number that are two files as soon as one is written.
type key struct {
	dev, ino uint64
	parent   uint64
	name     string
}

// A tree is the file system: the nodes that the kernel knows, and what is open. The kernel remembers files for as long as it
// has memory for them, even where it asks anew each time. So a node is small, and only the latest have a descriptor.
type tree struct {
	fuse.RawFileSystem // answers ENOSYS to whatever is not below
	rootDev            uint64

	mu     sync.RWMutex
	nodes  map[uint64]*node
	byKey  map[key]*node
	lastID uint64
	// recent are the nodes with a descriptor that may be closed, the latest used first.
	recent *list.List

	handles    map[uint64]*handle
	lastHandle uint64
}

func newTree(root int) (*tree, error) {
	t := &tree{
		RawFileSystem: fuse.NewDefaultRawFileSystem(),
		nodes:         map[uint64]*node{}, byKey: map[key]*node{}, handles: map[uint64]*handle{}, recent: list.New(),
	}
	var st unix.Stat_t
	if err := unix.Fstat(root, &st); err != nil {
		return nil, err
	}
	t.rootDev, t.lastID = st.Dev, fuse.FUSE_ROOT_ID
	n := &node{id: fuse.FUSE_ROOT_ID, fd: root, kind: st.Mode & unix.S_IFMT, key: key{dev: st.Dev, ino: st.Ino}, lookups: 1, pins: 1}
	t.nodes[n.id], t.byKey[n.key] = n, n
	return t, nil
}

// String names the file system in the library's messages.
func (t *tree) String() string { return "bulkhead" }

// plain tells whether name is one component. The kernel sends no other.
func plain(name string) bool {
	if name == "" || name == "." || name == ".." || len(name) > unix.NAME_MAX {
		return false
	}
	for i := range len(name) {
		if name[i] == '/' || name[i] == 0 {
			return false
		}
	}
	return true
}

// openPath opens an entry of a directory without opening the file itself: no symbolic link is followed, no mount is crossed.
func openPath(dir int, name string) (int, error) {
	return unix.Openat2(dir, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	})
}

// entry looks a name up and tells the kernel of it, once more or for the first time.
func (t *tree) entry(dir *node, name string, out *fuse.EntryOut) fuse.Status {
	fd, err := openPath(dir.fd, name)
	if err != nil {
		return status(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return status(err)
	}
	out.NodeId = t.adopt(fd, &st, dir, name)
	t.fill(&out.Attr, &st)
	return fuse.OK
}

// adopt takes the descriptor over: for the node that is known already, or for a new one.
func (t *tree) adopt(fd int, st *unix.Stat_t, parent *node, name string) uint64 {
	k := key{dev: st.Dev, ino: st.Ino}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		k.parent, k.name = parent.id, name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byKey[k]
	if n != nil && n.kind != st.Mode&unix.S_IFMT {
		// The number was given to a file of another kind meanwhile. The old node keeps its ID and finds nothing any more.
		delete(t.byKey, k)
		n = nil
	}
	if n == nil {
		t.lastID++
		n = &node{id: t.lastID, fd: -1, kind: st.Mode & unix.S_IFMT, key: k}
		t.nodes[n.id], t.byKey[k] = n, n
	}
	n.lookups++
	n.parent, n.name = parent, name
	if n.pins > 0 {
		_ = unix.Close(fd) // the one in use is of the same file
		return n.id
	}
	// A new descriptor, not the old one: a number may have been used again.
	t.putFD(n, fd)
	return n.id
}

// Forget lets go of a file that the kernel has no use for any more.
func (t *tree) Forget(id, lookups uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[id]
	if n == nil || id == fuse.FUSE_ROOT_ID {
		return
	}
	if n.lookups > lookups {
		n.lookups -= lookups
		return
	}
	delete(t.nodes, id)
	if t.byKey[n.key] == n {
		delete(t.byKey, n.key)
	}
	if n.pins == 0 {
		t.closeFD(n)
	}
}

// fill makes the attributes of a file. An overlay whose layers lie on several file systems has several device numbers below
// one mount, and a FUSE mount has one: numbers of other devices are moved out of the way, as equal numbers are links.
func (t *tree) fill(a *fuse.Attr, st *unix.Stat_t) {
	a.Ino = st.Ino
	if st.Dev != t.rootDev && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		a.Ino ^= st.Dev << 40
	}
	a.Size, a.Blocks, a.Blksize = uint64(st.Size), uint64(st.Blocks), uint32(st.Blksize)
	a.Atime, a.Atimensec = uint64(st.Atim.Sec), uint32(st.Atim.Nsec)
	a.Mtime, a.Mtimensec = uint64(st.Mtim.Sec), uint32(st.Mtim.Nsec)
	a.Ctime, a.Ctimensec = uint64(st.Ctim.Sec), uint32(st.Ctim.Nsec)
	a.Mode, a.Nlink, a.Uid, a.Gid, a.Rdev = st.Mode, uint32(st.Nlink), st.Uid, st.Gid, uint32(st.Rdev)
}
