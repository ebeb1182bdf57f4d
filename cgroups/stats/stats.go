// Package stats reads what a container uses against what it may use, for operators.
//
// It is apart from package cgroups because its library costs each process that links it about a millisecond at
// start: only bulkheadctl imports it.
package stats

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	libcgroups "github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	stats1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/containerd/cgroups/v3/cgroup2"
	stats2 "github.com/containerd/cgroups/v3/cgroup2/stats"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
)

// Stats are what the cgroup of a process and those below it use. A limit of 0 is none.
type Stats struct {
	Pids   Amount `json:"pids"`
	Memory Amount `json:"memory"`
	// Swap in bytes, without memory. Its limit is known in version 2 only: version 1 limits memory and swap together.
	Swap Amount `json:"swap"`
	// OOMKills counts processes that were killed because the memory limit was reached.
	OOMKills uint64 `json:"oomKills"`
	CPU      CPU    `json:"cpu"`
}

// An Amount is what is used now, at most so far (0: the kernel does not tell), and at most allowed.
type Amount struct {
	Used  uint64 `json:"used"`
	Peak  uint64 `json:"peak,omitempty"`
	Limit uint64 `json:"limit,omitempty"`
}

// CPU is the time used, and how often the quota ran out.
type CPU struct {
	Used time.Duration `json:"used"`
	// Quota of CPU time in each period; 0 is none.
	Quota  time.Duration `json:"quota,omitempty"`
	Period time.Duration `json:"period,omitempty"`
	// Periods with something to run, and those of them in which the quota ran out, which held the container up for Waited.
	Periods   uint64        `json:"periods"`
	Throttled uint64        `json:"throttled"`
	Waited    time.Duration `json:"waited"`
}

// Stat reads the statistics of the cgroup that the process is in. What the kernel does not count is zero.
func Stat(pid int) (Stats, error) {
	read := stat1
	if libcgroups.Mode() == libcgroups.Unified {
		read = stat2
	}
	s, err := read(pid)
	if err != nil {
		return Stats{}, fmt.Errorf("read statistics of process %d: %w", pid, err)
	}
	quota, period, err := cgroups.CPUQuota(pid)
	if err != nil {
		return Stats{}, fmt.Errorf("read statistics of process %d: %w", pid, err)
	}
	if quota > 0 {
		s.CPU.Quota, s.CPU.Period = time.Duration(quota)*time.Microsecond, time.Duration(period)*time.Microsecond
	}
	return s, nil
}

func stat1(pid int) (Stats, error) {
	c, err := cgroup1.Load(cgroup1.PidPath(pid))
	if err != nil {
		return Stats{}, err
	}
	m, err := c.Stat(cgroup1.IgnoreNotExist)
	if err != nil {
		return Stats{}, err
	}
	return from1(m), nil
}

// from1 reads version 1's numbers, in which a limit near 2^63 is none.
func from1(m *stats1.Metrics) Stats {
	var s Stats
	if p := m.GetPids(); p != nil {
		s.Pids = Amount{Used: p.GetCurrent(), Limit: p.GetLimit()}
	}
	if u := m.GetMemory().GetUsage(); u != nil {
		s.Memory = Amount{Used: u.GetUsage(), Peak: u.GetMax(), Limit: limited(u.GetLimit())}
		if both := m.GetMemory().GetSwap(); both.GetUsage() > u.GetUsage() {
			s.Swap.Used = both.GetUsage() - u.GetUsage()
		}
	}
	s.OOMKills = m.GetMemoryOomControl().GetOomKill()
	s.CPU.Used = nanoseconds(m.GetCPU().GetUsage().GetTotal())
	if t := m.GetCPU().GetThrottling(); t != nil {
		s.CPU.Periods, s.CPU.Throttled, s.CPU.Waited = t.GetPeriods(), t.GetThrottledPeriods(), nanoseconds(t.GetThrottledTime())
	}
	return s
}

func stat2(pid int) (Stats, error) {
	group, err := cgroup2.PidGroupPath(pid)
	if err != nil {
		return Stats{}, err
	}
	if group == "" {
		return Stats{}, errors.New("it is in no version 2 cgroup")
	}
	c, err := cgroup2.Load(group)
	if err != nil {
		return Stats{}, err
	}
	m, err := c.StatFiltered(cgroup2.StatPids | cgroup2.StatCPU | cgroup2.StatMemory | cgroup2.StatMemoryEvents)
	if err != nil {
		return Stats{}, err
	}
	return from2(m), nil
}

// from2 reads version 2's numbers, in which the largest number is "max".
func from2(m *stats2.Metrics) Stats {
	mem, cpu := m.GetMemory(), m.GetCPU()
	return Stats{
		Pids:     Amount{Used: m.GetPids().GetCurrent(), Limit: limited(m.GetPids().GetLimit())},
		Memory:   Amount{Used: mem.GetUsage(), Peak: mem.GetMaxUsage(), Limit: limited(mem.GetUsageLimit())},
		Swap:     Amount{Used: mem.GetSwapUsage(), Peak: mem.GetSwapMaxUsage(), Limit: limited(mem.GetSwapLimit())},
		OOMKills: m.GetMemoryEvents().GetOomKill(),
		CPU: CPU{
			Used:      microseconds(cpu.GetUsageUsec()),
			Periods:   cpu.GetNrPeriods(),
			Throttled: cpu.GetNrThrottled(),
			Waited:    microseconds(cpu.GetThrottledUsec()),
		},
	}
}

// limited is 0 for the numbers that mean "no limit": version 1 shows the largest that is a whole number of pages.
func limited(n uint64) uint64 {
	if n >= math.MaxInt64/uint64(os.Getpagesize())*uint64(os.Getpagesize()) {
		return 0
	}
	return n
}

func nanoseconds(n uint64) time.Duration { return time.Duration(min(n, math.MaxInt64)) }

func microseconds(n uint64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/1000)) * time.Microsecond
}
