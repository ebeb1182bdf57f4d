package integration

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The two programs of a [callRecorder]. R6 is the tracepoint's context, R7 the call's number; the stack holds keys and what
// is read from the kernel.

// filtered begins a program: it ends for all tasks but those of the cgroup that have a filter.
func filtered(group *ebpf.Map, at offsets) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMapPtr(asm.R1, group.FD()),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnCurrentTaskUnderCgroup.Call(),
		asm.JNE.Imm(asm.R0, 1, "end"),
		asm.FnGetCurrentTask.Call(),
		asm.Mov.Reg(asm.R3, asm.R0),
		asm.Add.Imm(asm.R3, int32(at.filters)),
		asm.Mov.Imm(asm.R2, 4),
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, -8),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, "end"),
		asm.LoadMem(asm.R1, asm.R10, -8, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "end"),
		asm.FnGetCurrentPidTgid.Call(),
		asm.StoreMem(asm.R10, -16, asm.R0, asm.DWord),
	}
}

// counted ends a program: it adds one to the entry R7 of a map.
func counted(m *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.StoreMem(asm.R10, -8, asm.R7, asm.Word),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -8),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}
}

// enterProgram notes that the task is in a call, and counts the call. The context is (registers, number).
func enterProgram(group, made, pending *ebpf.Map, at offsets) asm.Instructions {
	p := append(filtered(group, at),
		asm.LoadMem(asm.R7, asm.R6, 8, asm.DWord),
		asm.StoreMem(asm.R10, -24, asm.R7, asm.DWord),
		asm.LoadMapPtr(asm.R1, pending.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -16),
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, -24),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.JGE.Imm(asm.R7, recordedCalls, "end"),
	)
	return append(p, counted(made)...)
}

// exitProgram counts a call that failed and never began. The context is (registers, result). A new process leaves a call
// that it never entered too, with result 0.
func exitProgram(group, denied, pending *ebpf.Map, at offsets) asm.Instructions {
	p := append(filtered(group, at),
		asm.LoadMem(asm.R3, asm.R6, 0, asm.DWord),
		asm.Add.Imm(asm.R3, int32(at.number)),
		asm.Mov.Imm(asm.R2, 8),
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, -24),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R7, asm.R10, -24, asm.Word),
		asm.LoadMapPtr(asm.R1, pending.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -16),
		asm.FnMapDeleteElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"), // it was there
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.JSGE.Imm(asm.R1, 0, "end"),
		asm.JGE.Imm(asm.R7, recordedCalls, "end"),
	)
	return append(p, counted(denied)...)
}
