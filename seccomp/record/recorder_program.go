package record

import (
	"github.com/cilium/ebpf/asm"
)

// The recorder follows tasks instead of asking each whether it belongs to the container. A task becomes part of the workload when it
// executes a program in the container's mount namespace under the container's filter: what libcontainer's init did before
// is not the workload's. Its children and threads are part of the workload from their first instruction, wherever they go.
// The mark is a byte for each ID that a thread can have; the end of the thread takes it away. A task storage would do the same
// for less memory, but asking for it twice in every call costs a quarter of what the recorder costs.

// A recorderProgram is assembled from the parts below for one target on one kernel.
type recorderProgram struct {
	recorderLayout
	machine
	target DenialTarget
	maps   recorderMaps
	sizes  recorderSizes
}

// Registers of the recorder's programs that outlive calls. The first is task, R6.
const (
	nr   = asm.R7 // the number of the call
	cell = asm.R8 // offset of the call's cell in the table
	// ctx is R9.
)

// sigkillBit is SIGKILL in a sigset_t.
const sigkillBit = 1 << 8

// What a thread of the workload did last: entered, left, or nothing yet since the recorder came to it.
const joined = 3

// marks is how many IDs there are: PID_MAX_LIMIT of linux/threads.h. Threads have IDs in a row and would share lines of the
// processors' caches, so an ID's byte is at its product with an odd number.
const (
	marks   = 1 << 22
	scatter = 0x5bd1e995
)

// mark has R0 point to the mark of the thread whose ID is in R1.
func (p recorderProgram) mark() asm.Instructions {
	return asm.Instructions{
		asm.Mul.Imm(asm.R1, scatter),
		asm.And.Imm(asm.R1, marks-1),
		asm.LoadMapValue(asm.R0, p.maps.marks.FD(), 0),
		asm.Add.Reg(asm.R0, asm.R1),
	}
}

// markOfTask has R0 point to the mark of the task in R6.
func (p recorderProgram) markOfTask() asm.Instructions {
	return join(asm.Instructions{p.pid.load(asm.R1, task)}, p.mark())
}

func setMark(value int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R2, value), asm.StoreMem(asm.R0, 0, asm.R2, asm.Byte)}
}

// marked leaves the program for every task but the workload's, has R0 point to the mark, and the mark in R1.
func (p recorderProgram) marked() asm.Instructions {
	return join(asm.Instructions{
		asm.Mov.Reg(ctx, asm.R1),
		asm.FnGetCurrentTaskBtf.Call(),
		asm.Mov.Reg(task, asm.R0),
	}, p.markOfTask(), asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Byte),
		asm.JEq.Imm(asm.R1, 0, "out"),
	})
}

// enter runs at sys_enter: the filter let the call pass.
func (p recorderProgram) enter() asm.Instructions {
	return join(p.marked(), setMark(entered), asm.Instructions{asm.LoadMem(nr, ctx, 8, asm.DWord)}, p.count(false), end())
}

// exit runs at sys_exit. An exit without an enter is a denied call (see the package's comment). The first exit of a thread that
// was there before the recorder may end a call from before it, and does not count. Nor does a call that did not run because a tracer
// held its thread until it was killed: the filter had not been asked.
func (p recorderProgram) exit() asm.Instructions {
	return join(p.marked(), setMark(left), asm.Instructions{
		asm.JNE.Imm(asm.R1, left, "out"),
		p.ptrace.load(asm.R1, task),
		asm.JEq.Imm(asm.R1, 0, "denied"),
		p.pending.load(asm.R1, task),
		asm.And.Imm(asm.R1, sigkillBit),
		asm.JNE.Imm(asm.R1, 0, "out"),
		asm.LoadMem(asm.R1, ctx, 0, asm.DWord).WithSymbol("denied"),
		p.number.load(nr, asm.R1),
	}, p.count(true), end())
}

// gone runs at sched_process_exit, and takes the mark away.
func (p recorderProgram) gone() asm.Instructions { return join(p.marked(), setMark(0), end()) }

// death is gone that also counts the call which ended a thread.
func (p recorderProgram) death() asm.Instructions {
	return join(p.marked(), setMark(0), asm.Instructions{asm.JEq.Imm(asm.R1, entered, "out")},
		p.killedAlone(), asm.Instructions{p.number.load(nr, asm.R0)}, p.cells(true), end())
}

// inContainer leaves the program unless the task in R6 is in the container's mount namespace and under a filter of its own. A
// process that an operator sends there has none of bulkhead's.
func (p recorderProgram) inContainer() asm.Instructions {
	return asm.Instructions{
		p.filterCount.load(asm.R1, task),
		asm.JLT.Imm(asm.R1, int32(p.target.Filters), "out"), //nolint:gosec // few
		p.nsproxy.load(asm.R1, task),
		p.mountNS.load(asm.R1, asm.R1),
		p.mountInode.load(asm.R1, asm.R1),
		asm.LoadImm(asm.R2, int64(p.target.MountNamespace), asm.DWord), //nolint:gosec // the bits count
		asm.JNE.Reg(asm.R1, asm.R2, "out"),
	}
}

// exec runs at sched_process_exec, with the task and the ID that it had before: a thread that executes a program gets that of its
// process. The first of a process in the container is the workload's beginning, and its first call.
func (p recorderProgram) exec() asm.Instructions {
	return join(asm.Instructions{
		asm.Mov.Reg(ctx, asm.R1),
		asm.FnGetCurrentTaskBtf.Call(),
		asm.Mov.Reg(task, asm.R0),
		asm.LoadMem(asm.R1, ctx, 8, asm.Word),
	}, p.mark(), asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Byte),
		asm.JEq.Imm(asm.R1, 0, "new"),
	}, setMark(0), p.markOfTask(), setMark(entered), asm.Instructions{
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("new"),
	}, p.inContainer(), p.markOfTask(), setMark(entered), asm.Instructions{
		asm.LoadMapValue(asm.R1, p.maps.control.FD(), atBegan),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord),
		asm.JNE.Imm(asm.R2, 0, "begun"),
		asm.FnKtimeGetNs.Call(),
		asm.LoadMapValue(asm.R1, p.maps.control.FD(), atBegan),
		asm.StoreMem(asm.R1, 0, asm.R0, asm.DWord),
		asm.Mov.Imm(nr, p.execve).WithSymbol("begun"),
	}, p.cells(false), end())
}

// fork runs at sched_process_fork, before the child does. It comes from inside clone, whose end it will pass.
func (p recorderProgram) fork() asm.Instructions {
	return join(p.marked(), asm.Instructions{asm.LoadMem(task, ctx, 8, asm.DWord)}, p.markOfTask(), setMark(entered), end())
}

// scan runs for every thread of the host when the recorder begins: those of a workload that runs already become part of it.
func (p recorderProgram) scan() asm.Instructions {
	return join(asm.Instructions{
		asm.LoadMem(task, asm.R1, 8, asm.DWord),
		asm.JEq.Imm(task, 0, "out"),
	}, p.inContainer(), p.unlessInit("out"), p.markOfTask(), asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Byte),
		asm.JNE.Imm(asm.R1, 0, "out"),
	}, setMark(joined), p.bump(atJoined), end())
}

// bump adds one to a number of the control table.
func (p recorderProgram) bump(at uint32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapValue(asm.R1, p.maps.control.FD(), at),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	}
}
