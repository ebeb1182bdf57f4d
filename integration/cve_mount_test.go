package integration

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Flaws of how a runtime mounts into a root that somebody else changes.
var mountCVEs = []cve{
	{"2019-16884", func(t *testing.T) {
		for _, at := range []string{"/proc", "/proc/self", "/proc/self/attr", "//proc/./"} {
			for kind, edit := range map[string]func(*specs.Spec){"tmpfs": tmpfsAt(at), "volume": bindMount(sharedDir(t), at)} {
				for _, edits := range [][]func(*specs.Spec){{edit}, {withoutMounts("/proc"), edit}} {
					b := newBundle(t, "bulkhead", edits...)
					r := b.create(t)
					if r.code == 0 {
						t.Errorf("a %s at %s was mounted", kind, at)
					}
					refused(t, r, "refused by profile", "(rule mounts)")
				}
			}
		}
	}},
	{"2019-19921", func(t *testing.T) { raceProc(t, true) }},
	{"2023-27561", func(t *testing.T) { raceProc(t, false) }},
	{"2021-30465", func(t *testing.T) { raceDestination(t, sharedDir(t), tmpfsAt("/vol/swap/sub")) }},
	{"2024-45310", func(t *testing.T) {
		shared := sharedDir(t)
		raceDestination(t, shared, bindMount(shared, "/vol/swap/made/by/the/runtime"), bindMount(shared+"/file", "/vol/swap/made/file"))
	}},
	{"2025-52881", func(t *testing.T) {
		c := newCanary(t)
		for _, at := range []string{"/proc/self/attr", "/proc/thread-self/attr/exec", "/proc/sys/kernel", "/proc/1", "/x/self/attr", "/x/sys"} {
			b := newBundle(t, "bulkhead", bindMount(c.shared, at), func(s *specs.Spec) { s.Linux.Sysctl = map[string]string{"net.ipv4.ip_unprivileged_port_start": "0"} })
			b.replace(t, "/x", `ln -s /proc "$1"`)
			if b.survive(t, c, "a volume at "+at) {
				t.Errorf("a volume at %s was mounted", at)
			}
		}
	}},
}

// raceProc has /proc of the image be a link into a volume, where an attacker keeps a false proc. With change the attacker
// swaps the link's target for a directory all the time.
func raceProc(t *testing.T, change bool) {
	c := newCanary(t)
	volume := t.TempDir()
	for _, dir := range []string{"/proc/self/attr", "/proc/sys/kernel", "/other"} {
		if err := os.MkdirAll(volume+dir, 0o777); err != nil { //nolint:gosec // an attacker's
			t.Fatal(err)
		}
	}
	if err := os.Symlink(c.dir, volume+"/link"); err != nil {
		t.Fatal(err)
	}
	c.shared = volume
	if change {
		defer exchange(t, volume+"/proc", volume+"/link")()
	}
	for range 20 {
		b := newBundle(t, "bulkhead", func(s *specs.Spec) {
			bindMount(volume, "/vol")(s)
			last := len(s.Mounts) - 1
			s.Mounts = append([]specs.Mount{s.Mounts[last]}, s.Mounts[:last]...)
		})
		b.replace(t, "/proc", `ln -s vol/proc "$1"`)
		if b.survive(t, c, "a link at /proc") {
			t.Error("a link at /proc was mounted upon")
		}
	}
}

// raceDestination mounts below a directory of a volume that an attacker swaps for a link to the host all the time.
func raceDestination(t *testing.T, shared string, mounts ...func(*specs.Spec)) {
	c := newCanary(t)
	volume := t.TempDir()
	if err := os.Mkdir(volume+"/swap", 0o777); err != nil { //nolint:gosec // an attacker's
		t.Fatal(err)
	}
	if err := os.Symlink(strings.Repeat("../", 40)+c.dir, volume+"/link"); err != nil {
		t.Fatal(err)
	}
	stop := exchange(t, volume+"/swap", volume+"/link")
	defer stop()
	for range 30 {
		b := newBundle(t, "bulkhead", append([]func(*specs.Spec){bindMount(volume, "/vol")}, mounts...)...)
		r := b.create(t)
		if r.code == 0 {
			noForeignMounts(t, b, b.pid(t), "a mount below a changing directory", volume, shared)
			if data, err := os.ReadFile(procRoot(t, b, c.dir+"/secret")); err == nil {
				t.Errorf("the container sees %q of the host", data)
			}
		} else {
			plainError(t, "a mount below a changing directory", r)
		}
		b.do(t, "delete", "--force", b.id)
		c.unchanged(t, "a mount below a changing directory")
	}
}

func procRoot(t testing.TB, b *bundle, path string) string {
	t.Helper()
	return "/proc/" + b.output(t, "pid") + "/root" + path
}

// exchange swaps two names, over and over, until the function that it gives is called.
func exchange(t testing.TB, a, b string) func() {
	t.Helper()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
				_ = unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
			}
		}
	}()
	return func() { close(stop); <-ended }
}
