// Package cgroups knows the host's capacity, reads limits back from the kernel, and gives statistics.
//
// It never writes a cgroup: libcontainer is the one writer.
package cgroups

// A Capacity is what this host, or the cgroup above a container, has to give. It is plain data, so that the rule
// table can be pure.
type Capacity struct {
	// Version of the cgroup hierarchy that carries the memory controller: 1 or 2.
	Version int `json:"version"`
	// Memory of the host in bytes, or of the tightest memory limit above the container when that is less.
	Memory int64 `json:"memory"`
	// CPUs that are online.
	CPUs int `json:"cpus"`
	// ParentQuota is the tightest CPU quota above the container in percent of one CPU (250 = two and a half CPUs); 0 is none.
	ParentQuota int64 `json:"parentQuota"`
	// ParentPids is the tightest pids.max above the container; 0 is none.
	ParentPids int64 `json:"parentPids"`
	// SwapAccounting tells whether the kernel limits swap (memory.memsw.* or memory.swap.max).
	SwapAccounting bool `json:"swapAccounting"`
	// Controllers that can limit here, sorted: "cpu", "cpuset", "devices", "memory", "pids", ...
	Controllers []string `json:"controllers"`
}
