package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOverlayBinds binds directories of overlays: one of plain directories, which is shown through the range; one of the host's
// directories elsewhere, which is refused; and one of the host's own, as on a live system whose root is an overlay. There a read-only
// bind shows the directory unmapped, and a writable one is refused: a second overlay of the host's layers would be the host.
func TestOverlayBinds(t *testing.T) {
	requireRoot(t)
	plain, other := overlayOf(t, ""), overlayOf(t, "/usr:/etc")
	const script = "cat /v/f; stat -c %u:%g /v/f; touch /v/new 2>/dev/null || echo closed"
	// The overlay is the host's own where it is mounted on one of the host's directories.
	host := func(b *bundle, command ...string) result {
		cmd := b.command(command...)
		return run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c",
			`mount --bind "$1" /srv && shift && exec "$@"`, "sh", filepath.Dir(other)}, cmd.Args...)...))
	}
	for _, c := range []struct{ source, option, want string }{
		{plain, "ro", "content\n0:0\nclosed\n"},
		{plain, "rw", "content\n0:0\n"},
		{"/srv/data", "ro", "content\n65534:65534\nclosed\n"},
	} {
		b := newBundle(t, "bulkhead", bindMount(c.source, "/v", "rbind", c.option), args("sh", "-c", script))
		equal(t, c.option+" bind of "+c.source, must(t, host(b, "run", "--bundle", b.dir, b.id)), trimmed(c.want))
	}
	const refusal = "through the range: it lies in an overlay: refused by profile"
	b := newBundle(t, "bulkhead", bindMount("/srv/data", "/v", "rbind", "rw"))
	refused(t, host(b, "create", "--bundle", b.dir, b.id), refusal, "an overlay of")
	for _, option := range []string{"rw", "ro"} {
		b = newBundle(t, "bulkhead", bindMount(other, "/v", "rbind", option))
		refused(t, b.create(t), refusal, "an overlay of")
	}
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
