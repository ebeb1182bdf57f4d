package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// delegate makes a cgroup for the user, as systemd does with Delegate= (cgroups(7), "Cgroups delegation"), with a cgroup
// of the engine's own in it. On version 2 with these controllers only; version 1 has a tree for each.
func (n *nobody) delegate(t testing.TB, controllers ...string) {
	t.Helper()
	above := "/" + filepath.Base(n.dir)
	n.cgroup = above + "/user"
	t.Cleanup(func() {
		if err := removeCgroup(above); err != nil {
			t.Error(err)
		}
	})
	must(t, run(t, exec.Command("sh", "-c", delegateScript, "sh", above, strconv.Itoa(nobodyID), strings.Join(controllers, " "))))
	// A tree of version 2 lets a user move processes only within what is delegated, also where it is beside those of version 1.
	top := "/sys/fs/cgroup"
	if !unified() {
		top += "/unified"
	}
	var err error
	if n.joins, err = os.Open(top + n.cgroup + "/engine"); errors.Is(err, os.ErrNotExist) && !unified() {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.joins.Close() })
}

// delegateScript makes $1/user for the user $2, on version 2 with the controllers $3.
const delegateScript = `set -e
tops=/sys/fs/cgroup
[ -e $tops/cgroup.controllers ] || tops=$(dirname $tops/*/cgroup.procs)
for top in $tops; do
	mkdir -p "$top$1/user/engine"
	if [ "$top" = /sys/fs/cgroup ]; then
		for c in $3; do
			for d in "$top" "$top$1"; do echo "+$c" >"$d/cgroup.subtree_control"; done
		done
	fi
	for f in cpuset.cpus cpuset.mems; do
		for d in "$1" "$1/user"; do [ ! -e "$top/$f" ] || cat "$top/$f" >"$top$d/$f"; done
	done
	for f in user user/engine user/cgroup.procs user/engine/cgroup.procs user/cgroup.subtree_control; do
		[ ! -e "$top$1/$f" ] || chown "$2:$2" "$top$1/$f"
	done
done`

// limited is a spec with limits in the user's own cgroup.
func (n *nobody) limited(id string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		memory, pids := int64(64<<20), int64(50)
		s.Linux.CgroupsPath = n.cgroup + "/" + id
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &memory}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
	}
}

// TestRootlessLimits: in a cgroup that was delegated to an unprivileged user limits hold as they do for root, and what was
// not set is an error.
func TestRootlessLimits(t *testing.T) {
	n := newNobody(t)
	n.delegate(t, "cpu", "memory", "pids")
	t.Run("enforced", func(t *testing.T) {
		pid := n.create(t, n.bundle(t, n.limited("c1")), "c1")
		must(t, n.runtime(t, "start", "c1"))
		equal(t, "memory", cgroupValue(t, pid, "memory", memoryLimitFile()), "67108864")
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "50")
		checkBounded(t, pid)
		equal(t, "a note of limits", strings.Contains(n.record(t, "c1"), "rootless: no limit of this container holds"), false)
		must(t, n.runtime(t, "update", "--memory", "96M", "--pids-limit", "70", "c1"))
		equal(t, "memory after an update", cgroupValue(t, pid, "memory", memoryLimitFile()), "100663296")
		equal(t, "pids after an update", cgroupValue(t, pid, "pids", "pids.max"), "70")
		must(t, n.runtime(t, "update", "--pids-limit", "-1", "c1"))
		equal(t, "pids after an update to none", cgroupValue(t, pid, "pids", "pids.max"), "32768")
		equal(t, "cgroup of an exec", escapes(must(t, n.runtime(t, "exec", "c1", "cat", "/proc/self/cgroup"))), "")
		for _, group := range []string{"nosuch", "../..", "../engine"} {
			r := n.runtime(t, "exec", "--cgroup", group, "c1", "cat", "/proc/self/cgroup")
			refused(t, r)
			if strings.Contains(r.stdout, "0::") {
				t.Errorf("exec --cgroup %s has run in %s", group, r.stdout)
			}
		}
	})
	t.Run("lifted-before-the-program-runs", func(t *testing.T) {
		dir := n.bundle(t, func(s *specs.Spec) {
			n.limited("c2")(s)
			s.Process.Args = []string{"sh", "-c", "echo ran"}
			s.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/bin/sh", Args: []string{"sh", "-c", "cd \"$0\"" + raisePids, n.dir}}}}
		})
		r := n.runtime(t, "create", "--bundle", dir, "c2")
		t.Cleanup(func() { must(t, n.runtime(t, "delete", "--force", "c2")) })
		if got, err := os.ReadFile(n.dir + "/hook-done"); err != nil || trimmed(string(got)) != "raised" {
			t.Fatalf("the hook did nothing: %q, %v; create: %s", got, err, r)
		}
		refused(t, r, "verify cgroup", "pids.max is", "max", "want")
		refused(t, n.runtime(t, "state", "c2"), "does not exist")
		equal(t, "cgroups", len(cgroupDirs(n.cgroup+"/c2")), 0)
	})
}

