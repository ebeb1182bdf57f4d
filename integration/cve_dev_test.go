package integration

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Flaws of how a runtime fills /dev and masks /proc. Most need an image whose own /dev is seen: no engine does that, and
// the runtime mounts a tmpfs there in any case.
var devCVEs = []cve{
	{"2025-31133", func(t *testing.T) {
		c := newCanary(t)
		for _, target := range []string{"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", c.dir + "/null", "/dev/zero"} {
			b := newBundle(t, "bulkhead", withoutMounts("/dev"))
			b.replace(t, "/dev/null", `ln -s "$2" "$1"`, target)
			must(t, b.create(t))
			b.do(t, "start", b.id)
			equal(t, "bytes of a masked file", b.do(t, "exec", b.id, "sh", "-c", "cat /proc/kcore | wc -c"), "0")
			refused(t, b.try(t, "exec", b.id, "sh", "-c", "echo x >/proc/sys/kernel/core_pattern"))
			refused(t, b.try(t, "exec", b.id, "sh", "-c", "echo x >/proc/kcore && cat /proc/sys/kernel/core_pattern | grep -x x"))
			b.harmless(t, c, "a link at /dev/null")
		}
	}},
	{"2025-52565", func(t *testing.T) { terminals(t, "/dev/console", "/dev/pts", "/dev/pts/0", "/dev/ptmx") }},
	{"2026-41579", func(t *testing.T) {
		c := newCanary(t)
		for how, target := range c.targets() {
			b := newBundle(t, "bulkhead", withoutMounts("/dev"))
			b.replace(t, "/dev", `ln -s "$2" "$1"`, target)
			b.survive(t, c, how+" link at /dev")
		}
	}},
	{"2026-88264", func(t *testing.T) { terminals(t, "/dev/console") }},
	{"2026-88265", func(t *testing.T) {
		// The caller's standard streams are /dev/null here, which libcontainer opens again in the container.
		c := newCanary(t)
		for _, readonly := range []bool{false, true} {
			b := newBundle(t, "bulkhead", withoutMounts("/dev"), func(s *specs.Spec) { s.Root.Readonly = readonly })
			b.replace(t, "/dev/null", `ln -s "$2" "$1"`, strings.Repeat("../", 40)+c.dir+"/null")
			equal(t, "runs", b.survive(t, c, "a link at /dev/null"), true)
		}
	}},
}

// harmless deletes the container and looks at the host.
func (b *bundle) harmless(t testing.TB, c *canary, what string) {
	t.Helper()
	b.do(t, "delete", "--force", b.id)
	c.unchanged(t, what)
}

// terminals gives containers a terminal while the image has links at the places of terminals.
func terminals(t *testing.T, places ...string) {
	c := newCanary(t)
	for _, at := range places {
		for _, readonly := range []bool{false, true} {
			b := newBundle(t, "bulkhead", withoutMounts("/dev"), func(s *specs.Spec) {
				s.Process.Terminal, s.Root.Readonly = true, readonly
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}})
			})
			b.replace(t, at, `ln -s "$2" "$1"`, c.dir+"/console")
			receive := consoleSocket(t, b.dir+"/c")
			r := b.create(t, "--console-socket", b.dir+"/c")
			if r.code == 0 {
				defer receive().Close()
				noForeignMounts(t, b, b.pid(t), "a terminal")
				b.do(t, "start", b.id)
			} else {
				plainError(t, "a terminal with a link at "+at, r)
			}
			b.harmless(t, c, "a terminal with a link at "+at)
		}
	}
}
