package harden

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// rlimitTypes are the resources of getrlimit(2), in the order of their numbers.
var rlimitTypes = [...]string{
	"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
}

// An rlimitBound is what the profile and the host say of one resource.
type rlimitBound struct {
	def     uint64
	has     bool // a default
	ceiling uint64
	floor   uint64
	reason  string
}

// rlimitBoundOf gives the bound of a resource. A profile's Limit of zeros names none. What the runtime itself may not
// exceed (Facts.Kernel.HardLimits) bounds every resource, because setting more fails at start.
func rlimitBoundOf(kind string, p Policy) rlimitBound {
	b := rlimitBound{ceiling: math.MaxUint64}
	limit := func(l [2]int64, reason string) {
		b.reason = reason
		if l[0] > 0 {
			b.def, b.has = uint64(l[0]), true
		}
		if l[1] > 0 {
			b.ceiling = uint64(l[1])
		}
	}
	l := p.Profile.Limits
	switch kind {
	case "RLIMIT_NOFILE":
		limit([2]int64{l.NoFile.Default, l.NoFile.Ceiling}, l.NoFile.Reason)
	case "RLIMIT_CORE":
		limit([2]int64{l.Core.Default, l.Core.Ceiling}, l.Core.Reason)
		// core(5): 0 does not stop a handler that core_pattern pipes to, and that handler runs on the host. 1 does.
		b.floor = min(b.def, 1)
	case "RLIMIT_NPROC":
		limit([2]int64{l.NProc.Default, l.NProc.Ceiling}, l.NProc.Reason)
	case "RLIMIT_MEMLOCK":
		limit([2]int64{l.MemLock.Default, l.MemLock.Ceiling}, l.MemLock.Reason)
	case "RLIMIT_RTPRIO":
		b.ceiling, b.reason = 0, "real-time priorities starve the host"
	case "RLIMIT_NICE":
		b.ceiling, b.reason = 20, "20 allows the nice value 0 and none below"
	}
	if hard, ok := p.Facts.Kernel.HardLimits[kind]; ok {
		b.ceiling = min(b.ceiling, hard)
	}
	b.def, b.floor = min(b.def, b.ceiling), min(b.floor, b.ceiling)
	return b
}

func (t *tally) rlimits(proc *specs.Process, p Policy) {
	for i := range proc.Rlimits {
		r := &proc.Rlimits[i]
		b := rlimitBoundOf(r.Type, p)
		hard, soft := max(min(r.Hard, b.ceiling), b.floor), max(min(r.Soft, b.ceiling), b.floor)
		if hard != r.Hard || soft != r.Soft {
			t.narrow("process.rlimits["+r.Type+"]", softHard(r.Soft, r.Hard), softHard(soft, hard), because("above the ceiling, or without the effect that was meant", b.reason))
			r.Hard, r.Soft = hard, soft
		}
	}
	for _, kind := range rlimitTypes {
		b := rlimitBoundOf(kind, p)
		if !b.has || slices.ContainsFunc(proc.Rlimits, func(r specs.POSIXRlimit) bool { return r.Type == kind }) {
			continue
		}
		proc.Rlimits = append(proc.Rlimits, specs.POSIXRlimit{Type: kind, Hard: b.def, Soft: b.def})
		t.narrow("process.rlimits["+kind+"]", "absent", softHard(b.def, b.def), because("absent means the engine's own", b.reason))
	}
}

func softHard(soft, hard uint64) string {
	if soft == hard {
		return rlimitText(hard)
	}
	return "soft " + rlimitText(soft) + ", hard " + rlimitText(hard)
}

func rlimitText(n uint64) string {
	if n == math.MaxUint64 {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func (o *protest) rlimits(proc *specs.Process, p Policy) {
	given := map[string]bool{}
	for i, r := range proc.Rlimits {
		field := fmt.Sprintf("process.rlimits[%d]", i)
		if !slices.Contains(rlimitTypes[:], r.Type) {
			o.object(field+".type", quote(r.Type), "a resource of getrlimit(2)")
			continue
		}
		if given[r.Type] {
			o.object(field+".type", quote(r.Type), "each resource once")
		}
		given[r.Type] = true
		b := rlimitBoundOf(r.Type, p)
		if r.Hard > b.ceiling {
			o.object(field+".hard", rlimitText(r.Hard), "at most "+rlimitText(b.ceiling))
		}
		if r.Hard < b.floor || r.Soft < b.floor {
			o.object(field+".soft", rlimitText(r.Soft), "at least "+rlimitText(b.floor))
		}
		if r.Soft > r.Hard {
			o.object(field+".soft", rlimitText(r.Soft), "at most the hard limit "+rlimitText(r.Hard))
		}
	}
	for _, kind := range rlimitTypes {
		if rlimitBoundOf(kind, p).has && !given[kind] {
			o.object("process.rlimits["+kind+"]", "absent", "a limit")
		}
	}
}

// oomScoreFloor is the lowest oom_score_adj that a container gets: the profile's, or the runtime's own where it may not
// go lower (proc(5), CAP_SYS_RESOURCE).
func oomScoreFloor(p Policy) int {
	floor := int(min(max(p.Profile.Limits.OOMScoreAdj.Ceiling, -1000), 1000))
	if own := p.Facts.Kernel.OOMScoreAdjMin; own != nil {
		floor = max(floor, min(*own, 1000))
	}
	return floor
}

// oomScore keeps the kernel from sparing a container before the host's own work. Absent would inherit the engine's value,
// which is often near -1000.
func (t *tally) oomScore(proc *specs.Process, p Policy) {
	l, floor := p.Profile.Limits.OOMScoreAdj, oomScoreFloor(p)
	switch have := proc.OOMScoreAdj; {
	case have == nil:
		score := max(int(min(max(l.Default, -1000), 1000)), floor)
		t.narrow("process.oomScoreAdj", "absent", decimal(score), because("absent inherits the engine's own value", l.Reason))
		proc.OOMScoreAdj = &score
	case *have < floor && *have >= -1000:
		t.narrow("process.oomScoreAdj", decimal(*have), decimal(floor), because("the host's own work is spared first", l.Reason))
		proc.OOMScoreAdj = &floor
	}
}

func (o *protest) oomScore(proc *specs.Process, p Policy) {
	floor := oomScoreFloor(p)
	if v := proc.OOMScoreAdj; v == nil || *v < floor || *v > 1000 {
		o.object("process.oomScoreAdj", shown(v), decimal(floor)+" to 1000")
	}
}
