package integration

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOverlayBinds binds directories of overlays: one of plain directories, which is shown through the range, and one of the host's
// own, as on a live system whose root is an overlay. There a read-only bind shows the directory unmapped, and a writable one is
// refused: a second overlay of the host's layers would be the host.
func TestOverlayBinds(t *testing.T) {
	requireRoot(t)
	plain, host := overlayOf(t, ""), overlayOf(t, "/usr:/etc")
	const script = "cat /v/f; stat -c %u:%g /v/f; touch /v/new 2>/dev/null || echo closed"
	for _, c := range []struct{ source, option, want string }{
		{plain, "ro", "content\n0:0\nclosed\n"},
		{plain, "rw", "content\n0:0\n"},
		{host, "ro", "content\n65534:65534\nclosed\n"},
	} {
		b := newBundle(t, "bulkhead", bindMount(c.source, "/v", "rbind", c.option), args("sh", "-c", script))
		equal(t, c.option+" bind of "+c.source, must(t, b.try(t, "run", "--bundle", b.dir, b.id)), trimmed(c.want))
	}
	b := newBundle(t, "bulkhead", bindMount(host, "/v", "rbind", "rw"))
	refused(t, b.create(t), "through the range: it lies in an overlay: refused by profile", "an overlay of")
	equal(t, "owner of what the container made", owner(t, plain+"/new"), "0:0")
}

// overlayOf mounts an overlay of the layers and of a directory of its own, and gives the path of a directory in it.
func overlayOf(t *testing.T, lower string) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"lower", "upper/data", "work", "merged"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil { //nolint:gosec // container root is nobody on the host
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(dir+"/upper/data/f", []byte("content\n"), 0o644); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	if lower == "" {
		lower = dir + "/lower"
	}
	data := "lowerdir=" + lower + ",upperdir=" + dir + "/upper,workdir=" + dir + "/work"
	if err := unix.Mount("overlay", dir+"/merged", "overlay", 0, data); err != nil {
		t.Fatalf("mount overlay with %s: %v", data, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir+"/merged", unix.MNT_DETACH) })
	return dir + "/merged/data"
}
