package record

import (
	"github.com/cilium/ebpf/asm"
)

// Sizes of the tables. Every call that a workload may make has a cell; the table is as large as a shard times the shards,
// and a processor counts in the shard of its own.
const (
	cellNumbers = 512 // native calls go to 469 on Linux 6.18
	cellShift   = 5   // a cell is 32 bytes: count, denied, first, whether arguments are kept
	cellSize    = 1 << cellShift
	archSize    = cellNumbers * cellSize
	phaseSize   = 3 * archSize // native, foreign, x32
	shardSize   = 2 * phaseSize

	atDenied, atFirst, atArguments = 8, 16, 24
)

// Offsets in the control table, and in the table of the phase.
const (
	atBegan, atLostCalls, atLostCombinations, atJoined = 0, 8, 16, 24

	controlSize = 32

	atPhase, atPhaseBy, atPhaseTime = 0, 4, 8

	phaseRecordSize = 16
)

// Offsets in a record of the table of arguments: whether they are kept, how many combinations there are, a mask for each of the
// first three arguments.
const (
	atKept, atCombinations, atMasks = 0, 4, 8

	maskedArguments = 3
	argumentsSize   = 32

	kept      = 1
	tooMany   = 2
	comboKey  = 8 + 8*maskedArguments
	keyAt     = -comboKey
	valueAt   = keyAt - 24
	eexist    = -17
	oddKeyAt  = -16
	oddCellAt = -48
)

// count counts the call whose number is in R7. ctx points to pt_regs first.
func (p recorderProgram) count(denied bool) asm.Instructions {
	return join(p.cells(denied), p.combinations())
}

// cells counts a call in its cell. Native calls go on behind it, and have in R2 whether arguments are kept; others leave the program.
func (p recorderProgram) cells(denied bool) asm.Instructions {
	out := asm.Instructions{
		p.foreign.load(asm.R1, task),
		asm.And.Imm(asm.R1, p.foreignMask),
		asm.JNE.Imm(asm.R1, 0, "foreign"),
		asm.JGE.Imm(nr, cellNumbers, "odd"),
		asm.Mov.Imm(cell, 0),
	}
	out = join(out, p.phase(denied), p.add("native", denied), asm.Instructions{asm.Ja.Label("counted")},
		asm.Instructions{
			asm.Mov.Imm(cell, archSize).WithSymbol("foreign"),
			asm.JLT.Imm(nr, cellNumbers, "other"),
			asm.Mov.Imm(cell, 1),
			asm.Ja.Label("rare"),
			asm.Mov.Reg(asm.R1, nr).WithSymbol("odd"),
		})
	if p.x32 != 0 {
		out = join(out, asm.Instructions{
			asm.Sub.Imm(asm.R1, p.x32),
			asm.JGE.Imm(asm.R1, cellNumbers, "native-odd"),
			asm.Mov.Reg(nr, asm.R1),
			asm.Mov.Imm(cell, 2*archSize),
			asm.Ja.Label("other"),
		})
	}
	return join(out, asm.Instructions{
		asm.Mov.Imm(cell, 0).WithSymbol("native-odd"),
		asm.Ja.Label("rare"),
		asm.LoadMapValue(asm.R1, p.maps.phase.FD(), 0).WithSymbol("other"),
		asm.LoadMem(asm.R1, asm.R1, atPhase, asm.Word),
		asm.JEq.Imm(asm.R1, 0, "other-starts"),
		asm.Add.Imm(cell, phaseSize),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("other-starts"),
	}, p.add("other", denied), asm.Instructions{asm.Ja.Label("out")}, labelled("rare", p.rare(denied)),
		asm.Instructions{asm.LoadMem(asm.R2, asm.R1, atArguments, asm.DWord).WithSymbol("counted")})
}

