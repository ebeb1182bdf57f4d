package integration

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A canary is a tree of the host that a hostile image points at: its names are those that a runtime makes, mounts upon
// or removes when it follows a link out of the container.
type canary struct {
	dir string
	// shared is what the containers are given.
	shared string
	before map[string]string
}

// secret is in a file of the canary. No container may read it.
const secret = "only the host knows this"

func newCanary(t testing.TB) *canary {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"pts", "shm", "mqueue", "fd", "sub", "self/attr", "sys/kernel"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil { //nolint:gosec // reachable on purpose
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ptmx", "null", "console", "stdin", "core", "hosts", "resolv.conf", "pts/ptmx", "secret", "self/attr/exec", "kcore"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o666); err != nil { //nolint:gosec // writable on purpose
			t.Fatal(err)
		}
	}
	c := &canary{dir: dir, shared: sharedDir(t)}
	c.before = c.snapshot(t)
	return c
}

// snapshot describes the canary and the host's own devices and settings. The change time covers every change of owner or mode.
func (c *canary) snapshot(t testing.TB) map[string]string {
	t.Helper()
	found := map[string]string{}
	describe := func(path string, change bool) {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		found[path] = fmt.Sprintf("mode %o owner %d:%d device %d links %d", st.Mode, st.Uid, st.Gid, st.Rdev, st.Nlink)
		if change {
			found[path] += fmt.Sprintf(" size %d changed %d.%d", st.Size, st.Ctim.Sec, st.Ctim.Nsec)
		}
	}
	err := filepath.WalkDir(c.dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			describe(path, true)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "shm", "mqueue", "pts"} {
		if path := "/dev/" + name; exists(path) {
			describe(path, false)
		}
	}
	for _, path := range []string{"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/etc/passwd", "/etc/shadow"} {
		if data, err := os.ReadFile(path); err == nil {
			found["content of "+path] = string(data)
		}
	}
	return found
}

// unchanged fails the test when anything of the host is different now.
func (c *canary) unchanged(t testing.TB, after string) {
	t.Helper()
	now := c.snapshot(t)
	for path, was := range c.before {
		if now[path] != was {
			t.Errorf("after %s the host's %s is %q, was %q", after, path, now[path], was)
		}
	}
	for path := range now {
		if _, ok := c.before[path]; !ok {
			t.Errorf("after %s the host has a new %s", after, path)
		}
	}
}

// survive creates, starts, enters and deletes the container. It may be refused, with one line and no crash. The first
// value tells whether it ran. Either way the host is as before.
func (b *bundle) survive(t testing.TB, c *canary, what string, options ...string) bool {
	t.Helper()
	before := hostMounts(t)
	r := b.create(t, options...)
	ran := r.code == 0
	if ran {
		noForeignMounts(t, b, b.pid(t), what, c.shared)
		_ = b.try(t, "start", b.id)
		_ = b.try(t, "exec", b.id, "sh", "-c", "for f in null console ptmx; do timeout -s KILL 1 dd if=/dev/$f of=/dev/$f bs=1 count=1; done; ls -laR /dev /mnt; head -c 1 /proc/kcore")
	} else {
		plainError(t, what, r)
	}
	b.do(t, "delete", "--force", b.id)
	for m := range hostMounts(t) {
		if !before[m] && (strings.Contains(m, b.dir) || strings.Contains(m, c.dir) || strings.Contains(m, "bulkhead") || strings.Contains(m, " /dev")) {
			t.Errorf("after %s the host has the mount %s", what, m)
		}
	}
	c.unchanged(t, what)
	return ran
}

// plainError asserts that a failed command said one thing and did not crash.
func plainError(t testing.TB, what string, r result) {
	t.Helper()
	if r.stderr == "" || strings.Contains(r.stderr, "panic") || strings.Contains(r.stderr, "goroutine ") || strings.Contains(r.stderr, "BUG:") {
		t.Errorf("%s: want one plain error: %s", what, r)
	}
}

// noForeignMounts asserts that whatever a container has mounted from the file system of the bundle lies in the bundle or
// was given to it.
func noForeignMounts(t testing.TB, b *bundle, pid int, what string, given ...string) {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(b.dir, &st); err != nil {
		t.Fatal(err)
	}
	device := fmt.Sprintf("%d:%d", st.Dev>>8&0xfff, st.Dev&0xff|st.Dev>>12&0xfff00)
	for _, line := range strings.Split(strings.TrimSpace(procFile(t, pid, "mountinfo")), "\n") {
		f := strings.Fields(line)
		inside := func(dir string) bool { return f[3] == dir || strings.HasPrefix(f[3], dir+"/") }
		if f[2] == device && !slices.ContainsFunc(append(given, b.dir), inside) {
			t.Errorf("%s: the container has a mount of the host's %s: %s", what, f[3], line)
		}
	}
}

