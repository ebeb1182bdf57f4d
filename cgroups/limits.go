package cgroups

import (
	"math"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Limits are what a hardened spec asks for. Zero is "not asked": the field is then not verified.
type Limits struct {
	Pids int64 `json:"pids,omitempty"`
	// Memory in bytes; Swap is memory and swap together, as runtime-spec counts it.
	Memory int64 `json:"memory,omitempty"`
	Swap   int64 `json:"swap,omitempty"`
	// CPUQuota and CPUPeriod in microseconds.
	CPUQuota  int64  `json:"cpuQuota,omitempty"`
	CPUPeriod uint64 `json:"cpuPeriod,omitempty"`
	// CPUShares as version 1 counts them (1024 is the kernel's default); version 2 gets the weight that CPUWeight tells.
	CPUShares uint64 `json:"cpuShares,omitempty"`
	// Unified has the files among pids.max, memory.max, memory.swap.max, cpu.max and cpu.weight that the spec sets by name.
	// They are written last, so on a version 2 host they replace the fields above.
	Unified map[string]string `json:"unified,omitempty"`
}

// defaultPeriod is the kernel's CPU period in microseconds, used when a quota comes without one.
const defaultPeriod = 100000

// Want collects the limits that the resources of a spec ask for. What they ask to be unlimited (-1) is not asked.
func Want(r *specs.LinuxResources) Limits {
	var l Limits
	if r == nil {
		return l
	}
	if r.Pids != nil && r.Pids.Limit != nil {
		l.Pids = *r.Pids.Limit
		if l.Pids == 0 {
			// libcontainer writes 1 for 0, as systemd cannot set 0.
			l.Pids = 1
		}
		l.Pids = max(l.Pids, 0)
	}
	if m := r.Memory; m != nil {
		l.Memory, l.Swap = positive(m.Limit), positive(m.Swap)
	}
	if c := r.CPU; c != nil {
		l.CPUQuota = positive(c.Quota)
		if c.Period != nil {
			l.CPUPeriod = *c.Period
		}
		// An idle cgroup (cpu.idle) has no weight of its own.
		if c.Shares != nil && (c.Idle == nil || *c.Idle == 0) {
			l.CPUShares = *c.Shares
		}
	}
	for _, name := range verified2 {
		if v, ok := r.Unified[name]; ok {
			if l.Unified == nil {
				l.Unified = map[string]string{}
			}
			l.Unified[name] = v
		}
	}
	return l
}

// verified2 lists the version 2 files that Verify reads.
var verified2 = [...]string{"pids.max", "memory.max", "memory.swap.max", "cpu.max", "cpu.weight"}

func positive(n *int64) int64 {
	if n == nil {
		return 0
	}
	return max(*n, 0)
}

// CPUWeight is the cpu.weight (1..10000, default 100) that libcontainer writes for CPU shares (2..262144, default 1024). The
// curve goes through both ends and the defaults: 10^((x^2 + 125x)/612 - 7/34) with x = log2(shares), rounded up.
func CPUWeight(shares uint64) uint64 {
	switch {
	case shares == 0:
		return 0
	case shares <= 2:
		return 1
	case shares >= 262144:
		return 10000
	}
	x := math.Log2(float64(shares))
	return uint64(math.Ceil(math.Pow(10, (x*x+125*x)/612-7.0/34)))
}
