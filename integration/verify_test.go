package integration

import (
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// raisePids is a hook of the caller's that lifts the container's limit of tasks after libcontainer has set it.
const raisePids = `
pid=$(tr ',' '\n' | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p')
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	cgroup=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$pid/cgroup")
else
	cgroup=/sys/fs/cgroup/pids$(sed -n 's/^[0-9]*:pids://p' "/proc/$pid/cgroup")
fi
echo max >"$cgroup/pids.max" && echo raised >hook-done`

// TestVerifyAgainstTheKernel has somebody change what was set before the container's program runs: create reads the kernel back,
// ends the container, and leaves nothing.
func TestVerifyAgainstTheKernel(t *testing.T) {
	requireProgram(t, "busybox")
	dir := t.TempDir()
	b := newBundle(t, "bulkhead", args("sh", "-c", "echo ran"), func(s *specs.Spec) {
		hook := specs.Hook{Path: "/bin/sh", Args: []string{"sh", "-c", "cd \"$0\"" + raisePids, dir}}
		s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{hook}}
	})
	r := b.create(t)
	if got, err := os.ReadFile(dir + "/hook-done"); err != nil || trimmed(string(got)) != "raised" {
		t.Fatalf("the hook did nothing: %q, %v; create: %s", got, err, r)
	}
	refused(t, r, "verify cgroup", "pids.max is", "max", "want")
	equal(t, "output of the container's program", strings.Contains(b.output(t, "stdout"), "ran"), false)
	refused(t, b.try(t, "state", b.id), "does not exist")
	equal(t, "cgroups", len(cgroupDirs(rawCgroup()+"/"+b.id)), 0)
}