// withoutMounts drops the spec's mounts at and below some places: the image's own files are seen there then.
func withoutMounts(places ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = slices.DeleteFunc(s.Mounts, func(m specs.Mount) bool {
			return slices.ContainsFunc(places, func(p string) bool {
				return m.Destination == p || strings.HasPrefix(m.Destination, p+"/")
			})
		})
	}
}

func bindMount(source, at string, options ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: at, Type: "bind", Source: source, Options: append([]string{"bind", "rw"}, options...)})
	}
}

func tmpfsAt(at string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: at, Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "nodev", "size=64k"}})
	}
}

// replace puts something of the attacker's at a path of the image, by a shell command with the path in $1.
func (b *bundle) replace(t testing.TB, path, script string, more ...string) {
	t.Helper()
	at := b.dir + "/rootfs" + path
	cmd := exec.Command("sh", append([]string{"-euc", `mkdir -p "$(dirname "$1")"; rm -rf "$1"; ` + script, "sh", at}, more...)...)
	must(t, run(t, cmd))
}

// targets are the ways in which an image says where a link leads.
func (c *canary) targets() map[string]string {
	return map[string]string{
		"absolute":  c.dir,
		"relative":  strings.Repeat("../", 40) + strings.TrimPrefix(c.dir, "/"),
		"magic":     "/proc/self/root" + c.dir,
		"init-root": "/proc/1/root" + c.dir,
		"cwd":       "/proc/self/cwd",
		"fd":        "/proc/self/fd/7",
		"chain":     "/chain",
		"loop":      "/loop",
	}
}

// TestHostileLinks has an image with links out of the container wherever the runtime makes, mounts or opens something.
func TestHostileLinks(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	c := newCanary(t)
	shared := c.shared
	places := []struct {
		at    string
		leaf  string // of the canary, that the link leads to
		edits []func(*specs.Spec)
	}{
		{"/dev", "", []func(*specs.Spec){withoutMounts("/dev")}},
		{"/dev/null", "/null", []func(*specs.Spec){withoutMounts("/dev")}},
		{"/dev/console", "/console", []func(*specs.Spec){withoutMounts("/dev")}},
		{"/dev/ptmx", "/ptmx", []func(*specs.Spec){withoutMounts("/dev")}},
		{"/dev/fd", "/fd", []func(*specs.Spec){withoutMounts("/dev")}},
		{"/dev/shm", "/shm", []func(*specs.Spec){withoutMounts("/dev"), tmpfsAt("/dev/shm")}},
		{"/dev", "", nil},
		{"/proc", "", nil},
		{"/sys", "/sys", nil},
		{"/etc", "", []func(*specs.Spec){bindMount(shared+"/file", "/etc/hosts")}},
		{"/etc/resolv.conf", "/resolv.conf", []func(*specs.Spec){bindMount(shared+"/file", "/etc/resolv.conf")}},
		{"/mnt", "/sub", []func(*specs.Spec){tmpfsAt("/mnt")}},
		{"/mnt/a", "", []func(*specs.Spec){bindMount(shared, "/mnt/a/new/directory")}},
		{"/mnt/file", "/secret", []func(*specs.Spec){bindMount(shared+"/file", "/mnt/file")}},
		{"/masked", "/secret", []func(*specs.Spec){func(s *specs.Spec) {
			s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/masked")
			s.Linux.ReadonlyPaths = append(s.Linux.ReadonlyPaths, "/masked")
		}}},
	}
	for _, p := range places {
		for how := range c.targets() {
			t.Run(fmt.Sprintf("%s/%s/mounts-%d", strings.TrimPrefix(p.at, "/"), how, len(p.edits)), func(t *testing.T) {
				b := newBundle(t, "bulkhead", p.edits...)
				target := c.targets()[how]
				if how != "fd" && how != "cwd" && how != "loop" {
					target += p.leaf
				}
				b.replace(t, "/chain", `ln -s "$2" "$1"`, "/chain2")
				b.replace(t, "/chain2", `ln -s "$2" "$1"`, c.dir)
				b.replace(t, "/loop", `ln -s loop "$1"`)
				b.replace(t, p.at, `ln -s "$2" "$1"`, target)
				b.survive(t, c, p.at+" -> "+target)
			})
		}
	}
}
