package container

import (
	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/types"
)

// An Event is a line of the events command, in runc's format.
type Event = types.Event

// statistics puts libcontainer's figures into the format that callers of runc parse. Intel RDT is left out: no hardened
// container has it.
func statistics(ls *libcontainer.Stats) *types.Stats {
	cg := ls.CgroupStats
	if cg == nil {
		return &types.Stats{}
	}
	s := &types.Stats{
		Pids:              types.Pids{Current: cg.PidsStats.Current, Limit: cg.PidsStats.Limit},
		CPU:               cpuStatistics(cg.CpuStats),
		CPUSet:            types.CPUSet(cg.CPUSetStats),
		Memory:            memoryStatistics(cg.MemoryStats),
		Blkio:             blkioStatistics(cg.BlkioStats),
		Hugetlb:           map[string]types.Hugetlb{},
		NetworkInterfaces: ls.Interfaces,
	}
	for size, h := range cg.HugetlbStats {
		s.Hugetlb[size] = types.Hugetlb{Usage: h.Usage, Max: h.MaxUsage, Failcnt: h.Failcnt}
	}
	return s
}

func cpuStatistics(c cgroups.CpuStats) types.Cpu {
	return types.Cpu{
		Usage: types.CpuUsage{
			Total: c.CpuUsage.TotalUsage, Kernel: c.CpuUsage.UsageInKernelmode, User: c.CpuUsage.UsageInUsermode,
			Percpu: c.CpuUsage.PercpuUsage, PercpuKernel: c.CpuUsage.PercpuUsageInKernelmode, PercpuUser: c.CpuUsage.PercpuUsageInUsermode,
		},
		Throttling: types.Throttling{
			Periods: c.ThrottlingData.Periods, ThrottledPeriods: c.ThrottlingData.ThrottledPeriods, ThrottledTime: c.ThrottlingData.ThrottledTime,
		},
		PSI: c.PSI,
	}
}

func memoryStatistics(m cgroups.MemoryStats) types.Memory {
	entry := func(d cgroups.MemoryData) types.MemoryEntry {
		return types.MemoryEntry{Limit: d.Limit, Usage: d.Usage, Max: d.MaxUsage, Failcnt: d.Failcnt}
	}
	return types.Memory{
		Cache: m.Cache, Usage: entry(m.Usage), Swap: entry(m.SwapUsage), Kernel: entry(m.KernelUsage), KernelTCP: entry(m.KernelTCPUsage),
		Raw: m.Stats, PSI: m.PSI,
	}
}

func blkioStatistics(b cgroups.BlkioStats) types.Blkio {
	entries := func(in []cgroups.BlkioStatEntry) []types.BlkioEntry {
		out := make([]types.BlkioEntry, 0, len(in))
		for _, e := range in {
			out = append(out, types.BlkioEntry(e))
		}
		return out
	}
	return types.Blkio{
		IoServiceBytesRecursive: entries(b.IoServiceBytesRecursive),
		IoServicedRecursive:     entries(b.IoServicedRecursive),
		IoQueuedRecursive:       entries(b.IoQueuedRecursive),
		IoServiceTimeRecursive:  entries(b.IoServiceTimeRecursive),
		IoWaitTimeRecursive:     entries(b.IoWaitTimeRecursive),
		IoMergedRecursive:       entries(b.IoMergedRecursive),
		IoTimeRecursive:         entries(b.IoTimeRecursive),
		SectorsRecursive:        entries(b.SectorsRecursive),
		PSI:                     b.PSI,
	}
}
