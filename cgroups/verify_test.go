package cgroups

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func ptr[T any](v T) *T { return &v }

func TestWant(t *testing.T) {
	for name, c := range map[string]struct {
		r    *specs.LinuxResources
		want Limits
	}{
		"nil":   {nil, Limits{}},
		"empty": {&specs.LinuxResources{Pids: &specs.LinuxPids{}, Memory: &specs.LinuxMemory{}, CPU: &specs.LinuxCPU{}}, Limits{}},
		"all": {&specs.LinuxResources{
			Pids:   &specs.LinuxPids{Limit: ptr(int64(9))},
			Memory: &specs.LinuxMemory{Limit: ptr(int64(4096)), Swap: ptr(int64(8192))},
			CPU:    &specs.LinuxCPU{Quota: ptr(int64(5)), Period: ptr(uint64(7)), Shares: ptr(uint64(3))},
		}, Limits{Pids: 9, Memory: 4096, Swap: 8192, CPUQuota: 5, CPUPeriod: 7, CPUShares: 3}},
		"unlimited": {&specs.LinuxResources{
			Pids:   &specs.LinuxPids{Limit: ptr(int64(-1))},
			Memory: &specs.LinuxMemory{Limit: ptr(int64(-1)), Swap: ptr(int64(-1))},
			CPU:    &specs.LinuxCPU{Quota: ptr(int64(-1))},
		}, Limits{}},
		"no pids": {&specs.LinuxResources{Pids: &specs.LinuxPids{Limit: ptr(int64(0))}}, Limits{Pids: 1}},
		"idle":    {&specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: ptr(uint64(2)), Idle: ptr(int64(1))}}, Limits{}},
		"unified": {&specs.LinuxResources{Unified: map[string]string{"pids.max": "4", "io.max": "x"}},
			Limits{Unified: map[string]string{"pids.max": "4"}}},
	} {
		if got := Want(c.r); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestCPUWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 0, 1: 1, 2: 1, 512: 59, 1024: 100, 2048: 174, 262144: 10000, 1 << 40: 10000} {
		if got := CPUWeight(shares); got != want {
			t.Errorf("CPUWeight(%d) = %d, want %d", shares, got, want)
		}
	}
}

var limited1 = map[string]string{
	"/proc/7/cgroup":                                              "5:pids:/docker/ab\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n0::/",
	"/sys/fs/cgroup/pids/docker/ab/pids.max":                      "1024",
	"/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes":       "67108864",
	"/sys/fs/cgroup/memory/docker/ab/memory.memsw.limit_in_bytes": "67108864",
	"/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us":       "50000",
	"/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_period_us":      "100000",
	"/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.shares":             "512",
}

var limited2 = map[string]string{
	"/proc/7/cgroup":                      "0::/s/ab",
	"/sys/fs/cgroup/s/ab/pids.max":        "1024",
	"/sys/fs/cgroup/s/ab/memory.max":      "67108864",
	"/sys/fs/cgroup/s/ab/memory.swap.max": "0",
	"/sys/fs/cgroup/s/ab/cpu.max":         "50000 100000",
	"/sys/fs/cgroup/s/ab/cpu.weight":      "59",
}

