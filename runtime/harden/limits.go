package harden

import (
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A container takes a bounded part of the host.
//
//	Field:    linux.resources (all but devices), linux.cgroupsPath, process.rlimits, process.oomScoreAdj
//	Allowed:  what the caller asks, up to a ceiling that the profile and the host's capacity give
//	Else:     absent gets the profile's default; above the ceiling, and unlimited, are narrowed to the ceiling;
//	          real-time time slices, unknown cgroup files, another's cgroup and what cannot be read are refused
//	Why:      a container without limits stops the host: NSA/CISA, CIS Docker 5.11, 5.12, 5.29
//
// An absent property of an update changes nothing, because update puts the request into the saved spec first, where
// the property has its value already.
//
// -1 asks for no limit (runtime-spec) and gets the ceiling. 0 is how engines spell "not set" and gets the default; in an
// update it changes nothing. That goes for pids.limit, too, where runtime-spec 1.3 means no task by 0, and runc since 1.4 one: before
// 1.3 the property had no way to be absent, Docker and podman say -1 for a user's 0, and Kubernetes' engines send none. Who wants
// one task asks for 1.
var limits = Rule{
	ID: "limits",
	Fields: []string{
		"linux.resources.memory", "linux.resources.cpu", "linux.resources.pids", "linux.resources.blockIO",
		"linux.resources.hugepageLimits", "linux.resources.network", "linux.resources.rdma", "linux.resources.unified",
		"linux.cgroupsPath", "process.rlimits", "process.oomScoreAdj",
	},
	Summary: "Memory, tasks, CPU time and the rest have a default and a ceiling, and the cgroup stays below the caller's.",
	narrow:  narrowLimits,
	judge:   judgeLimits,
}

func narrowLimits(s *specs.Spec, p Policy) []Change {
	if s.Linux.Resources == nil {
		s.Linux.Resources = &specs.LinuxResources{}
	}
	t := &tally{rule: "limits"}
	b, r := boundsOf(p), s.Linux.Resources
	t.memory(r, b)
	t.cpu(r, b)
	t.pids(r, b)
	t.network(r)
	t.unified(r, b)
	t.rlimits(s.Process, p)
	t.oomScore(s.Process, p)
	return t.changes
}

func judgeLimits(s *specs.Spec, p Policy) []Violation {
	o := &protest{rule: "limits"}
	o.cgroupsPath(s.Linux.CgroupsPath)
	o.rlimits(s.Process, p)
	o.oomScore(s.Process, p)
	r := s.Linux.Resources
	if r == nil {
		o.object("linux.resources", "absent", "limits")
		return o.violations
	}
	b := boundsOf(p)
	if b.memoryCeiling <= 0 {
		o.object("linux.resources.memory", "bounded by an unknown amount", "a host whose memory is known")
	}
	o.memory(r.Memory, b)
	o.cpu(r.CPU, b)
	o.pids(r.Pids, b)
	o.network(r.Network)
	o.blockIO(r.BlockIO)
	o.hugepages(r.HugepageLimits)
	o.rdma(r.Rdma)
	o.unified(r.Unified, b)
	return o.violations
}

// pageSize rounds byte limits: the kernel counts pages, and a value that comes back smaller than it was written would
// look like a mismatch.
const pageSize = 4096

// bounds are the profile's limits in the units of this host.
type bounds struct {
	memoryDefault, memoryCeiling int64 // bytes
	memoryReason                 string
	swap                         bool // beyond memory
	swapAccounted                bool
	pidsDefault, pidsCeiling     int64
	pidsReason                   string
	sharesDefault, sharesCeiling uint64
	sharesReason                 string
	// quotaDefault and quotaCeiling are hundredths of a CPU: 150 is one and a half.
	quotaDefault, quotaCeiling int64
	quotaReason                string
}

// boundsOf measures the profile against the host. The memory ceiling leaves the reserve to the host, but never takes more
// than half of a small one. The default is never above the ceiling, and the ceiling never above the parent's limit:
// Capacity.Memory has that already.
func boundsOf(p Policy) bounds {
	l, h := p.Profile.Limits, p.Host
	reserve := max(percent(h.Memory, l.Memory.ReservePercent), l.Memory.ReserveBytes)
	ceiling := pages(max(h.Memory-reserve, h.Memory/2))
	b := bounds{
		memoryDefault: min(pages(percent(h.Memory, l.Memory.DefaultPercent)), ceiling), memoryCeiling: ceiling,
		memoryReason: l.Memory.Reason,
		swap:         l.Swap.On, swapAccounted: h.SwapAccounting,
		pidsDefault: l.Pids.Default, pidsCeiling: l.Pids.Ceiling, pidsReason: l.Pids.Reason,
		sharesDefault: uint64(max(l.CPUWeight.Default, 2)), sharesCeiling: uint64(min(max(l.CPUWeight.Ceiling, 2), 262144)),
		sharesReason: l.CPUWeight.Reason,
		quotaReason:  l.CPUQuota.Reason,
	}
	if h.ParentPids > 0 {
		b.pidsCeiling = min(b.pidsCeiling, h.ParentPids)
	}
	b.pidsDefault = min(b.pidsDefault, b.pidsCeiling)
	b.sharesDefault = min(b.sharesDefault, b.sharesCeiling)
	cores := int64(max(h.CPUs, 1)) * 100
	b.quotaCeiling = max(percent(cores, l.CPUQuota.Ceiling), 1)
	b.quotaDefault = max(percent(cores, l.CPUQuota.Default), 1)
	if h.ParentQuota > 0 {
		b.quotaCeiling = min(b.quotaCeiling, h.ParentQuota)
	}
	b.quotaDefault = min(b.quotaDefault, b.quotaCeiling)
	return b
}

// percent of n without overflow for any amount of memory that a host has.
func percent(n, share int64) int64 { return n/100*share + n%100*share/100 }

func pages(n int64) int64 { return n / pageSize * pageSize }

func decimal[T int | int64 | uint64](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

// shown is an optional number as reports show it.
func shown[T int | int64 | uint64](n *T) string {
	if n == nil {
		return "absent"
	}
	return decimal(*n)
}
