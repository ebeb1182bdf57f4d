package notify

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// always are the calls that are notified though they are known: what starts a workload, and what begins its serving phase.
var always = []string{"accept", "accept4", "execve", "execveat", "listen"}

// Quiet returns the profile of what recordings have: the calls, with the values of the arguments, that need not be notified again, and
// the same as the Unseen of the recording to come. handedOver are calls that the runtime needs before the recorder can answer
// ([HandedOver], for a container): they are quiet whatever their arguments.
//
// Only values that fit a filter's conditions exactly are quiet; see [seccomp.Watch] for what becomes of the others.
func Quiet(arch string, handedOver []string, known ...*recording.Recording) (seccomp.Profile, []recording.Unseen) {
	var lists [][]recording.Call
	for _, r := range known {
		lists = append(lists, r.Calls, asCalls(r))
	}
	p := seccomp.Profile{Arch: arch, Default: seccomp.Verdict{Action: seccomp.Errno, Errno: 1}}
	var unseen []recording.Unseen
	for _, c := range recording.Merge(lists...) {
		// A call that was denied each time is known to be of no use.
		if c.Architecture != "" || c.Name == "" || slices.Contains(always, c.Name) || slices.Contains(handedOver, c.Name) || c.Denied == c.Count() {
			continue
		}
		p.Calls = append(p.Calls, seccomp.Call{Name: c.Name, Rules: rulesOf(c.Arguments)})
		unseen = append(unseen, recording.Unseen{Name: c.Name, Number: c.Number, Arguments: c.Arguments})
	}
	for _, name := range handedOver {
		if number, ok := syscalls.Number(arch, name); ok {
			p.Calls = append(p.Calls, seccomp.Call{Name: name, Rules: rulesOf(nil)})
			unseen = append(unseen, recording.Unseen{Name: name, Number: number})
		}
	}
	slices.SortFunc(p.Calls, func(a, b seccomp.Call) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(unseen, func(a, b recording.Unseen) int { return strings.Compare(a.Name, b.Name) })
	return p, unseen
}

// asCalls gives what a recording did not see as if it had, for merging.
func asCalls(r *recording.Recording) []recording.Call {
	var out []recording.Call
	for _, u := range r.Unseen {
		seen := recording.Seen{Phase: recording.Startup, Count: 1, First: r.Started, Last: r.Started}
		out = append(out, recording.Call{Name: u.Name, Number: u.Number, Arguments: u.Arguments, Seen: []recording.Seen{seen}})
	}
	return out
}

// rulesOf permits the values. Nil arguments and Any permit all.
func rulesOf(a *recording.Arguments) []seccomp.Rule {
	allow := seccomp.Verdict{Action: seccomp.Allow}
	if a == nil || a.Any {
		return []seccomp.Rule{{Verdict: allow}}
	}
	rules := make([]seccomp.Rule, 0, len(a.Values))
	for _, v := range a.Values {
		r := seccomp.Rule{Verdict: allow}
		for i, index := range a.Indices {
			c := seccomp.Cond{Arg: uint8(index), Op: seccomp.Masked, Value: v.Values[i], Mask: a.Masks[i]} //nolint:gosec // 0 to 5
			if c.Mask == ^uint64(0) {
				c.Op, c.Mask = seccomp.Equal, 0
			}
			r.Conds = append(r.Conds, c)
		}
		rules = append(rules, r)
	}
	return rules
}

// HandedOver are the calls that libcontainer makes between the loading of a filter and the handing over of its listener. It refuses to
// have them notified.
func HandedOver() []string { return []string{"write"} }

// Filter returns the filter under which a workload is watched: what hardened permits, with quiet calls let pass and the others
// notified.
func Filter(hardened *specs.LinuxSeccomp, arch string, quiet seccomp.Profile) (seccomp.Profile, error) {
	p, err := seccomp.FromOCI(hardened, arch)
	if err != nil {
		return seccomp.Profile{}, err
	}
	return seccomp.Watch(p, quiet)
}