func TestVerify(t *testing.T) {
	good := Limits{Pids: 1024, Memory: 64<<20 + 5, Swap: 64<<20 + 5, CPUQuota: 50000, CPUShares: 512}
	v1 := []map[string]string{hybrid1, limited1}
	v2 := []map[string]string{pure2, limited2}
	put := func(trees []map[string]string, name, text string) []map[string]string {
		return append(trees[:2:2], map[string]string{name: text})
	}
	for _, c := range []struct {
		name  string
		trees []map[string]string
		want  Limits
		err   string
	}{
		{"v1", v1, good, ""},
		{"v2", v2, good, ""},
		{"v1 nothing asked", v1, Limits{}, ""},
		{"v1 pids", v1, Limits{Pids: 1023}, `verify cgroup "/docker/ab": pids.max is "1024", want "1023"`},
		{"v1 unlimited", put(v1, "/sys/fs/cgroup/pids/docker/ab/pids.max", "max"), good,
			`verify cgroup "/docker/ab": pids.max is "max", want "1024"`},
		{"v1 memory", put(v1, "/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "9223372036854771712"), good,
			`verify cgroup "/docker/ab": memory.limit_in_bytes is "9223372036854771712", want "67108869"`},
		{"v1 tighter is not what was asked", v1, Limits{Memory: 128 << 20},
			`verify cgroup "/docker/ab": memory.limit_in_bytes is "67108864", want "134217728"`},
		{"v1 swap", v1, Limits{Swap: 128 << 20}, `verify cgroup "/docker/ab": memory.memsw.limit_in_bytes is "67108864", want "134217728"`},
		{"v1 quota", v1, Limits{CPUQuota: 60000}, `verify cgroup "/docker/ab": cpu.cfs_quota_us is "50000 100000", want "60000 100000"`},
		{"v1 period", v1, Limits{CPUQuota: 50000, CPUPeriod: 50000},
			`verify cgroup "/docker/ab": cpu.cfs_quota_us is "50000 100000", want "50000 50000"`},
		{"v1 no quota", put(v1, "/sys/fs/cgroup/cpu,cpuacct/docker/ab/cpu.cfs_quota_us", "-1"), good,
			`verify cgroup "/docker/ab": cpu.cfs_quota_us is "-1 100000", want "50000 100000"`},
		{"v1 shares", v1, Limits{CPUShares: 513}, `verify cgroup "/docker/ab": cpu.shares is "512", want "513"`},
		{"v1 systemd rounds up", v1, Limits{CPUQuota: 49001}, ""},
		{"v1 rounding down is no rounding", v1, Limits{CPUQuota: 50001},
			`verify cgroup "/docker/ab": cpu.cfs_quota_us is "50000 100000", want "50001 100000"`},
		{"v1 ignores unified", v1, Limits{Pids: 1024, Unified: map[string]string{"pids.max": "5"}}, ""},
		{"v1 in the root", put(v1, "/proc/7/cgroup", "5:pids:/\n4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n"), good,
			`verify cgroup "/": pids.max is missing, want "1024"`},
		{"v1 no controller", put(v1, "/proc/7/cgroup", "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n"), good,
			`verify cgroups of process 7: no cgroup with the controller "pids"`},
		{"v1 no controller, nothing asked", put(v1, "/proc/7/cgroup", "4:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n"),
			Limits{Memory: 64 << 20}, ""},
		{"v2 pids", put(v2, "/sys/fs/cgroup/s/ab/pids.max", "max"), good, `verify cgroup "/s/ab": pids.max is "max", want "1024"`},
		{"v2 memory", put(v2, "/sys/fs/cgroup/s/ab/memory.max", "max"), good, `verify cgroup "/s/ab": memory.max is "max", want "67108869"`},
		{"v2 swap", put(v2, "/sys/fs/cgroup/s/ab/memory.swap.max", "max"), good, `verify cgroup "/s/ab": memory.swap.max is "max", want "0"`},
		{"v2 quota", put(v2, "/sys/fs/cgroup/s/ab/cpu.max", "max 100000"), good,
			`verify cgroup "/s/ab": cpu.max is "max 100000", want "50000 100000"`},
		{"v2 weight", put(v2, "/sys/fs/cgroup/s/ab/cpu.weight", "100"), good, `verify cgroup "/s/ab": cpu.weight is "100", want "59"`},
		{"v2 unified", v2, Limits{Pids: 9, Unified: map[string]string{"pids.max": "1024", "cpu.max": "50000"}}, ""},
		{"v2 unified differs", v2, Limits{Unified: map[string]string{"memory.max": "4096"}},
			`verify cgroup "/s/ab": memory.max is "67108864", want "4096"`},
		{"outside", put(v2, "/proc/7/cgroup", "0::/../ab"), good, `verify cgroup "/../ab": it is not below the mount at "/sys/fs/cgroup"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := files(t, append([]map[string]string{machine}, c.trees...)...).verify("7", c.want); text(err) != c.err {
				t.Errorf("got %q, want %q", text(err), c.err)
			}
		})
	}
}

func TestVerifyWithoutSwapAccounting(t *testing.T) {
	tree := map[string]string{"/proc/7/cgroup": "0::/s", "/sys/fs/cgroup/s/memory.max": "67108864"}
	want := Limits{Memory: 64 << 20, Swap: 64 << 20}
	if err := files(t, machine, pure2, tree).verify("7", want); err != nil {
		t.Errorf("no swap on the host: %v", err)
	}
	swapping := map[string]string{"/proc/swaps": machine["/proc/swaps"] + "\n/dev/sda2\tpartition\t1\t0\t-2"}
	err := files(t, machine, pure2, tree, swapping).verify("7", want)
	if text(err) != `verify cgroup "/s": memory.swap.max is missing, want "0"` {
		t.Errorf("got %q", text(err))
	}
}

// realCgroup makes a cgroup below the test's own in every tree that has limits, puts a sleeping process into it, and
// removes it in the end. It returns the process and the directory of each controller.
func realCgroup(t *testing.T) (int, map[string]string) {
	t.Helper()
	trees, err := host("/").hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	own, err := host("/").membership("self")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	made := map[string]string{}
	for _, c := range []string{"pids", "memory", "cpu"} {
		cgroup, _ := member(own, trees[c], c)
		dir, ok := trees[c].dir(cgroup)
		if !ok {
			t.Skipf("find the test's own cgroup: %q has no mount", c)
		}
		dir = filepath.Join(dir, fmt.Sprintf("bulkhead-test-%d", os.Getpid()))
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			t.Skipf("make a cgroup: %v", err)
		}
		t.Cleanup(func() { removeCgroup(t, cmd, dir) })
		write(t, dir, "cgroup.procs", strconv.Itoa(cmd.Process.Pid))
		made[c] = dir
	}
	return cmd.Process.Pid, made
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

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// The kernel of this machine against Verify: what is written is found, what is not written is missed.
func TestVerifyReal(t *testing.T) {
	pid, dirs := realCgroup(t)
	trees, err := host("/").hierarchies()
	if err != nil {
		t.Fatal(err)
	}
	if trees["pids"].version != 1 || trees["memory"].version != 1 || trees["cpu"].version != 1 {
		t.Skip("set limits: the controllers of this host are not in version 1 trees")
	}
	want := Limits{Pids: 12, Memory: 64<<20 + 4097, Swap: 64<<20 + 4097, CPUQuota: 33333, CPUPeriod: 50000, CPUShares: 300}
	cgroup, _ := trees["pids"].dir("/")
	rel, err := filepath.Rel(cgroup, dirs["pids"])
	if err != nil {
		t.Fatal(err)
	}
	wantErr := func(cause string) {
		t.Helper()
		if cause != "" {
			cause = fmt.Sprintf("verify cgroup %q: %s", "/"+rel, cause)
		}
		if err := Verify(pid, want); text(err) != cause {
			t.Errorf("got %q, want %q", text(err), cause)
		}
	}
	wantErr(`pids.max is "max", want "12"`)
	write(t, dirs["pids"], "pids.max", "12")
	write(t, dirs["memory"], "memory.limit_in_bytes", "67112961")
	write(t, dirs["memory"], "memory.memsw.limit_in_bytes", "67112961")
	write(t, dirs["cpu"], "cpu.cfs_period_us", "50000")
	write(t, dirs["cpu"], "cpu.cfs_quota_us", "33333")
	write(t, dirs["cpu"], "cpu.shares", "300")
	wantErr("")
	write(t, dirs["pids"], "pids.max", "13")
	wantErr(`pids.max is "13", want "12"`)
}

func BenchmarkVerify(b *testing.B) {
	want := Limits{Pids: 1}
	for b.Loop() {
		if err := Verify(os.Getpid(), want); err == nil {
			b.Fatal("the benchmark runs with one process?")
		}
	}
}
