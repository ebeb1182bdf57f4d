package cgroups

import (
	"os"
	"path/filepath"
	"testing"
)

// files writes a tree of files and returns its root.
func files(t *testing.T, trees ...map[string]string) host {
	t.Helper()
	root := t.TempDir()
	for _, tree := range trees {
		for name, text := range tree {
			p := filepath.Join(root, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return host(root)
}

// machine is what both versions have.
var machine = map[string]string{
	"/proc/meminfo":                  "MemTotal:       16384000 kB\nMemFree:        1 kB",
	"/proc/swaps":                    "Filename\tType\tSize\tUsed\tPriority",
	"/sys/devices/system/cpu/online": "0-3,6",
}

// hybrid1 is a version 1 host whose version 2 tree has nothing but hugetlb.
var hybrid1 = map[string]string{
	"/proc/thread-self/mountinfo": `22 1 8:1 / / rw,relatime - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate`,
	"/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb",
	"/proc/self/cgroup":                         "5:pids:/\n4:memory:/engine\n3:devices:/\n2:cpu,cpuacct:/engine\n1:name=systemd:/\n0::/",
	"/proc/1/cgroup":                            "5:pids:/\n4:memory:/init.scope\n2:cpu,cpuacct:/\n0::/init.scope",

	"/sys/fs/cgroup/memory/memory.limit_in_bytes":         "9223372036854771712",
	"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes":   "9223372036854771712",
	"/sys/fs/cgroup/memory/docker/memory.limit_in_bytes":  "4294967296",
	"/sys/fs/cgroup/memory/engine/memory.limit_in_bytes":  "2147483648",
	"/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us":  "250000",
	"/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us": "100000",
	"/sys/fs/cgroup/cpu,cpuacct/engine/cpu.cfs_quota_us":  "-1",
	"/sys/fs/cgroup/cpu,cpuacct/engine/cpu.cfs_period_us": "100000",
	"/sys/fs/cgroup/pids/docker/pids.max":                 "max",
	"/sys/fs/cgroup/memory/a.slice/memory.limit_in_bytes": "1073741824",
	"/sys/fs/cgroup/pids/a.slice/a-b.slice/pids.max":      "77",
}

// pure2 is a version 2 host under systemd.
var pure2 = map[string]string{
	"/proc/thread-self/mountinfo":                                    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate",
	"/sys/fs/cgroup/cgroup.controllers":                              "cpuset cpu io memory hugetlb pids rdma misc",
	"/proc/self/cgroup":                                              "0::/system.slice/containerd.service",
	"/proc/1/cgroup":                                                 "0::/init.scope",
	"/sys/fs/cgroup/system.slice/cpu.max":                            "150000 100000",
	"/sys/fs/cgroup/system.slice/memory.max":                         "max",
	"/sys/fs/cgroup/system.slice/memory.swap.max":                    "max",
	"/sys/fs/cgroup/system.slice/pids.max":                           "4000",
	"/sys/fs/cgroup/kubepods.slice/memory.max":                       "8589934592",
	"/sys/fs/cgroup/kubepods.slice/memory.swap.max":                  "max",
	"/sys/fs/cgroup/kubepods.slice/cpu.max":                          "max 100000",
	"/sys/fs/cgroup/kubepods.slice/pids.max":                         "max",
	"/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/pids.max":     "0",
	"/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/memory.max":   "134217728",
	"/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cpu.max":      "500 100000",
	"/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/x/memory.max": "4096",
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
