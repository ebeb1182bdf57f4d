package stats

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	libcgroups "github.com/containerd/cgroups/v3"
	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"
	"golang.org/x/sys/unix"
)

func TestFrom1(t *testing.T) {
	got := from1(&stats1.Metrics{
		Pids: &stats1.PidsStat{Current: 3, Limit: 9},
		Memory: &stats1.MemoryStat{
			Usage: &stats1.MemoryEntry{Usage: 4096, Max: 8192, Limit: 9223372036854771712},
			Swap:  &stats1.MemoryEntry{Usage: 5000},
		},
		MemoryOomControl: &stats1.MemoryOomControl{OomKill: 2},
		CPU: &stats1.CPUStat{Usage: &stats1.CPUUsage{Total: 77},
			Throttling: &stats1.Throttle{Periods: 5, ThrottledPeriods: 4, ThrottledTime: 3}},
	})
	want := Stats{
		Pids: Amount{Used: 3, Limit: 9}, Memory: Amount{Used: 4096, Peak: 8192}, Swap: Amount{Used: 904}, OOMKills: 2,
		CPU: CPU{Used: 77, Periods: 5, Throttled: 4, Waited: 3},
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := from1(&stats1.Metrics{}); got != (Stats{}) {
		t.Errorf("nothing counted: %+v", got)
	}
}

func TestFrom2(t *testing.T) {
	got := from2(&stats2.Metrics{
		Pids:         &stats2.PidsStat{Current: 3, Limit: math.MaxUint64},
		Memory:       &stats2.MemoryStat{Usage: 1, UsageLimit: 2, MaxUsage: 3, SwapUsage: 4, SwapLimit: math.MaxUint64},
		MemoryEvents: &stats2.MemoryEvents{OomKill: 6},
		CPU:          &stats2.CPUStat{UsageUsec: 7, NrPeriods: 8, NrThrottled: 9, ThrottledUsec: math.MaxUint64},
	})
	want := Stats{
		Pids: Amount{Used: 3}, Memory: Amount{Used: 1, Peak: 3, Limit: 2}, Swap: Amount{Used: 4}, OOMKills: 6,
		CPU: CPU{Used: 7 * time.Microsecond, Periods: 8, Throttled: 9, Waited: math.MaxInt64 / 1000 * time.Microsecond},
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := from2(&stats2.Metrics{}); got != (Stats{}) {
		t.Errorf("nothing counted: %+v", got)
	}
}

// A process of its own in cgroups of its own, below those of the test.
func TestStatReal(t *testing.T) {
	if libcgroups.Mode() == libcgroups.Unified {
		t.Skip("set limits: the controllers of this host are not in version 1 trees")
	}
	own, _, err := libcgroups.ParseCgroupFileUnified("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	for controller, limits := range map[string][]string{
		"pids": {"pids.max=12"}, "memory": {"memory.limit_in_bytes=67108864"}, "cpu": {"cpu.cfs_quota_us=30000"},
	} {
		dir := filepath.Join("/sys/fs/cgroup", controller, own[controller], fmt.Sprintf("bulkhead-stats-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			t.Skipf("make a cgroup: %v", err)
		}
		t.Cleanup(func() { removeCgroup(t, cmd, dir) })
		for _, l := range append(limits, "cgroup.procs="+strconv.Itoa(cmd.Process.Pid)) {
			name, value, _ := strings.Cut(l, "=")
			if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := Stat(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	cpu := CPU{Quota: 30 * time.Millisecond, Period: 100 * time.Millisecond}
	if got.Pids != (Amount{Used: 1, Limit: 12}) || got.Memory.Limit != 64<<20 || got.CPU.Quota != cpu.Quota || got.CPU.Period != cpu.Period {
		t.Errorf("got %+v", got)
	}
}

func TestStatOfNobody(t *testing.T) {
	if _, err := Stat(1 << 30); err == nil || !strings.HasPrefix(err.Error(), "read statistics of process 1073741824: ") {
		t.Errorf("got %v", err)
	}
}

// removeCgroup waits until the kernel lets the cgroup go, which is a little after its last process.
func removeCgroup(t *testing.T, cmd *exec.Cmd, dir string) {
	_, _ = cmd.Process.Kill(), cmd.Wait()
	for range 200 {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if !errors.Is(err, unix.EBUSY) {
			t.Error(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s stays busy", dir)
}
