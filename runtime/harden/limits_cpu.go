package harden

import (
	"math/bits"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const (
	// cpuPeriod is the kernel's own default, in microseconds (sched-bwc).
	cpuPeriod = 100000
	// A period lies between one millisecond and one second, a quota has at least one millisecond (sched-bwc).
	cpuPeriodMin, cpuPeriodMax, cpuQuotaMin = 1000, 1000000, 1000
)

// cpu gives the container a weight and a quota. A quota above the one of the cgroup's parent is EINVAL on version 1.
func (t *tally) cpu(r *specs.LinuxResources, b bounds) {
	if r.CPU == nil {
		r.CPU = &specs.LinuxCPU{}
	}
	c := r.CPU
	t.shares(c, b)
	if c.Period == nil || *c.Period == 0 {
		c.Period = new(uint64(cpuPeriod))
	}
	if *c.Period < cpuPeriodMin || *c.Period > cpuPeriodMax {
		return // judge refuses it
	}
	ceiling := quotaIn(*c.Period, b.quotaCeiling)
	quota := limited(c.Quota, quotaIn(*c.Period, b.quotaDefault), ceiling)
	if c.Quota == nil || *c.Quota != quota {
		t.narrow("linux.resources.cpu.quota", shown(c.Quota), decimal(quota), because("the host keeps a part of its CPU time", b.quotaReason))
		c.Quota = &quota
	}
	if c.Burst != nil && *c.Burst > uint64(quota) {
		t.narrow("linux.resources.cpu.burst", decimal(*c.Burst), decimal(quota), "a burst is at most the quota")
		c.Burst = new(uint64(quota))
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime == 0 {
		c.RealtimeRuntime = nil
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod == 0 {
		c.RealtimePeriod = nil
	}
}

// shares gives a weight, but none to an idle group, which takes none (sched_group_set_shares).
func (t *tally) shares(c *specs.LinuxCPU, b bounds) {
	const field = "linux.resources.cpu.shares"
	if isIdle(c) {
		if c.Shares != nil {
			t.narrow(field, shown(c.Shares), "absent", "an idle group has the least weight, and takes no other: EINVAL")
			c.Shares = nil
		}
		return
	}
	shares := b.sharesDefault
	if c.Shares != nil && *c.Shares != 0 {
		shares = min(max(*c.Shares, 2), b.sharesCeiling)
	}
	if c.Shares == nil || *c.Shares != shares {
		t.narrow(field, shown(c.Shares), decimal(shares), because("weights are relative, and the host's own work has one", b.sharesReason))
		c.Shares = &shares
	}
}

func isIdle(c *specs.LinuxCPU) bool { return c.Idle != nil && *c.Idle == 1 }

// quotaIn is a share in hundredths of a CPU as microseconds of a period, at least what the kernel takes.
func quotaIn(period uint64, share int64) int64 {
	high, low := bits.Mul64(period, uint64(share))
	if high != 0 {
		return int64(period)
	}
	return max(int64(low/100), cpuQuotaMin)
}

func (o *protest) cpu(c *specs.LinuxCPU, b bounds) {
	if c != nil && c.Period != nil && (*c.Period < cpuPeriodMin || *c.Period > cpuPeriodMax) {
		o.object("linux.resources.cpu.period", decimal(*c.Period), "1000 to 1000000")
		return
	}
	if c == nil || c.Quota == nil || c.Period == nil || c.Shares == nil && !isIdle(c) {
		o.object("linux.resources.cpu", "without shares, quota or period", "all three")
		return
	}
	if c.Shares != nil && (*c.Shares < 2 || *c.Shares > b.sharesCeiling || isIdle(c)) {
		o.object("linux.resources.cpu.shares", decimal(*c.Shares), "2 to "+decimal(b.sharesCeiling)+", none for an idle group")
	}
	if ceiling := quotaIn(*c.Period, b.quotaCeiling); *c.Quota < cpuQuotaMin || *c.Quota > ceiling {
		o.object("linux.resources.cpu.quota", decimal(*c.Quota), "1000 to "+decimal(ceiling))
	}
	if c.Burst != nil && (*c.Quota < 0 || *c.Burst > uint64(*c.Quota)) {
		o.object("linux.resources.cpu.burst", decimal(*c.Burst), "at most the quota")
	}
	if c.RealtimeRuntime != nil && *c.RealtimeRuntime != 0 {
		o.object("linux.resources.cpu.realtimeRuntime", decimal(*c.RealtimeRuntime), "0: real time starves the host")
	}
	if c.RealtimePeriod != nil && *c.RealtimePeriod != 0 {
		o.object("linux.resources.cpu.realtimePeriod", decimal(*c.RealtimePeriod), "0: real time starves the host")
	}
	o.idList("linux.resources.cpu.cpus", c.Cpus)
	o.idList("linux.resources.cpu.mems", c.Mems)
	if c.Idle != nil && *c.Idle != 0 && *c.Idle != 1 {
		o.object("linux.resources.cpu.idle", decimal(*c.Idle), "0 or 1")
	}
}
