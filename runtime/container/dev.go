package container

import (
	"path"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// coverDev mounts a tmpfs at /dev where the spec has nothing there. Every engine has one. Without it the image's own /dev
// is what devices, terminals and /dev/null are made and opened in, before and after pivot_root(2): links there are the
// precondition of CVE-2026-41579 (runc), CVE-2026-88264 and CVE-2026-88265 (crun), and a named pipe there makes
// libcontainer 1.5.2 wait forever.
func (c *creation) coverDev() {
	if slices.ContainsFunc(c.launched.Mounts, func(m specs.Mount) bool { return path.Clean("/"+m.Destination) == "/dev" }) {
		return
	}
	// First, so that mounts below /dev come after it.
	c.launched.Mounts = slices.Insert(c.launched.Mounts, 0, specs.Mount{
		Destination: "/dev", Type: "tmpfs", Source: "tmpfs",
		Options: []string{"nosuid", "noexec", "strictatime", "mode=755", "size=65536k"},
	})
	c.rec.Changes = append(c.rec.Changes, harden.Change{
		Rule: "mounts", Field: `mounts["/dev"]`, From: "absent", To: "a tmpfs",
		Why: "device files are never made in what the image has at /dev",
	})
}
