package harden

import (
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// quiet takes the reasons out of the profile's limits, so that messages are short, and gives round numbers: 1 GiB and 4 CPUs.
func quiet(p *Policy) {
	p.Profile.Limits = profiles.Limits{
		Pids:      profiles.Limit{Default: 100, Ceiling: 1000},
		Memory:    profiles.MemoryLimit{DefaultPercent: 50, ReservePercent: 25},
		CPUWeight: profiles.Limit{Default: 1024, Ceiling: 4096}, CPUQuota: profiles.Limit{Default: 50, Ceiling: 100},
		NoFile: profiles.Limit{Default: 1024, Ceiling: 4096}, Core: profiles.Limit{Default: 1, Ceiling: 1},
	}
	p.Host.Memory = 1 << 30
}

// fitting is a request within all bounds of quiet, which therefore stays as it is.
func fitting(s *specs.Spec) {
	s.Linux.Resources = &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(64 << 20)), Swap: new(int64(64 << 20))},
		Pids:   &specs.LinuxPids{Limit: new(int64(50))},
		CPU:    &specs.LinuxCPU{Shares: new(uint64(512)), Quota: new(int64(50000)), Period: new(uint64(100000))},
	}
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 2048, Soft: 1024}, {Type: "RLIMIT_CORE", Hard: 1, Soft: 1}}
	s.Process.OOMScoreAdj = new(100)
}

// limitCase edits a fitting request on a quiet host.
func limitCase(name string, edit func(*specs.Spec, *Policy), changes, refused []string) ruleCase {
	return ruleCase{name: name, changes: changes, refused: refused, edit: func(s *specs.Spec, p *Policy) {
		quiet(p)
		fitting(s)
		if edit != nil {
			edit(s, p)
		}
	}}
}

func memoryOf(edit func(*specs.LinuxMemory)) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) { edit(s.Linux.Resources.Memory) }
}

func TestLimitsDefaults(t *testing.T) {
	runRule(t, limits, []ruleCase{{
		name: "nothing asked", edit: func(_ *specs.Spec, p *Policy) { quiet(p) },
		changes: []string{
			"linux.resources.memory.limit: absent -> 536870912 (the host keeps a part of its memory)",
			"linux.resources.memory.swap: absent -> 536870912 (memory and swap together get the memory limit: no swap)",
			"linux.resources.cpu.shares: absent -> 1024 (weights are relative, and the host's own work has one)",
			"linux.resources.cpu.quota: absent -> 200000 (the host keeps a part of its CPU time)",
			"linux.resources.pids.limit: absent -> 100 (tasks are bounded)",
			"process.rlimits[RLIMIT_CORE]: absent -> 1 (absent means the engine's own)",
			"process.rlimits[RLIMIT_NOFILE]: absent -> 1024 (absent means the engine's own)",
			"process.oomScoreAdj: absent -> 0 (absent inherits the engine's own value)",
		},
	}})
}

func TestLimitsMemory(t *testing.T) {
	const most, why = "805306368", " (the host keeps a part of its memory)"
	const swap = "linux.resources.memory.swap: 67108864 -> " + most + " (memory and swap together get the memory limit: no swap)"
	runRule(t, limits, []ruleCase{
		limitCase("kept", nil, nil, nil),
		limitCase("unlimited", memoryOf(func(m *specs.LinuxMemory) { m.Limit = new(int64(-1)) }), []string{"linux.resources.memory.limit: -1 -> " + most + why, swap}, nil),
		limitCase("too much", memoryOf(func(m *specs.LinuxMemory) { m.Limit = new(int64(1 << 40)) }), []string{"linux.resources.memory.limit: 1099511627776 -> " + most + why, swap}, nil),
		limitCase("swap asked", memoryOf(func(m *specs.LinuxMemory) { m.Swap = new(int64(-1)) }), []string{"linux.resources.memory.swap: -1 -> 67108864 (memory and swap together get the memory limit: no swap)"}, nil),
		limitCase("swap not accounted", func(_ *specs.Spec, p *Policy) { p.Host.SwapAccounting = false },
			[]string{"linux.resources.memory.swap: 67108864 -> absent (this kernel does not account swap)"}, nil),
		limitCase("swap allowed", func(s *specs.Spec, p *Policy) {
			p.Profile.Limits.Swap.On, s.Linux.Resources.Memory.Swap = true, new(int64(1<<40))
		}, nil, nil),
		limitCase("tiny is kept", memoryOf(func(m *specs.LinuxMemory) { m.Limit, m.Swap = new(int64(4096)), new(int64(4096)) }), nil, nil),
		limitCase("the rest", memoryOf(func(m *specs.LinuxMemory) {
			m.Reservation, m.Kernel, m.KernelTCP = new(int64(1<<40)), new(int64(1)), new(int64(2)) //nolint:staticcheck // deprecated, so it must not pass unseen
			m.Swappiness, m.DisableOOMKiller = new(uint64(200)), new(true)
		}), []string{
			"linux.resources.memory.reservation: 1099511627776 -> 67108864 (a reservation lies within the limit)",
			"linux.resources.memory.kernel: 1 -> absent (kernels no longer have it, kernel memory counts as memory)",
			"linux.resources.memory.kernelTCP: 2 -> absent (kernels no longer have it, TCP buffers count as memory)",
			"linux.resources.memory.swappiness: 200 -> 100 (the kernel takes 0 to 100)",
			"linux.resources.memory.disableOOMKiller: true -> false (a container that cannot be killed at its limit hangs instead, with what it holds)",
		}, nil),
	})
}

