package harden

import (
	"fmt"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The container shares the processors fairly: no real-time work, no negative nice value, no share of the host's caches.
//
//	Field:    process.scheduler, process.ioPriority, process.execCPUAffinity, linux.memoryPolicy, linux.intelRdt
//	Allowed:  SCHED_OTHER, SCHED_BATCH and SCHED_IDLE, nice 0 to 19; the best-effort and idle I/O classes; CPU lists;
//	          the memory policies of set_mempolicy(2)
//	Else:     a negative nice value is narrowed to 0; the rest is refused
//	Why:      one real-time process starves the host (sched(7)), and cache allocation is a table of the host's
var scheduling = Rule{
	ID:      "scheduling",
	Fields:  []string{"process.scheduler", "process.ioPriority", "process.execCPUAffinity", "linux.memoryPolicy", "linux.intelRdt"},
	Summary: "Real-time scheduling, negative nice values and the host's cache allocation are out of reach.",
	narrow:  narrowScheduling,
	judge:   judgeScheduling,
}

func narrowScheduling(s *specs.Spec, _ Policy) []Change {
	sched := s.Process.Scheduler
	if sched == nil || sched.Nice >= 0 {
		return nil
	}
	t := tally{rule: "scheduling"}
	t.narrow("process.scheduler.nice", strconv.Itoa(int(sched.Nice)), "0", "a negative nice value takes time from the host's own work")
	sched.Nice = 0
	return t.changes
}

func judgeScheduling(s *specs.Spec, _ Policy) []Violation {
	o := protest{rule: "scheduling"}
	o.scheduler(s.Process.Scheduler)
	o.ioPriority(s.Process.IOPriority)
	if a := s.Process.ExecCPUAffinity; a != nil {
		o.idList("process.execCPUAffinity.initial", a.Initial)
		o.idList("process.execCPUAffinity.final", a.Final)
	}
	o.memoryPolicy(s.Linux.MemoryPolicy)
	if s.Linux.IntelRdt != nil {
		o.object("linux.intelRdt", "given", "absent: cache allocation belongs to the host")
	}
	return o.violations
}

func (o *protest) scheduler(s *specs.Scheduler) {
	if s == nil {
		return
	}
	switch s.Policy {
	case specs.SchedOther, specs.SchedBatch, specs.SchedIdle:
	default:
		o.object("process.scheduler.policy", quote(string(s.Policy)), "SCHED_OTHER, SCHED_BATCH or SCHED_IDLE")
	}
	if s.Nice < 0 || s.Nice > 19 {
		o.object("process.scheduler.nice", strconv.Itoa(int(s.Nice)), "0 to 19")
	}
	if s.Priority != 0 {
		o.object("process.scheduler.priority", strconv.Itoa(int(s.Priority)), "0, the only one without real time")
	}
	for i, f := range s.Flags {
		if f != specs.SchedFlagResetOnFork {
			o.object(fmt.Sprintf("process.scheduler.flags[%d]", i), quote(string(f)), "SCHED_FLAG_RESET_ON_FORK")
		}
	}
	if s.Runtime != 0 || s.Deadline != 0 || s.Period != 0 {
		o.object("process.scheduler.runtime", "a deadline reservation", "none")
	}
}

func (o *protest) ioPriority(p *specs.LinuxIOPriority) {
	if p == nil {
		return
	}
	if p.Class != specs.IOPRIO_CLASS_BE && p.Class != specs.IOPRIO_CLASS_IDLE {
		o.object("process.ioPriority.class", quote(string(p.Class)), "IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE")
	}
	if p.Priority < 0 || p.Priority > 7 {
		o.object("process.ioPriority.priority", strconv.Itoa(p.Priority), "0 to 7")
	}
}

// memoryPolicy objects to what set_mempolicy(2) does not have. A policy only places the container's own memory.
func (o *protest) memoryPolicy(m *specs.LinuxMemoryPolicy) {
	if m == nil {
		return
	}
	modes := []specs.MemoryPolicyModeType{
		specs.MpolDefault, specs.MpolBind, specs.MpolInterleave, specs.MpolWeightedInterleave,
		specs.MpolPreferred, specs.MpolPreferredMany, specs.MpolLocal,
	}
	if !slices.Contains(modes, m.Mode) {
		o.object("linux.memoryPolicy.mode", quote(string(m.Mode)), "a mode of set_mempolicy(2)")
	}
	o.idList("linux.memoryPolicy.nodes", m.Nodes)
	flags := []specs.MemoryPolicyFlagType{specs.MpolFNumaBalancing, specs.MpolFRelativeNodes, specs.MpolFStaticNodes}
	for i, f := range m.Flags {
		if !slices.Contains(flags, f) {
			o.object(fmt.Sprintf("linux.memoryPolicy.flags[%d]", i), quote(string(f)), "a flag of set_mempolicy(2)")
		}
	}
}

// idList objects to what is not a list of numbers and spans, as cpuset(7) has it: "0-3,8". Empty is allowed.
func (o *protest) idList(field, list string) {
	if list != "" && !isIDList(list) {
		o.object(field, quote(list), "a list such as \"0-3,8\"")
	}
}
