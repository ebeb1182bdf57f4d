package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// FuzzPlain holds that a name which is let through is one component: joined to a directory it stays directly below it.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a", "a/b", "/", "a\x00b", "...", strings.Repeat("x", 256), "ü"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !plain(name) {
			return
		}
		if dir, base := filepath.Split(filepath.Join("/dir", name)); dir != "/dir/" || base != name {
			t.Errorf("%q becomes %q in %q", name, base, dir)
		}
	})
}

// testTree is a tree over a new directory with a file, a link out of it, and a named pipe.
func testTree(t *testing.T) (*tree, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(dir+"/pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	fs, err := newTree(int(root.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/proc/self/fd")
	return fs, dir
}

func lookup(t *testing.T, fs *tree, dir uint64, name string) (uint64, fuse.Status) {
	t.Helper()
	var out fuse.EntryOut
	s := fs.Lookup(nil, &fuse.InHeader{NodeId: dir}, name, &out)
	return out.NodeId, s
}

func TestOpensOnlyFiles(t *testing.T) {
	fs, _ := testTree(t)
	for name, want := range map[string]fuse.Status{"file": fuse.OK, "link": fuse.Status(unix.ELOOP), "pipe": fuse.Status(unix.ENXIO)} {
		id, s := lookup(t, fs, fuse.FUSE_ROOT_ID, name)
		if s != fuse.OK {
			t.Fatalf("look up %q: %v", name, s)
		}
		var out fuse.OpenOut
		if s := fs.Open(nil, &fuse.OpenIn{InHeader: fuse.InHeader{NodeId: id}, Flags: unix.O_RDWR}, &out); s != want {
			t.Errorf("open %q: %v, want %v", name, s, want)
		}
	}
}

// TestLooksNowhereElse looks up names that lead out of the directory, among them an entry of what a link points to.
func TestLooksNowhereElse(t *testing.T) {
	fs, _ := testTree(t)
	link, _ := lookup(t, fs, fuse.FUSE_ROOT_ID, "link")
	for _, c := range []struct {
		dir  uint64
		name string
		want fuse.Status
	}{
		{fuse.FUSE_ROOT_ID, "..", fuse.EINVAL},
		{fuse.FUSE_ROOT_ID, "link/passwd", fuse.EINVAL},
		{fuse.FUSE_ROOT_ID, "/etc/passwd", fuse.EINVAL},
		{link, "passwd", fuse.ENOTDIR},
		{12345, "file", fuse.Status(unix.ESTALE)},
	} {
		if id, s := lookup(t, fs, c.dir, c.name); s != c.want {
			t.Errorf("look up %q below node %d: %v, want %v (node %d)", c.name, c.dir, s, c.want, id)
		}
	}
}

// TestClosedNodes has more files known than stay open: those closed are opened again where they were, and one that somebody replaced
// meanwhile is stale and never another file.
func TestClosedNodes(t *testing.T) {
	fs, dir := testTree(t)
	first, _ := lookup(t, fs, fuse.FUSE_ROOT_ID, "file")
	for i := range maxIdle + 10 {
		name := "f" + strings.Repeat("x", i%200) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, s := lookup(t, fs, fuse.FUSE_ROOT_ID, name); s != fuse.OK {
			t.Fatalf("look up %q: %v", name, s)
		}
	}
	if n := fs.nodes[first]; n.fd != -1 || fs.recent.Len() != maxIdle {
		t.Fatalf("%d idle files are open, the first as %d", fs.recent.Len(), n.fd)
	}
	var out fuse.AttrOut
	get := func() fuse.Status {
		return fs.GetAttr(nil, &fuse.GetAttrIn{InHeader: fuse.InHeader{NodeId: first}}, &out)
	}
	if s := get(); s != fuse.OK || out.Size != 1 {
		t.Errorf("attributes of a file that was closed: %v, size %d", s, out.Size)
	}
	fs.closeFD(fs.nodes[first])
	if err := os.Rename(dir+"/file", dir+"/moved"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/file", []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := get(); s != fuse.Status(unix.ESTALE) {
		t.Errorf("attributes of a file that was replaced: %v, want %v", s, fuse.Status(unix.ESTALE))
	}
	for id := range fs.nodes {
		fs.Forget(id, 1000)
	}
	if len(fs.nodes) != 1 || fs.recent.Len() != 0 {
		t.Errorf("after all were forgotten there are %d nodes and %d idle files, want the root alone", len(fs.nodes), fs.recent.Len())
	}
}

// TestNoEndlessWay closes two directories that are each remembered below the other.
func TestNoEndlessWay(t *testing.T) {
	fs, dir := testTree(t)
	if err := os.MkdirAll(dir+"/a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	a, _ := lookup(t, fs, fuse.FUSE_ROOT_ID, "a")
	b, _ := lookup(t, fs, a, "b")
	fs.nodes[a].parent = fs.nodes[b]
	fs.closeFD(fs.nodes[a])
	fs.closeFD(fs.nodes[b])
	if _, s := lookup(t, fs, b, "c"); s != fuse.Status(unix.ESTALE) {
		t.Errorf("a way without an end: %v, want %v", s, fuse.Status(unix.ESTALE))
	}
}