func TestLimitsUnknownHost(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	fitting(s)
	p.Host.Memory = 0
	var got []string
	for _, v := range judgeLimits(s, p) {
		got = append(got, v.String())
	}
	if !slices.Contains(got, "linux.resources.memory is bounded by an unknown amount, want a host whose memory is known (rule limits)") {
		t.Errorf("got %q", got)
	}
}

func TestLimitsPidsAndCPU(t *testing.T) {
	cpu := func(edit func(*specs.LinuxCPU)) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, _ *Policy) { edit(s.Linux.Resources.CPU) }
	}
	const why = " (the host keeps a part of its CPU time)"
	runRule(t, limits, []ruleCase{
		limitCase("pids unlimited", func(s *specs.Spec, _ *Policy) { *s.Linux.Resources.Pids.Limit = -1 },
			[]string{"linux.resources.pids.limit: -1 -> 1000 (tasks are bounded)"}, nil),
		limitCase("pids 0 is not set", func(s *specs.Spec, _ *Policy) { *s.Linux.Resources.Pids.Limit = 0 },
			[]string{"linux.resources.pids.limit: 0 -> 100 (tasks are bounded)"}, nil),
		limitCase("pids of the parent", func(_ *specs.Spec, p *Policy) { p.Host.ParentPids = 20 },
			[]string{"linux.resources.pids.limit: 50 -> 20 (tasks are bounded)"}, nil),
		limitCase("all cores", cpu(func(c *specs.LinuxCPU) { c.Quota = new(int64(-1)) }), []string{"linux.resources.cpu.quota: -1 -> 400000" + why}, nil),
		limitCase("more than all", cpu(func(c *specs.LinuxCPU) { c.Quota = new(int64(900000)) }), []string{"linux.resources.cpu.quota: 900000 -> 400000" + why}, nil),
		limitCase("quota of the parent", func(s *specs.Spec, p *Policy) { p.Host.ParentQuota, s.Linux.Resources.CPU.Quota = 30, nil },
			[]string{"linux.resources.cpu.quota: absent -> 30000" + why}, nil),
		limitCase("another period", cpu(func(c *specs.LinuxCPU) { c.Quota, c.Period = new(int64(50000)), new(uint64(10000)) }),
			[]string{"linux.resources.cpu.quota: 50000 -> 40000" + why}, nil),
		limitCase("weight", cpu(func(c *specs.LinuxCPU) { c.Shares = new(uint64(262144)) }),
			[]string{"linux.resources.cpu.shares: 262144 -> 4096 (weights are relative, and the host's own work has one)"}, nil),
		limitCase("burst", cpu(func(c *specs.LinuxCPU) { c.Burst = new(uint64(1 << 40)) }),
			[]string{"linux.resources.cpu.burst: 1099511627776 -> 50000 (a burst is at most the quota)"}, nil),
		limitCase("sets", cpu(func(c *specs.LinuxCPU) { c.Cpus, c.Mems = "0-3", "0" }), nil, nil),
		limitCase("idle has no weight", cpu(func(c *specs.LinuxCPU) { c.Idle = new(int64(1)) }),
			[]string{"linux.resources.cpu.shares: 512 -> absent (an idle group has the least weight, and takes no other: EINVAL)"}, nil),
		limitCase("idle", cpu(func(c *specs.LinuxCPU) { c.Idle, c.Shares = new(int64(1)), nil }), nil, nil),
		limitCase("period", cpu(func(c *specs.LinuxCPU) { c.Period = new(uint64(1)) }), nil,
			[]string{"linux.resources.cpu.period is 1, want 1000 to 1000000 (rule limits)"}),
		limitCase("what starves or cannot be read", cpu(func(c *specs.LinuxCPU) {
			c.RealtimeRuntime, c.RealtimePeriod, c.Idle, c.Cpus, c.Mems = new(int64(5)), new(uint64(6)), new(int64(2)), "x", "0\n1"
			c.Quota = new(int64(999))
		}), nil, []string{
			"linux.resources.cpu.quota is 999, want 1000 to 400000 (rule limits)",
			"linux.resources.cpu.realtimeRuntime is 5, want 0: real time starves the host (rule limits)",
			"linux.resources.cpu.realtimePeriod is 6, want 0: real time starves the host (rule limits)",
			`linux.resources.cpu.cpus is "x", want a list such as "0-3,8" (rule limits)`,
			`linux.resources.cpu.mems is "0\n1", want a list such as "0-3,8" (rule limits)`,
			"linux.resources.cpu.idle is 2, want 0 or 1 (rule limits)",
		}),
	})
}

