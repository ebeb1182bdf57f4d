package generate

import (
	"fmt"
	"math"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// conditions are the recorded arguments of a call as lists of which one has to match. Nil: any arguments, because rules were not
// asked for, the arguments are not recorded, or they did not converge.
func (w *wants) conditions(c recording.Call) [][]specs.LinuxSeccompArg {
	a := c.Arguments
	if !w.options.ArgumentRules || a == nil {
		return nil
	}
	if a.Any || len(a.Values) > recording.Limit {
		w.note(fmt.Sprintf("the arguments of %q did not converge: it has no conditions", c.Name))
		return nil
	}
	lists := make([][]specs.LinuxSeccompArg, len(a.Values))
	for k, v := range a.Values {
		lists[k] = make([]specs.LinuxSeccompArg, len(a.Indices))
		for i, index := range a.Indices {
			lists[k][i] = maskedArg(index, a.Masks[i], v.Values[i])
		}
	}
	return lists
}

// maskedArg compares some bits of an argument. The upper half of an int argument is garbage that the kernel does not read: a
// comparison of all 64 bits would deny what C libraries pass sign-extended.
func maskedArg(index int, mask, value uint64) specs.LinuxSeccompArg {
	if mask == math.MaxUint64 {
		return specs.LinuxSeccompArg{Index: uint(index), Value: value, Op: specs.OpEqualTo}
	}
	return specs.LinuxSeccompArg{Index: uint(index), Value: mask, ValueTwo: value, Op: specs.OpMaskedEqual}
}

// runtimeArguments are the arguments with which the runtime makes its calls, where they are among the recorded ones
// (strace of bulkhead's own starts; nptl/nptl_setxid.c of glibc; runtime/os_linux.go of Go).
var runtimeArguments = map[string]struct {
	index  int
	values []uint64
}{
	// Without no_new_privs: bounding set, ambient set, keepcaps, parent death signal.
	"prctl": {0, []uint64{unix.PR_SET_PDEATHSIG, unix.PR_GET_PDEATHSIG, unix.PR_SET_KEEPCAPS, unix.PR_CAPBSET_READ, unix.PR_CAPBSET_DROP, unix.PR_CAP_AMBIENT}},
	// Is a descriptor non-blocking, make it so.
	"fcntl": {1, []uint64{unix.F_GETFL, unix.F_SETFL}},
	// FUTEX_WAIT_PRIVATE and FUTEX_WAKE_PRIVATE.
	"futex": {1, []uint64{128, 129}},
	// Memory of the Go heap: reserved without access, then read and written. Never executable.
	"mmap": {2, []uint64{0, unix.PROT_WRITE}},
}

func (w *wants) runtimeConditions(name string) [][]specs.LinuxSeccompArg {
	a, ok := runtimeArguments[name]
	if !ok || !w.options.ArgumentRules {
		return nil
	}
	kept, _ := recording.ArgumentsOf(name)
	mask := kept.Masks[slices.Index(kept.Indices, a.index)]
	var lists [][]specs.LinuxSeccompArg
	for _, v := range a.values {
		lists = append(lists, []specs.LinuxSeccompArg{maskedArg(a.index, mask, v)})
	}
	return lists
}

// maxRules is what package seccomp takes for one call.
const maxRules = 96

// equalOnly writes NE as masked comparisons of single bits: a filter sees 64 bits and the kernel may read 32, so a value that
// differs only above is not equal for the one and equal for the other.
func (w *wants) equalOnly(p seccomp.Profile) seccomp.Profile {
	out := p
	out.Calls = nil
	for _, c := range p.Calls {
		rules, ok := onlyEqual(c.Rules)
		if !ok {
			w.note(fmt.Sprintf("the rules of %q are too many without NE: it is denied whatever its arguments", c.Name))
			continue
		}
		out.Calls = append(out.Calls, seccomp.Call{Name: c.Name, Rules: rules})
	}
	return out
}

func onlyEqual(rules []seccomp.Rule) ([]seccomp.Rule, bool) {
	var out []seccomp.Rule
	for _, r := range rules {
		i := slices.IndexFunc(r.Conds, func(c seccomp.Cond) bool { return c.Op != seccomp.Equal && c.Op != seccomp.Masked })
		if i < 0 {
			out = append(out, r)
			continue
		}
		if r.Conds[i].Op != seccomp.NotEqual {
			return nil, false // the canonical form has no ranges
		}
		for bit := range 64 {
			x := r
			x.Conds = slices.Clone(r.Conds)
			mask := uint64(1) << bit
			x.Conds[i] = seccomp.Cond{Arg: r.Conds[i].Arg, Op: seccomp.Masked, Mask: mask, Value: ^r.Conds[i].Value & mask}
			out = append(out, x)
		}
	}
	return out, len(out) <= maxRules
}
