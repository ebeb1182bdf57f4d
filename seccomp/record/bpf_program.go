package record

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// What a thread did last. A thread without a value was never seen.
const (
	entered = 1 // sys_enter: the filter let the call pass
	left    = 2 // sys_exit
)

// Flags of an event.
const (
	// flagFirst is the first that was seen of the thread: it may have been inside the call since before the watcher.
	flagFirst = 1 << iota
	// flagForeign is a call of another architecture.
	flagForeign
	// flagKilled is the end of a thread in the middle of a call: there was no sys_exit.
	flagKilled
)

// An event is the key that the kernel counts by. The layout is the programs': see the offsets below.
type event struct {
	PID          uint32 // thread group, as the host's first PID namespace has it
	ContainerPID uint32 // the same in the container, 0 in a PID namespace below it
	Number       uint32
	Flags        uint32
	Result       int64
	Args         [6]uint64 // zero where the argument is not kept
	Command      [16]byte
	Filters      uint32
	_            uint32
}

// A tally is the value.
type tally struct {
	Count uint64
	Last  uint64 // ns of CLOCK_MONOTONIC
}

// Offsets in an event, and where things lie on a program's stack.
const (
	atPID, atContainerPID, atNumber, atFlags, atResult, atArgs, atCommand, atFilters = 0, 4, 8, 12, 16, 24, 72, 88

	eventSize = 96
	onStack   = -eventSize
	index     = onStack - 8  // a u32, the key of an array
	pids      = onStack - 16 // struct bpf_pidns_info: pid, tgid
	tallyAt   = onStack - 32
)

// Registers that outlive calls: the current task, the event's flags, pt_regs and the program's context.
const (
	task  = asm.R6
	flags = asm.R7
	regs  = asm.R8
	ctx   = asm.R9
)

// A program is assembled from the parts below for one target on one kernel.
type program struct {
	layout
	target DenialTarget
	maps   tables
}

// gate leaves the program for every task but the target's: those under a filter in its mount namespace, once the
// watcher is complete. It is what all other threads of the host pay, so the cheapest question comes first.
func (p program) gate() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(ctx, asm.R1),
		asm.FnGetCurrentTaskBtf.Call(),
		asm.Mov.Reg(task, asm.R0),
		p.filterCount.load(asm.R1, task),
		asm.JEq.Imm(asm.R1, 0, "out"),
		p.nsproxy.load(asm.R1, task),
		p.mountNS.load(asm.R1, asm.R1),
		p.mountInode.load(asm.R1, asm.R1),
		asm.LoadImm(asm.R2, int64(p.target.MountNamespace), asm.DWord), //nolint:gosec // the bits count
		asm.JNE.Reg(asm.R1, asm.R2, "out"),
		asm.LoadMapValue(asm.R1, p.maps.live.FD(), 0),
		asm.LoadMem(asm.R1, asm.R1, 0, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "out"),
	}
}

// state has R0 point to what the task did last, or be zero.
func (p program) state(create int32) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, p.maps.states.FD()),
		asm.Mov.Reg(asm.R2, task),
		asm.Mov.Imm(asm.R3, 0),
		asm.Mov.Imm(asm.R4, create), // BPF_LOCAL_STORAGE_GET_F_CREATE
		asm.FnTaskStorageGet.Call(),
	}
}

func setState(value int32) asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R2, value), asm.StoreMem(asm.R0, 0, asm.R2, asm.Word)}
}

func end() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()}
}

