package compile

import (
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// Listing writes each instruction of a program for people: absolute targets of jumps, names of fields, calls and results. goarch
// is the architecture whose numbers are named.
func Listing(program []bpf.RawInstruction, goarch string) []string {
	out := make([]string, len(program))
	loaded := make([]int, len(program)+1) // the word in the accumulator before each instruction
	reach := func(pc, word int) {
		if pc < len(loaded) {
			loaded[pc] = word
		}
	}
	for i, in := range program {
		word := loaded[i]
		switch in.Op {
		case opLoadWord:
			word = int(in.K / 4)
			out[i] = "load " + wordName(word)
			reach(i+1, word)
		case opAnd:
			out[i] = fmt.Sprintf("and %#x", in.K)
			reach(i+1, word)
		case opJump:
			out[i] = fmt.Sprintf("goto %d", i+1+int(in.K))
			reach(i+1+int(in.K), word)
		case opEqual, opGreater, opAtLeast, opBits:
			sign := map[uint16]string{opEqual: "==", opGreater: ">", opAtLeast: ">=", opBits: "&"}[in.Op]
			out[i] = fmt.Sprintf("if %s %s then %d else %d", sign, operand(in, word, goarch), i+1+int(in.Jt), i+1+int(in.Jf))
			reach(i+1+int(in.Jt), word)
			reach(i+1+int(in.Jf), word)
		case opReturn:
			out[i] = fmt.Sprintf("return %#x", in.K)
			if v, err := Decode(in.K); err == nil {
				out[i] = "return " + v.String()
			}
		default:
			out[i] = fmt.Sprintf("op %#x jt %d jf %d k %#x", in.Op, in.Jt, in.Jf, in.K)
		}
	}
	return out
}

func operand(in bpf.RawInstruction, word int, goarch string) string {
	if word == 0 {
		if name, ok := syscalls.Name(goarch, in.K); ok && in.Op != opBits {
			return fmt.Sprintf("%d (%s)", in.K, name)
		}
	}
	return fmt.Sprintf("%#x", in.K)
}

func wordName(word int) string {
	switch {
	case word == 0:
		return "number"
	case word == 1:
		return "architecture"
	case word >= 4 && word < 16 && word%2 == 0:
		return fmt.Sprintf("argument %d, lower half", (word-4)/2)
	case word >= 4 && word < 16:
		return fmt.Sprintf("argument %d, upper half", (word-4)/2)
	}
	return fmt.Sprintf("word %d", word)
}
