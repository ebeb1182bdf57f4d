package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestScheduling(t *testing.T) {
	runRule(t, scheduling, []ruleCase{
		{name: "absent"},
		{name: "kept", edit: func(s *specs.Spec, _ *Policy) {
			s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedBatch, Nice: 5, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagResetOnFork}}
			s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_IDLE, Priority: 7}
			s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "0-3,8", Final: "1"}
			s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: specs.MpolBind, Nodes: "0", Flags: []specs.MemoryPolicyFlagType{specs.MpolFStaticNodes}}
		}},
		{
			name: "negative nice",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedOther, Nice: -20}
			},
			changes: []string{"process.scheduler.nice: -20 -> 0 (a negative nice value takes time from the host's own work)"},
		},
		{
			name: "real time",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO, Priority: 99, Nice: 30}
				s.Process.IOPriority = &specs.LinuxIOPriority{Class: specs.IOPRIO_CLASS_RT, Priority: 8}
			},
			refused: []string{
				`process.scheduler.policy is "SCHED_FIFO", want SCHED_OTHER, SCHED_BATCH or SCHED_IDLE (rule scheduling)`,
				"process.scheduler.nice is 30, want 0 to 19 (rule scheduling)",
				"process.scheduler.priority is 99, want 0, the only one without real time (rule scheduling)",
				`process.ioPriority.class is "IOPRIO_CLASS_RT", want IOPRIO_CLASS_BE or IOPRIO_CLASS_IDLE (rule scheduling)`,
				"process.ioPriority.priority is 8, want 0 to 7 (rule scheduling)",
			},
		},
		{
			name: "deadline",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedDeadline, Runtime: 1, Flags: []specs.LinuxSchedulerFlag{specs.SchedFlagReclaim}}
			},
			refused: []string{
				`process.scheduler.policy is "SCHED_DEADLINE", want SCHED_OTHER, SCHED_BATCH or SCHED_IDLE (rule scheduling)`,
				`process.scheduler.flags[0] is "SCHED_FLAG_RECLAIM", want SCHED_FLAG_RESET_ON_FORK (rule scheduling)`,
				"process.scheduler.runtime is a deadline reservation, want none (rule scheduling)",
			},
		},
		{
			name: "what cannot be read, and the host's caches",
			edit: func(s *specs.Spec, _ *Policy) {
				s.Process.ExecCPUAffinity = &specs.CPUAffinity{Initial: "3-1"}
				s.Linux.MemoryPolicy = &specs.LinuxMemoryPolicy{Mode: "MPOL_MINE", Nodes: "a", Flags: []specs.MemoryPolicyFlagType{"X"}}
				s.Linux.IntelRdt = &specs.LinuxIntelRdt{ClosID: "host"}
			},
			refused: []string{
				`process.execCPUAffinity.initial is "3-1", want a list such as "0-3,8" (rule scheduling)`,
				`linux.memoryPolicy.mode is "MPOL_MINE", want a mode of set_mempolicy(2) (rule scheduling)`,
				`linux.memoryPolicy.nodes is "a", want a list such as "0-3,8" (rule scheduling)`,
				`linux.memoryPolicy.flags[0] is "X", want a flag of set_mempolicy(2) (rule scheduling)`,
				"linux.intelRdt is given, want absent: cache allocation belongs to the host (rule scheduling)",
			},
		},
	})
}

func TestIsIDList(t *testing.T) {
	for list, want := range map[string]bool{
		"0": true, "0-3": true, "0-3,8,10-11": true, "": false, ",": false, "0,": false, "-1": false, "1-": false, "3-1": false,
		"0 1": false, "0\n": false, "+1": false, "0x1": false, "70000": false, "0-3:1/2": false,
	} {
		if isIDList(list) != want {
			t.Errorf("isIDList(%q) is %v", list, !want)
		}
	}
}
