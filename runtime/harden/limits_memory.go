package harden

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// memory gives the container a limit and, where the kernel accounts swap, none of it beyond that limit.
//
// A limit that is too small to start with (6 MiB for runc) stays: less was asked, and less is given.
func (t *tally) memory(r *specs.LinuxResources, b bounds) {
	if r.Memory == nil {
		r.Memory = &specs.LinuxMemory{}
	}
	m := r.Memory
	limit := limited(m.Limit, b.memoryDefault, b.memoryCeiling)
	if m.Limit == nil || *m.Limit != limit {
		t.narrow("linux.resources.memory.limit", shown(m.Limit), decimal(limit), because("the host keeps a part of its memory", b.memoryReason))
		m.Limit = &limit
	}
	t.swap(m, limit, b)
	if v := m.Reservation; v != nil && *v <= 0 {
		if *v < 0 {
			t.narrow("linux.resources.memory.reservation", decimal(*v), "absent", "no reservation is the widest one")
		}
		m.Reservation = nil
	} else if v != nil && *v > limit {
		t.narrow("linux.resources.memory.reservation", decimal(*v), decimal(limit), "a reservation lies within the limit")
		m.Reservation = &limit
	}
	if v := m.Kernel; v != nil { //nolint:staticcheck // deprecated, so it must not pass unseen
		t.narrow("linux.resources.memory.kernel", decimal(*v), "absent", "kernels no longer have it, kernel memory counts as memory")
		m.Kernel = nil //nolint:staticcheck // deprecated, so it must not pass unseen
	}
	if v := m.KernelTCP; v != nil {
		t.narrow("linux.resources.memory.kernelTCP", decimal(*v), "absent", "kernels no longer have it, TCP buffers count as memory")
		m.KernelTCP = nil
	}
	if v := m.Swappiness; v != nil && *v > 100 {
		t.narrow("linux.resources.memory.swappiness", decimal(*v), "100", "the kernel takes 0 to 100")
		m.Swappiness = new(uint64(100))
	}
	if v := m.DisableOOMKiller; v != nil && *v {
		t.narrow("linux.resources.memory.disableOOMKiller", "true", "false", "a container that cannot be killed at its limit hangs instead, with what it holds")
		m.DisableOOMKiller = new(false)
	}
}

// swap sets memory plus swap, which is how runtime-spec counts it.
func (t *tally) swap(m *specs.LinuxMemory, limit int64, b bounds) {
	const field = "linux.resources.memory.swap"
	switch {
	case !b.swapAccounted:
		if m.Swap != nil {
			t.narrow(field, shown(m.Swap), "absent", "this kernel does not account swap")
			m.Swap = nil
		}
	case !b.swap:
		if m.Swap == nil || *m.Swap != limit {
			t.narrow(field, shown(m.Swap), decimal(limit), "memory and swap together get the memory limit: no swap")
			m.Swap = &limit
		}
	case m.Swap != nil && *m.Swap >= 0 && *m.Swap < limit:
		t.narrow(field, shown(m.Swap), decimal(limit), "memory and swap together are at least the memory limit")
		m.Swap = &limit
	}
}

// limited is the rule for one number: absent and 0 get the default, -1 and what is above get the ceiling.
func limited(asked *int64, def, ceiling int64) int64 {
	switch {
	case asked == nil || *asked == 0:
		return def
	case *asked < 0 || *asked > ceiling:
		return ceiling
	}
	return *asked
}

func (o *protest) memory(m *specs.LinuxMemory, b bounds) {
	if m == nil || m.Limit == nil {
		o.object("linux.resources.memory.limit", "absent", "a limit")
		return
	}
	limit := *m.Limit
	if limit <= 0 || limit > b.memoryCeiling {
		o.object("linux.resources.memory.limit", decimal(limit), "1 to "+decimal(b.memoryCeiling))
	}
	if b.swapAccounted && !b.swap && (m.Swap == nil || *m.Swap != limit) {
		o.object("linux.resources.memory.swap", shown(m.Swap), decimal(limit))
	}
	if m.Reservation != nil && (*m.Reservation < 0 || *m.Reservation > limit) {
		o.object("linux.resources.memory.reservation", decimal(*m.Reservation), "0 to "+decimal(limit))
	}
	if m.Kernel != nil || m.KernelTCP != nil { //nolint:staticcheck // deprecated, so it must not pass unseen
		o.object("linux.resources.memory.kernel", "given", "absent")
	}
	if m.Swappiness != nil && *m.Swappiness > 100 {
		o.object("linux.resources.memory.swappiness", decimal(*m.Swappiness), "0 to 100")
	}
	if m.DisableOOMKiller != nil && *m.DisableOOMKiller {
		o.object("linux.resources.memory.disableOOMKiller", "true", "false")
	}
}

// pids bounds the number of tasks: a fork bomb stays in its container.
func (t *tally) pids(r *specs.LinuxResources, b bounds) {
	if r.Pids == nil {
		r.Pids = &specs.LinuxPids{}
	}
	limit := limited(r.Pids.Limit, b.pidsDefault, b.pidsCeiling)
	if r.Pids.Limit == nil || *r.Pids.Limit != limit {
		t.narrow("linux.resources.pids.limit", shown(r.Pids.Limit), decimal(limit), because("tasks are bounded", b.pidsReason))
		r.Pids.Limit = &limit
	}
}

func (o *protest) pids(p *specs.LinuxPids, b bounds) {
	if p == nil || p.Limit == nil || *p.Limit <= 0 || *p.Limit > b.pidsCeiling {
		var got *int64
		if p != nil {
			got = p.Limit
		}
		o.object("linux.resources.pids.limit", shown(got), "1 to "+decimal(b.pidsCeiling))
	}
}