func TestLimitsIO(t *testing.T) {
	runRule(t, limits, []ruleCase{
		limitCase("kept", func(s *specs.Spec, _ *Policy) {
			s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{
				Weight:                new(uint16(500)),
				ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: 8}, Rate: 1}},
			}
			s.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "2MB", Limit: 0}, {Pagesize: "1GB", Limit: 1 << 30}}
			s.Linux.Resources.Rdma = map[string]specs.LinuxRdma{"mlx5_1": {}}
		}, nil, nil),
		limitCase("network", func(s *specs.Spec, _ *Policy) {
			s.Linux.Resources.Network = &specs.LinuxNetwork{ClassID: new(uint32(0x100001)), Priorities: []specs.LinuxInterfacePriority{{Name: "eth0"}}}
		}, []string{
			"note linux.resources.network.classID: 0x100001 -> 0x100001 (the host's traffic rules give a class its meaning)",
			"note linux.resources.network.priorities: 1 interfaces -> 1 interfaces (they order this container's packets only)",
		}, nil),
		limitCase("refused", func(s *specs.Spec, _ *Policy) {
			s.Linux.Resources.BlockIO = &specs.LinuxBlockIO{
				Weight:       new(uint16(5)),
				WeightDevice: []specs.LinuxWeightDevice{{LinuxBlockIODevice: specs.LinuxBlockIODevice{Major: -1}, LeafWeight: new(uint16(2000))}},
			}
			s.Linux.Resources.HugepageLimits = []specs.LinuxHugepageLimit{{Pagesize: "../x"}, {Pagesize: "2MB"}, {Pagesize: "2MB"}}
			s.Linux.Resources.Rdma = map[string]specs.LinuxRdma{"a b": {}}
			s.Linux.Resources.Network = &specs.LinuxNetwork{Priorities: []specs.LinuxInterfacePriority{{Name: "eth0 1\nlo"}}}
		}, []string{"note linux.resources.network.priorities: 1 interfaces -> 1 interfaces (they order this container's packets only)"}, []string{
			`linux.resources.network.priorities[0].name is "eth0 1\nlo", want the name of an interface (rule limits)`,
			"linux.resources.blockIO.weight is 5, want 10 to 1000 (rule limits)",
			"linux.resources.blockIO.weightDevice[0].leafWeight is 2000, want 10 to 1000 (rule limits)",
			"linux.resources.blockIO.weightDevice[0] is -1:0, want the numbers of a block device (rule limits)",
			`linux.resources.hugepageLimits[0].pageSize is "../x", want a size such as "2MB" (rule limits)`,
			`linux.resources.hugepageLimits[2].pageSize is "2MB", want each size once (rule limits)`,
			`linux.resources.rdma is "a b", want the name of a device (rule limits)`,
		}),
	})
}

// A small host keeps half of its memory at most, and a number never overflows.
func TestBounds(t *testing.T) {
	_, p := testSpec(), testPolicy(t)
	p.Host.Memory = 100 << 20
	if b := boundsOf(p); b.memoryCeiling != 50<<20 || b.memoryDefault != 50<<20 {
		t.Errorf("small host: got %+v", b)
	}
	p.Host.Memory = 1 << 62
	if b := boundsOf(p); b.memoryDefault <= 0 || b.memoryDefault > b.memoryCeiling || b.memoryCeiling >= 1<<62 {
		t.Errorf("large host: got %+v", b)
	}
	p.Host.CPUs, p.Host.ParentQuota = 0, 0
	if b := boundsOf(p); b.quotaCeiling != 100 {
		t.Errorf("unknown number of CPUs: got %+v", b)
	}
}
