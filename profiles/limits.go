package profiles

// validate wants each limit to be finite and possible, and its default to be within its ceiling.
func (l Limits) validate() error {
	upward := []struct {
		at       string
		limit    Limit
		min, max int64
	}{
		{"limits.pids", l.Pids, 1, 4194304},          // PID_MAX_LIMIT, proc_sys_kernel(5) pid_max
		{"limits.cpuWeight", l.CPUWeight, 2, 262144}, // cpu.shares
		{"limits.cpuQuota", l.CPUQuota, 1, 100},      // percent
		{"limits.noFile", l.NoFile, 16, 1073741816},  // sysctl_nr_open_max of the kernel
		{"limits.core", l.Core, 1, 1 << 50},          // 0 would let piped handlers run, core(5)
		{"limits.nproc", l.NProc, 1, 4194304},        // as pids
		{"limits.memLock", l.MemLock, 0, 1 << 50},    // bytes; far from RLIM_INFINITY
		{"limits.shm", l.Shm, 4096, 1 << 50},         // bytes, a page at least
	}
	for _, u := range upward {
		if u.limit.Default < u.min || u.limit.Default > u.max {
			return problemf(u.at+".default", "is %d, want %d to %d", u.limit.Default, u.min, u.max)
		}
		if u.limit.Ceiling < u.min || u.limit.Ceiling > u.max {
			return problemf(u.at+".ceiling", "is %d, want %d to %d", u.limit.Ceiling, u.min, u.max)
		}
		if u.limit.Default > u.limit.Ceiling {
			return problemf(u.at+".default", "is %d, above the ceiling %d", u.limit.Default, u.limit.Ceiling)
		}
	}
	if err := l.validateOOMScoreAdj(); err != nil {
		return err
	}
	return l.Memory.validate()
}

// validateOOMScoreAdj: here the ceiling is the lowest value, because a low one protects from the OOM killer.
func (l Limits) validateOOMScoreAdj() error {
	const at = "limits.oomScoreAdj"
	o := l.OOMScoreAdj
	if o.Default < -1000 || o.Default > 1000 {
		return problemf(at+".default", "is %d, want -1000 to 1000", o.Default)
	}
	if o.Ceiling < -1000 || o.Ceiling > 1000 {
		return problemf(at+".ceiling", "is %d, want -1000 to 1000", o.Ceiling)
	}
	if o.Default < o.Ceiling {
		return problemf(at+".default", "is %d, below the ceiling %d (the lowest value that may be asked for)", o.Default, o.Ceiling)
	}
	return nil
}

func (m MemoryLimit) validate() error {
	const at = "limits.memory"
	switch {
	case m.DefaultPercent < 1 || m.DefaultPercent > 100:
		return problemf(at+".defaultPercent", "is %d, want 1 to 100", m.DefaultPercent)
	case m.ReservePercent < 1 || m.ReservePercent > 90:
		return problemf(at+".reservePercent", "is %d, want 1 to 90", m.ReservePercent)
	case m.ReserveBytes < 0 || m.ReserveBytes > 1<<40:
		return problemf(at+".reserveBytes", "is %d, want 0 to %d", m.ReserveBytes, int64(1)<<40)
	}
	return nil
}
