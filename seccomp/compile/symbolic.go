package compile

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
)

// A register is what the accumulator holds on some way through a program: a word of the input with bits masked out, or the constant
// Mask when Word is -1.
type register struct {
	word int
	mask uint32
}

// words are the input in words of 32 bits, by offset divided by four (struct seccomp_data on a little-endian machine). The
// instruction pointer, words 2 and 3, is no field: a filter that reads it is not one that libseccomp makes.
var words = map[int]bdd.Field{
	0: bdd.Number, 1: bdd.Arch,
	4: bdd.Low(0), 5: bdd.High(0), 6: bdd.Low(1), 7: bdd.High(1), 8: bdd.Low(2), 9: bdd.High(2),
	10: bdd.Low(3), 11: bdd.High(3), 12: bdd.Low(4), 13: bdd.High(4), 14: bdd.Low(5), 15: bdd.High(5),
}

// A run follows a program for all inputs at once: for each instruction, the set of inputs that arrive there, by what the accumulator
// holds then. Jumps only go forward, so one pass is enough.
type run struct {
	g      *bdd.Graph
	insns  []bpf.Instruction
	states []map[register]bdd.Ref
	result bdd.Ref
}

// function returns the filter as a function from its input to the value that it returns.
func function(g *bdd.Graph, program []bpf.RawInstruction) (bdd.Ref, error) {
	insns, ok := bpf.Disassemble(program)
	if !ok || len(insns) == 0 {
		return 0, fmt.Errorf("read seccomp filter: it is empty or an instruction is unknown")
	}
	r := &run{g: g, insns: insns, states: make([]map[register]bdd.Ref, len(insns)), result: g.Leaf(0)}
	r.arrive(0, register{-1, 0}, bdd.True)
	for pc := range insns {
		states := r.states[pc]
		for _, reg := range slices.SortedFunc(maps.Keys(states), compareRegisters) {
			if err := r.step(pc, reg, states[reg]); err != nil {
				return 0, fmt.Errorf("read seccomp filter: instruction %d: %w", pc, err)
			}
		}
		r.states[pc] = nil
	}
	return r.result, nil
}

func compareRegisters(a, b register) int {
	if a.word != b.word {
		return a.word - b.word
	}
	return int(int64(a.mask) - int64(b.mask))
}

// arrive adds inputs to those that reach an instruction.
func (r *run) arrive(pc int, reg register, set bdd.Ref) {
	if set == bdd.False || pc >= len(r.states) {
		return
	}
	if r.states[pc] == nil {
		r.states[pc] = map[register]bdd.Ref{}
	}
	r.states[pc][reg] = r.g.Or(r.states[pc][reg], set)
}

func (r *run) step(pc int, reg register, set bdd.Ref) error {
	switch in := r.insns[pc].(type) {
	case bpf.LoadAbsolute:
		word := int(in.Off / 4)
		if _, ok := words[word]; !ok || in.Off%4 != 0 || in.Size != 4 {
			return fmt.Errorf("it loads %d bytes at offset %d", in.Size, in.Off)
		}
		r.arrive(pc+1, register{word, 1<<32 - 1}, set)
	case bpf.ALUOpConstant:
		if in.Op != bpf.ALUOpAnd {
			return fmt.Errorf("operation %d is not AND", in.Op)
		}
		r.arrive(pc+1, register{reg.word, reg.mask & in.Val}, set)
	case bpf.Jump:
		if in.Skip > uint32(len(r.insns)) {
			return fmt.Errorf("it jumps out of the program")
		}
		r.arrive(pc+1+int(in.Skip), reg, set)
	case bpf.JumpIf:
		yes, err := r.test(in, reg)
		if err != nil {
			return err
		}
		r.arrive(pc+1+int(in.SkipTrue), reg, r.g.And(set, yes))
		r.arrive(pc+1+int(in.SkipFalse), reg, r.g.And(set, r.g.Not(yes)))
	case bpf.RetConstant:
		r.result = r.g.If(set, r.g.Leaf(in.Val), r.result)
	default:
		return fmt.Errorf("libseccomp does not make %T", in)
	}
	return nil
}

// test is the set of inputs for which a comparison of the accumulator holds.
func (r *run) test(in bpf.JumpIf, reg register) (bdd.Ref, error) {
	field, ok := words[reg.word]
	if !ok {
		return 0, fmt.Errorf("it compares before anything is loaded")
	}
	mask, value := uint64(reg.mask), uint64(in.Val)
	equal, less := r.g.Masked(field, mask, value), r.g.MaskedLess(field, mask, value)
	switch in.Cond {
	case bpf.JumpEqual:
		return equal, nil
	case bpf.JumpNotEqual:
		return r.g.Not(equal), nil
	case bpf.JumpLessThan:
		return less, nil
	case bpf.JumpLessOrEqual:
		return r.g.Or(less, equal), nil
	case bpf.JumpGreaterOrEqual:
		return r.g.Not(less), nil
	case bpf.JumpGreaterThan:
		return r.g.Not(r.g.Or(less, equal)), nil
	case bpf.JumpBitsSet:
		return r.g.MaskedTouches(field, mask&value), nil
	case bpf.JumpBitsNotSet:
		return r.g.Not(r.g.MaskedTouches(field, mask&value)), nil
	}
	return 0, fmt.Errorf("unknown comparison %d", in.Cond)
}
