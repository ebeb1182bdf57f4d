package record

import (
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// combinations counts what the arguments of a native call were, for the calls of recording.ArgumentsOf. A call that has shown too
// many combinations is not looked at any more.
func (p recorderProgram) combinations() asm.Instructions {
	spec := cell // the offset is not needed any more
	out := asm.Instructions{
		asm.JEq.Imm(asm.R2, 0, "out"),
		asm.Mov.Reg(asm.R1, nr),
		asm.LSh.Imm(asm.R1, 5),
		asm.LoadMapValue(spec, p.maps.arguments.FD(), 0),
		asm.Add.Reg(spec, asm.R1),
		asm.LoadMem(asm.R1, spec, atKept, asm.Word),
		asm.JNE.Imm(asm.R1, kept, "out"),
		asm.LoadMem(ctx, ctx, 0, asm.DWord), // pt_regs
		asm.StoreMem(asm.R10, keyAt, nr, asm.DWord),
	}
	for i := range maskedArguments {
		out = append(out,
			p.args[i].load(asm.R1, ctx),
			asm.LoadMem(asm.R2, spec, int16(atMasks+8*i), asm.DWord),
			asm.And.Reg(asm.R1, asm.R2),
			asm.StoreMem(asm.R10, int16(keyAt+8+8*i), asm.R1, asm.DWord))
	}
	return join(out, p.findCombination("seen"), asm.Instructions{
		asm.LoadMem(asm.R1, spec, atCombinations, asm.Word),
		asm.JGE.Imm(asm.R1, p.sizes.combinations, "too-many"),
		asm.Mov.Imm(asm.R1, 1),
		addWord(spec, asm.R1, atCombinations),
		asm.StoreMem(asm.R10, valueAt, asm.R1, asm.DWord),
		asm.LoadMapPtr(asm.R1, p.maps.combinations.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, keyAt),
		asm.Mov.Reg(asm.R3, asm.R10),
		asm.Add.Imm(asm.R3, valueAt),
		asm.Mov.Imm(asm.R4, 1), // BPF_NOEXIST
		asm.FnMapUpdateElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.JEq.Imm(asm.R0, eexist, "raced"),
	}, p.bump(atLostCombinations), asm.Instructions{
		asm.Mov.Imm(asm.R1, tooMany).WithSymbol("too-many"),
		asm.StoreMem(spec, atKept, asm.R1, asm.Word),
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R1, -1).WithSymbol("raced"), // another thread was faster
		addWord(spec, asm.R1, atCombinations),
	}, p.findCombination("seen"), asm.Instructions{
		asm.Ja.Label("out"),
		asm.Mov.Imm(asm.R1, 1).WithSymbol("seen"),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
	})
}

func (p recorderProgram) findCombination(found string) asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, p.maps.combinations.FD()),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, keyAt),
		asm.FnMapLookupElem.Call(),
		asm.JNE.Imm(asm.R0, 0, found),
	}
}

func addWord(dst, src asm.Register, at int16) asm.Instruction {
	add := asm.StoreXAdd(dst, src, asm.Word)
	add.Offset = at
	return add
}

// A combination is the key that the kernel counts by.
type combination struct {
	Number uint64
	Values [maskedArguments]uint64
}

// argumentRecord is a record of the table of arguments.
type argumentRecord struct {
	Kept, Combinations uint32
	Masks              [maskedArguments]uint64
}

// newArgumentRecord says which of a call's arguments are kept. All that recording.ArgumentsOf names are among the first three.
func newArgumentRecord(indices []int, masks []uint64) (argumentRecord, error) {
	r := argumentRecord{Kept: kept}
	for i, index := range indices {
		if index < 0 || index >= maskedArguments {
			return r, fmt.Errorf("BUG: argument %d is to be recorded, the programs keep the first %d", index, maskedArguments)
		}
		r.Masks[index] = masks[i]
	}
	return r, nil
}
