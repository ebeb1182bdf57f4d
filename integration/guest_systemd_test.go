package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// execed tells whether the container's first process runs its program: it was the runtime's own before.
func execed(pid int) error {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err == nil && trimmed(string(name)) != "sleep" {
		err = fmt.Errorf("is still %q", trimmed(string(name)))
	}
	return err
}

// TestSystemdCgroup has systemd make the cgroups, and compares its properties with the kernel's files.
func TestSystemdCgroup(t *testing.T) {
	requireRoot(t)
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		t.Skipf("systemd is not the first process: %v", err)
	}
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) { testSystemdCgroup(t, runtime) })
	}
}

func testSystemdCgroup(t *testing.T, runtime string) {
	limit := int64(64 << 20)
	pids := int64(50)
	b := newBundle(t, runtime, func(s *specs.Spec) {
		s.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &limit}
		s.Linux.Resources.Pids = &specs.LinuxPids{Limit: &pids}
		s.Linux.CgroupsPath = "bhtest.slice:bh:" + path.Base(s.Linux.CgroupsPath)
	})
	must(t, b.withFiles(t, "--systemd-cgroup", "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
	pid := b.pid(t)
	unit := "bh-" + b.id + ".scope"
	equal(t, "cgroup", trimmed(procFile(t, pid, "cgroup")), "0::/bhtest.slice/"+unit)
	equal(t, "properties", unitProperties(t, unit), "MemoryMax=67108864 TasksMax=50")
	b.do(t, "start", b.id)
	b.do(t, "update", "--memory", "96M", "--pids-limit", "70", b.id)
	equal(t, "memory", cgroupValue(t, pid, "memory", "memory.max"), "100663296")
	equal(t, "properties after an update", unitProperties(t, unit), "MemoryMax=100663296 TasksMax=70")
	b.do(t, "pause", b.id)
	equal(t, "frozen", strings.Contains(cgroupValue(t, pid, "memory", "cgroup.events"), "frozen 1"), true)
	equal(t, "status", b.status(t), "paused")
	b.do(t, "resume", b.id)
	if runtime == "bulkhead" {
		checkHardened(t, pid)
		checkBounded(t, pid)
	}
	b.do(t, "delete", "--force", b.id)
	eventually(t, "the end of the scope", func() error {
		if got := unitState(t, unit); got != "inactive" {
			return fmt.Errorf("is %s", got)
		}
		return nil
	})
}

func unitProperties(t testing.TB, unit string) string {
	t.Helper()
	return strings.Join(strings.Fields(must(t, run(t, exec.Command("systemctl", "show", "-p", "MemoryMax", "-p", "TasksMax", unit)))), " ")
}

func unitState(t testing.TB, unit string) string {
	t.Helper()
	return must(t, run(t, exec.Command("systemctl", "show", "-P", "ActiveState", unit)))
}