// phase adds the place of the phase to the cell's offset. A call that begins the second phase is its first; a denied one begins none.
func (p recorderProgram) phase(denied bool) asm.Instructions {
	out := asm.Instructions{
		asm.LoadMapValue(asm.R1, p.maps.phase.FD(), 0),
		asm.LoadMem(asm.R2, asm.R1, atPhase, asm.Word),
	}
	if denied {
		return append(out,
			asm.JEq.Imm(asm.R2, 0, "starts"),
			asm.Add.Imm(cell, phaseSize),
			asm.Mov.Imm(asm.R1, 0).WithSymbol("starts"))
	}
	return append(out,
		asm.JNE.Imm(asm.R2, 0, "serves"),
		asm.JEq.Imm(nr, p.listen, "begins"),
		asm.JEq.Imm(nr, p.accept, "begins"),
		asm.JNE.Imm(nr, p.accept4, "starts"),
		asm.StoreMem(asm.R1, atPhaseBy, nr, asm.Word).WithSymbol("begins"),
		asm.FnKtimeGetNs.Call(),
		asm.LoadMapValue(asm.R1, p.maps.phase.FD(), 0),
		asm.StoreMem(asm.R1, atPhaseTime, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R2, 1),
		asm.StoreMem(asm.R1, atPhase, asm.R2, asm.Word),
		asm.Add.Imm(cell, phaseSize).WithSymbol("serves"),
		asm.Mov.Imm(asm.R1, 0).WithSymbol("starts"))
}

// add counts in the cell at the offset in R8, of the call's number and of this processor. The clock is read once for each cell.
func (p recorderProgram) add(label string, denied bool) asm.Instructions {
	at := func() asm.Instructions {
		return asm.Instructions{asm.LoadMapValue(asm.R1, p.maps.cells.FD(), 0), asm.Add.Reg(asm.R1, cell)}
	}
	out := asm.Instructions{}
	if p.sizes.shards > 1 {
		out = asm.Instructions{
			asm.FnGetSmpProcessorId.Call(),
			asm.And.Imm(asm.R0, p.sizes.shards-1),
			asm.Mul.Imm(asm.R0, shardSize),
			asm.Add.Reg(cell, asm.R0),
		}
	}
	out = join(out, asm.Instructions{
		asm.Mov.Reg(asm.R1, nr),
		asm.LSh.Imm(asm.R1, cellShift),
		asm.Add.Reg(cell, asm.R1),
	}, at(), asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord),
		asm.JNE.Imm(asm.R2, 0, label+"-again"),
		asm.FnKtimeGetNs.Call(),
	}, at(), asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, atFirst, asm.DWord),
		asm.JNE.Imm(asm.R2, 0, label+"-again"),
		asm.StoreMem(asm.R1, atFirst, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R2, 1).WithSymbol(label + "-again"),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
	})
	if denied {
		deny := asm.StoreXAdd(asm.R1, asm.R2, asm.DWord)
		deny.Offset = atDenied
		out = append(out, deny)
	}
	return out
}

// rare counts a call whose number no table has, and leaves the program. R8 is 1 for a foreign one.
func (p recorderProgram) rare(denied bool) asm.Instructions {
	find := func(label string) asm.Instructions {
		return asm.Instructions{
			asm.LoadMapPtr(asm.R1, p.maps.odd.FD()),
			asm.Mov.Reg(asm.R2, asm.R10),
			asm.Add.Imm(asm.R2, oddKeyAt),
			asm.FnMapLookupElem.Call(),
			asm.JNE.Imm(asm.R0, 0, label),
		}
	}
	out := join(asm.Instructions{
		asm.LoadMapValue(asm.R1, p.maps.phase.FD(), 0),
		asm.LoadMem(asm.R1, asm.R1, atPhase, asm.Word),
		asm.LSh.Imm(asm.R1, 1),
		asm.Or.Reg(cell, asm.R1),
		asm.StoreMem(asm.R10, oddKeyAt, nr, asm.DWord),
		asm.StoreMem(asm.R10, oddKeyAt+8, cell, asm.DWord),
	}, find("rare-known"), asm.Instructions{
		asm.FnKtimeGetNs.Call(),
		asm.StoreMem(asm.R10, oddCellAt+atFirst, asm.R0, asm.DWord),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R10, oddCellAt, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, oddCellAt+atDenied, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, oddCellAt+24, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.maps.odd.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, oddKeyAt),
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, oddCellAt),
		asm.Mov.Imm(asm.R4, 1), // BPF_NOEXIST
		asm.FnMapUpdateElem.Call(),
	}, find("rare-known"), p.bump(atLostCalls), asm.Instructions{
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R2, 1).WithSymbol("rare-known"),
		asm.StoreXAdd(asm.R0, asm.R2, asm.DWord),
	})
	if denied {
		deny := asm.StoreXAdd(asm.R0, asm.R2, asm.DWord)
		deny.Offset = atDenied
		out = append(out, deny)
	}
	return append(out, asm.Ja.Label("out"))
}