// enter runs at sys_enter: the filter let the call pass.
func (p program) enter() asm.Instructions {
	return join(p.gate(), p.state(1), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out")}, setState(entered), end())
}

// exit runs at sys_exit. The first exit of a thread may belong to a call from before the watcher: it is marked, and who reads
// asks the profile. A result of 0 cannot be a denial then, and it is what each new child returns with.
func (p program) exit() asm.Instructions {
	return join(p.gate(), asm.Instructions{asm.Mov.Imm(flags, 0)}, p.state(0),
		asm.Instructions{
			asm.JEq.Imm(asm.R0, 0, "unknown"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
		},
		setState(left),
		asm.Instructions{
			asm.JEq.Imm(asm.R1, entered, "out"),
			asm.Ja.Label("denied"),
		},
		labelled("unknown", p.state(1)),
		asm.Instructions{asm.JEq.Imm(asm.R0, 0, "first")},
		setState(left),
		asm.Instructions{
			asm.Mov.Imm(flags, flagFirst).WithSymbol("first"),
			asm.LoadMem(asm.R1, ctx, 8, asm.DWord),
			asm.JEq.Imm(asm.R1, 0, "out"),
			asm.LoadMem(regs, ctx, 0, asm.DWord).WithSymbol("denied"),
			asm.LoadMem(asm.R1, ctx, 8, asm.DWord),
			asm.StoreMem(asm.R10, onStack+atResult, asm.R1, asm.DWord),
		},
		p.count(), end())
}

// killedAlone leaves the program unless the task exits with SIGSYS while its process does not: a thread among others that
// SCMP_ACT_KILL_THREAD ends never reaches sys_exit. The task's registers are in R0 then.
func (l layout) killedAlone() asm.Instructions {
	const sigsys, groupExit = 31, 4 // SIGNAL_GROUP_EXIT
	return asm.Instructions{
		l.exitCode.load(asm.R1, task),
		asm.And.Imm(asm.R1, 0x7f),
		asm.JNE.Imm(asm.R1, sigsys, "out"),
		l.signal.load(asm.R1, task),
		l.signalFlags.load(asm.R1, asm.R1),
		asm.And.Imm(asm.R1, groupExit),
		asm.JNE.Imm(asm.R1, 0, "out"),
		asm.Mov.Reg(asm.R1, task),
		asm.FnTaskPtRegs.Call(),
	}
}

// death runs at sched_process_exit.
func (p program) death() asm.Instructions {
	return join(p.gate(), p.killedAlone(), asm.Instructions{
		asm.Mov.Reg(regs, asm.R0),
		asm.Mov.Imm(flags, flagKilled),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, onStack+atResult, asm.R1, asm.DWord),
	}, p.count(), end())
}

// count fills the event and adds one to its tally.
func (p program) count() asm.Instructions {
	return join(p.numberAndFlags(), p.arguments(), p.process(), p.add())
}

func (p program) numberAndFlags() asm.Instructions {
	return asm.Instructions{
		p.foreign.load(asm.R1, task),
		asm.And.Imm(asm.R1, p.foreignMask),
		asm.JEq.Imm(asm.R1, 0, "native"),
		asm.Or.Imm(flags, flagForeign),
		asm.StoreMem(asm.R10, onStack+atFlags, flags, asm.Word).WithSymbol("native"),
		p.number.load(asm.R1, regs),
		asm.StoreMem(asm.R10, onStack+atNumber, asm.R1, asm.Word),
		asm.StoreMem(asm.R10, index, asm.R1, asm.Word),
	}
}

// arguments keeps those that the table names for the call: all of them would make every call an entry of its own. The
// registers of a foreign call are others.
func (p program) arguments() asm.Instructions {
	out := asm.Instructions{
		asm.LoadMapPtr(asm.R1, p.maps.kept.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, index),
		asm.FnMapLookupElem.Call(),
		asm.Mov.Imm(asm.R1, 0),
		asm.JEq.Imm(asm.R0, 0, "arg0"),
		asm.Mov.Reg(asm.R2, flags),
		asm.And.Imm(asm.R2, flagForeign),
		asm.JNE.Imm(asm.R2, 0, "arg0"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
	}
	for i, f := range p.args {
		store := fmt.Sprintf("store%d", i)
		out = append(out,
			asm.Mov.Imm(asm.R2, 0).WithSymbol(fmt.Sprintf("arg%d", i)),
			asm.Mov.Reg(asm.R3, asm.R1),
			asm.And.Imm(asm.R3, 1<<i),
			asm.JEq.Imm(asm.R3, 0, store),
			f.load(asm.R2, regs),
			asm.StoreMem(asm.R10, int16(onStack+atArgs+8*i), asm.R2, asm.DWord).WithSymbol(store), //nolint:gosec // small
		)
	}
	return out
}

func (p program) process() asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, onStack+atCommand),
		asm.Mov.Imm(asm.R2, 16),
		asm.FnGetCurrentComm.Call(),
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.StoreMem(asm.R10, onStack+atPID, asm.R0, asm.Word),
		asm.LoadImm(asm.R1, int64(p.target.PIDNamespaceDevice), asm.DWord), //nolint:gosec // the bits count
		asm.LoadImm(asm.R2, int64(p.target.PIDNamespace), asm.DWord),       //nolint:gosec // the bits count
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, pids),
		asm.Mov.Imm(asm.R4, 8),
		asm.FnGetNsCurrentPidTgid.Call(), // zeroes the pair when the task is in another PID namespace
		asm.LoadMem(asm.R1, asm.R10, pids+4, asm.Word),
		asm.StoreMem(asm.R10, onStack+atContainerPID, asm.R1, asm.Word),
		p.filterCount.load(asm.R1, task),
		asm.StoreMem(asm.R10, onStack+atFilters, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, onStack+atFilters+4, asm.R1, asm.Word),
	}
}

// add counts the event. When the table of events is full it counts the call's number alone.
func (p program) add() asm.Instructions {
	lookup := asm.Instructions{
		asm.LoadMapPtr(asm.R1, p.maps.events.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, onStack),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, "known"),
	}
	insert := asm.Instructions{
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, tallyAt, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, tallyAt+8, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.maps.events.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, onStack),
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, tallyAt),
		asm.Mov.Imm(asm.R4, 1), // BPF_NOEXIST: another thread may be about it
		asm.FnMapUpdateElem.Call(),
	}
	return join(lookup, insert, lookup, p.crowd(), asm.Instructions{
		asm.Mov.Reg(task, asm.R0).WithSymbol("known"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(task, asm.R1, asm.DWord),
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(task, 8, asm.R0, asm.DWord),
	})
}

// crowd counts by number what the table of events has no place for. The last counter is for all larger numbers.
func (p program) crowd() asm.Instructions {
	return asm.Instructions{
		asm.LoadMem(asm.R1, asm.R10, index, asm.Word),
		asm.JLT.Imm(asm.R1, numbers, "counted"),
		asm.Mov.Imm(asm.R1, numbers-1),
		asm.StoreMem(asm.R10, index, asm.R1, asm.Word).WithSymbol("counted"),
		asm.LoadMapPtr(asm.R1, p.maps.crowd.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, index),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Ja.Label("out"),
	}
}

func labelled(name string, in asm.Instructions) asm.Instructions {
	in[0] = in[0].WithSymbol(name)
	return in
}

func join(parts ...asm.Instructions) asm.Instructions {
	var out asm.Instructions
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