// TestRootlessController: where a controller was not delegated its limits are on record as not enforced, all others hold.
func TestRootlessController(t *testing.T) {
	if !unified() {
		t.Skip("version 1 has a tree for each controller: nothing is delegated in part")
	}
	n := newNobody(t)
	n.delegate(t, "memory", "pids")
	pid := n.create(t, n.bundle(t, n.limited("c1")), "c1")
	must(t, n.runtime(t, "start", "c1"))
	equal(t, "memory", cgroupValue(t, pid, "memory", "memory.max"), "67108864")
	equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "50")
	record := n.record(t, "c1")
	equal(t, "a note of the CPU's limits", strings.Contains(record, "rootless: the controller cpu is not delegated to this user"), true)
	equal(t, "a note of the memory's limit", strings.Contains(record, "rootless: the controller memory"), false)
	refused(t, n.runtime(t, "update", "--cpu-quota", "50000", "c1"), `update \"c1\": `, "the controller cpu is not delegated to this user")
	must(t, n.runtime(t, "update", "--memory", "96M", "c1"))
	equal(t, "memory after an update", cgroupValue(t, pid, "memory", "memory.max"), "100663296")
}

// TestRootlessWithoutCgroup: where the user may write no cgroup the record says that no limit holds, and what needs one is
// refused. Whatever the spec names as its cgroup, the user's other processes are left alone.
func TestRootlessWithoutCgroup(t *testing.T) {
	for name, path := range map[string]string{"none-asked": "", "one-of-roots": "/nosuch/c1", "relative": "nosuch/c1"} {
		t.Run(name, func(t *testing.T) {
			n := newNobody(t)
			pid := n.create(t, n.bundle(t, func(s *specs.Spec) { s.Linux.CgroupsPath = path }), "c1")
			must(t, n.runtime(t, "start", "c1"))
			equal(t, "the record has a note", strings.Contains(n.record(t, "c1"), "rootless: no limit of this container holds"), true)
			equal(t, "cgroup", procFile(t, pid, "cgroup"), procFile(t, os.Getpid(), "cgroup"))
			for _, limit := range [][]string{{"--memory", "96M"}, {"--pids-limit", "70"}, {"--cpu-quota", "50000"}} {
				refused(t, n.runtime(t, append(append([]string{"update"}, limit...), "c1")...), `update \"c1\": `, "the container has no cgroup: this user may not write a cgroup at")
			}
			refused(t, n.runtime(t, "pause", "c1"), `pause \"c1\": `, "the container has no cgroup: this user may not write a cgroup at")
			equal(t, "the container", must(t, n.runtime(t, "exec", "c1", "echo", "runs")), "runs")
			must(t, n.runtime(t, "delete", "--force", "c1"))
			if s := processState(strconv.Itoa(pid)); s != "" && s != "Z" {
				t.Errorf("the container's process is still there, in state %s", s)
			}
			equal(t, "state of another process of the user", processState(strconv.Itoa(n.holder.Process.Pid)), "S")
		})
	}
}
