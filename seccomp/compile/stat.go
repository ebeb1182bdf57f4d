package compile

import (
	"fmt"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// Stats are figures of a program. Names count only where the architecture has the call.
type Stats struct {
	// Instructions of the program; the kernel takes at most 4096.
	Instructions int `json:"instructions"`
	// Allowed is the number of calls that are permitted whatever their arguments, Conditional of those that are for some arguments,
	// and Denied of the others that the architecture has.
	Allowed     int `json:"allowed"`
	Conditional int `json:"conditional"`
	Denied      int `json:"denied"`
	// Constant is the number of calls that the kernel permits from a bitmap, without running the program (since Linux 5.11).
	Constant int `json:"constantAllow"`
	// Missed are the allowed calls that are not in the bitmap: the program looks at their arguments though the answer is fixed.
	Missed []string `json:"allowedNotConstant,omitempty"`
	// Steps are the mean and the most instructions that run for a call outside of the bitmap, with zero arguments.
	MeanSteps float64 `json:"meanSteps"`
	MostSteps int     `json:"mostSteps"`
}

// Stat counts what a program of a profile does. It does not prove that the program is the profile's: see [VerifyProgram].
func Stat(p seccomp.Profile, program []bpf.RawInstruction) (Stats, error) {
	arch, err := Arch(p.Arch)
	if err != nil {
		return Stats{}, fmt.Errorf("measure seccomp filter: %w", err)
	}
	audit, err := Audit(arch)
	if err != nil {
		return Stats{}, fmt.Errorf("measure seccomp filter: %w", err)
	}
	s := Stats{Instructions: len(program)}
	total, others := 0, 0
	for _, name := range syscalls.Names(p.Arch) {
		nr, _ := syscalls.Number(p.Arch, name)
		constant := ConstAllow(program, audit, nr)
		switch free, some := reach(p, name, arch); {
		case free:
			s.Allowed++
			if !constant {
				s.Missed = append(s.Missed, name)
			}
		case some:
			s.Conditional++
		default:
			s.Denied++
		}
		if constant {
			s.Constant++
			continue
		}
		n := steps(program, audit, nr)
		total, others, s.MostSteps = total+n, others+1, max(s.MostSteps, n)
	}
	if others > 0 {
		s.MeanSteps = float64(total) / float64(others)
	}
	return s, nil
}

// reach tells whether a call is permitted always, or for some arguments. A name that libseccomp does not know has no rules.
func reach(p seccomp.Profile, name string, arch libseccomp.ScmpArch) (free, some bool) {
	rules := p.Call(name).Rules
	if _, err := libseccomp.GetSyscallFromNameByArch(name, arch); err != nil {
		rules = nil
	}
	if len(rules) == 1 && len(rules[0].Conds) == 0 {
		return rules[0].Verdict.Action.Permits(), false
	}
	free = p.Default.Action.Permits()
	for _, r := range rules {
		some = some || r.Verdict.Action.Permits()
		free = free && r.Verdict.Action.Permits()
	}
	return free, some || p.Default.Action.Permits()
}

// ConstAllow tells whether the kernel notes a number as allowed when it loads the program, so that later calls do not run it. It
// judges as seccomp_is_const_allow in kernel/seccomp.c does: only loads of number and architecture, AND, jumps and returns are
// followed, and the result has to be SECCOMP_RET_ALLOW.
func ConstAllow(program []bpf.RawInstruction, audit, nr uint32) bool {
	ret, _, ok := follow(program, func(off uint32) (uint32, bool) {
		switch off {
		case 0:
			return nr, true
		case 4:
			return audit, true
		}
		return 0, false
	})
	return ok && ret == 0x7fff0000
}

// steps counts the instructions that run for a call with zero arguments.
func steps(program []bpf.RawInstruction, audit, nr uint32) int {
	_, n, _ := follow(program, func(off uint32) (uint32, bool) {
		switch off {
		case 0:
			return nr, true
		case 4:
			return audit, true
		}
		return 0, true
	})
	return n
}

// The opcodes that a filter of libseccomp has (linux/bpf_common.h).
const (
	opLoadWord = 0x20
	opAnd      = 0x54
	opJump     = 0x05
	opEqual    = 0x15
	opGreater  = 0x25
	opAtLeast  = 0x35
	opBits     = 0x45
	opReturn   = 0x06
)

// follow runs a program. It stops without a result at an opcode that is not above, and where load refuses.
func follow(program []bpf.RawInstruction, load func(off uint32) (uint32, bool)) (ret uint32, count int, ok bool) {
	acc := uint32(0)
	for pc := 0; pc < len(program); pc++ {
		in := program[pc]
		count++
		jump := false
		switch in.Op {
		case opLoadWord:
			if acc, ok = load(in.K); !ok {
				return 0, count, false
			}
			continue
		case opReturn:
			return in.K, count, true
		case opJump:
			pc += int(in.K)
			continue
		case opAnd:
			acc &= in.K
			continue
		case opEqual:
			jump = acc == in.K
		case opGreater:
			jump = acc > in.K
		case opAtLeast:
			jump = acc >= in.K
		case opBits:
			jump = acc&in.K != 0
		default:
			return 0, count, false
		}
		if jump {
			pc += int(in.Jt)
		} else {
			pc += int(in.Jf)
		}
	}
	return 0, count, false
}
