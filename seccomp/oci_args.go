package seccomp

import (
	"fmt"
	"sort"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// readArgs returns the conditions of each rule that an entry's args stand for: one rule, or one for each arg when an
// index is repeated. A condition that never holds leaves no rule; one that always holds leaves no condition.
func (p *Profile) readArgs(entry int, args []specs.LinuxSeccompArg) ([][]Cond, error) {
	if len(args) == 0 {
		return [][]Cond{nil}, nil
	}
	var seen [6]bool
	repeated := false
	conds := make([]Cond, len(args))
	fits := make([]fit, len(args))
	for i, a := range args {
		if a.Index > 5 {
			return nil, fmt.Errorf("parse linux.seccomp.syscalls[%d].args[%d].index: got %d, want at most 5", entry, i, a.Index)
		}
		repeated = repeated || seen[a.Index]
		seen[a.Index] = true
		var ok bool
		if conds[i], fits[i], ok = readCond(a); !ok {
			return nil, fmt.Errorf("parse linux.seccomp.syscalls[%d].args[%d].op: unknown operator %q", entry, i, a.Op)
		}
		if fits[i] == never {
			p.note("linux.seccomp.syscalls[%d].args[%d] never holds", entry, i)
		}
	}
	if repeated {
		p.note("linux.seccomp.syscalls[%d].args names an index twice: each condition is a rule of its own", entry)
		var lists [][]Cond
		for i := range conds {
			lists = appendRule(lists, conds[i:i+1], fits[i:i+1])
		}
		return lists, nil
	}
	return appendRule(nil, conds, fits), nil
}

func appendRule(lists [][]Cond, conds []Cond, fits []fit) [][]Cond {
	list := make([]Cond, 0, len(conds))
	for i, f := range fits {
		switch f {
		case never:
			return lists
		case some:
			list = append(list, conds[i])
		case always:
		}
	}
	sort.Slice(list, func(i, j int) bool { return compareConds(list[i], list[j]) < 0 })
	return append(lists, list)
}

func readCond(a specs.LinuxSeccompArg) (Cond, fit, bool) {
	arg := uint8(a.Index)
	var c Cond
	f := some
	switch a.Op {
	case specs.OpEqualTo:
		c = Cond{Arg: arg, Op: Equal, Value: a.Value}
	case specs.OpNotEqual:
		c = Cond{Arg: arg, Op: NotEqual, Value: a.Value}
	case specs.OpMaskedEqual:
		c, f = masked(arg, a.Value, a.ValueTwo)
	case specs.OpLessThan:
		c, f = less(arg, a.Value, false)
	case specs.OpLessEqual:
		c, f = less(arg, a.Value, true)
	case specs.OpGreaterEqual:
		c, f = atLeast(arg, a.Value, false)
	case specs.OpGreaterThan:
		c, f = atLeast(arg, a.Value, true)
	default:
		return Cond{}, some, false
	}
	return c, f, true
}
