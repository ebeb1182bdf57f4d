package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestAttackRoot gives the container the host's files as its root, in other words than their path.
func TestAttackRoot(t *testing.T) {
	requireRoot(t)
	t.Run("overlay-of-the-host", func(t *testing.T) {
		for lower, why := range map[string]string{
			"/":    `an overlay of "/" (`,
			"/etc": `an overlay of "/etc", which holds "/etc/`,
			"/var": `an overlay of "/var", which holds "/var/`,
		} {
			b := newBundle(t, "bulkhead", args("cat", "/etc/shadow", "/shadow"))
			overlay(t, b, lower, "upperdir="+b.dir+"/u", "workdir="+b.dir+"/w")
			r := b.create(t)
			refused(t, r, "root.path is "+strings.ReplaceAll(why, `"`, `\"`))
			if _, err := os.Stat(b.state + "/" + b.id); err == nil {
				t.Error("the refused container has left its state")
			}
		}
	})
	t.Run("overlay-that-writes-to-the-host", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("touch", "/made"))
		at := home(t) + "/.ssh"
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		overlay(t, b, b.dir+"/lower", "upperdir="+at+"/u", "workdir="+at+"/w")
		r := b.create(t)
		refused(t, r, `root.path is an overlay of \"`+at+`/u\" (`)
	})
	t.Run("overlay-of-an-image", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("sh", "-c", "echo x > /made && cat /made"))
		overlay(t, b, b.dir+"/lower", "upperdir="+b.dir+"/u", "workdir="+b.dir+"/w")
		equal(t, "output", b.do(t, "run", "--bundle", b.dir, b.id), "x")
	})
	t.Run("somebody's-home", func(t *testing.T) {
		at := home(t)
		if err := os.Mkdir(at+"/.ssh", 0o700); err != nil {
			t.Fatal(err)
		}
		b := newBundle(t, "bulkhead", args("true"), func(s *specs.Spec) { s.Root.Path = at })
		r := b.create(t)
		refused(t, r, `root.path is \"`+at+`\", which holds \"`+at+`/.ssh\" (`)
	})
}

// home is a directory like a user's.
func home(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/home", "bulkhead-test") //nolint:usetesting // it must lie in /home
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// overlay mounts an overlay on the bundle's root. What was there is the layer on top of lower.
func overlay(t *testing.T, b *bundle, lower string, more ...string) {
	t.Helper()
	for _, dir := range []string{"/image", "/lower", "/u", "/w"} {
		if err := os.MkdirAll(b.dir+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	must(t, run(t, exec.Command("cp", "-a", b.dir+"/rootfs/.", b.dir+"/image/")))
	for _, option := range more {
		if _, dir, ok := strings.Cut(option, "="); ok {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	layers := b.dir + "/image:" + lower
	if strings.HasPrefix(b.dir, strings.TrimSuffix(lower, "/")+"/") {
		layers = lower // one layer must not lie in another
	}
	data := strings.Join(append([]string{"lowerdir=" + layers}, more...), ",")
	if err := unix.Mount("overlay", b.dir+"/rootfs", "overlay", 0, data); err != nil {
		t.Fatalf("mount overlay with %s: %v", data, err)
	}
	t.Cleanup(func() { _ = unix.Unmount(b.dir+"/rootfs", unix.MNT_DETACH) })
}
