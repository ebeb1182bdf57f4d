package harden

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// unified is a second door to the same cgroup: its keys are files of the version 2 hierarchy, written last. So each key
// goes through the ceiling of the property that it repeats. Only keys of this table are known; every other one is
// refused, cgroup.* among them. The values are those of the kernel's cgroup-v2 document.

// A unifiedKey says how the value of one file is read and bounded.
type unifiedKey struct {
	name string
	// fit gives the value within the bounds. False: it cannot be read.
	fit func(value string, b bounds) (string, bool)
	why string
}

// unifiedKeys is a function because nothing is built before main runs.
func unifiedKeys() []unifiedKey {
	memory := upTo(func(b bounds) int64 { return b.memoryCeiling })
	anyNumber := upTo(func(bounds) int64 { return math.MaxInt64 })
	list := func(v string, _ bounds) (string, bool) { return v, isIDList(v) || v == "" }
	lines := func(v string, _ bounds) (string, bool) { return v, isKeyLines(v) }
	return []unifiedKey{
		{"memory.max", memory, "the host keeps a part of its memory"},
		{"memory.low", memory, "protection lies within the memory ceiling"},
		{"memory.min", memory, "protection lies within the memory ceiling"},
		{"memory.high", anyOrMax, ""},
		{"memory.swap.max", fitSwap, "no swap beyond memory"},
		{"memory.swap.high", anyOrMax, ""},
		{"memory.zswap.max", anyOrMax, ""},
		{"memory.zswap.writeback", zeroOrOne, ""},
		{"pids.max", upTo(func(b bounds) int64 { return b.pidsCeiling }), "tasks are bounded"},
		{"cpu.max", fitCPUMax, "the host keeps a part of its CPU time"},
		{"cpu.max.burst", upTo(func(b bounds) int64 { return quotaIn(cpuPeriod, b.quotaCeiling) }), "a burst is at most a quota"},
		{"cpu.weight", fitWeight, "weights are relative, and the host's own work has one"},
		{"cpu.idle", zeroOrOne, ""},
		{"cpuset.cpus", list, ""},
		{"cpuset.mems", list, ""},
		{"io.weight", lines, ""},
		{"io.bfq.weight", lines, ""},
		{"io.max", lines, ""},
		{"rdma.max", lines, ""},
		{"misc.max", lines, ""},
		{"hugetlb.*.max", anyNumber, "a number is wanted"},
		{"hugetlb.*.rsvd.max", anyNumber, "a number is wanted"},
	}
}

func findUnified(name string) (unifiedKey, bool) {
	for _, k := range unifiedKeys() {
		if k.name == name {
			return k, true
		}
		before, after, wild := strings.Cut(k.name, "*")
		if !wild || !strings.HasPrefix(name, before) || !strings.HasSuffix(name, after) || len(name) < len(k.name) {
			continue
		}
		if isPageSize(name[len(before) : len(name)-len(after)]) {
			return k, true
		}
	}
	return unifiedKey{}, false
}

func (t *tally) unified(r *specs.LinuxResources, b bounds) {
	for _, name := range slices.Sorted(maps.Keys(r.Unified)) {
		value, field := r.Unified[name], "linux.resources.unified["+name+"]"
		if name == "memory.oom.group" {
			t.narrow(field, quote(value), "absent", "one process that is out of memory must not take the container along")
			delete(r.Unified, name)
			continue
		}
		key, known := findUnified(name)
		if !known {
			continue // judge refuses it
		}
		if name == "memory.swap.max" && !b.swapAccounted {
			t.narrow(field, quote(value), "absent", "this kernel does not account swap")
			delete(r.Unified, name)
			continue
		}
		if fitted, ok := key.fit(value, b); ok && fitted != value {
			t.narrow(field, quote(value), quote(fitted), key.why)
			r.Unified[name] = fitted
		}
	}
}

func (o *protest) unified(u map[string]string, b bounds) {
	for _, name := range slices.Sorted(maps.Keys(u)) {
		value, field := u[name], "linux.resources.unified["+strings.Trim(quote(name), `"`)+"]"
		key, known := findUnified(name)
		if !known {
			o.object(field, "a file that no rule bounds", "absent")
			continue
		}
		if _, ok := key.fit(value, b); !ok {
			o.object(field, quote(value), "a value of that file")
			continue
		}
		switch name {
		case "memory.max", "memory.low", "memory.min":
			o.atMost(field, value, b.memoryCeiling)
		case "pids.max":
			o.atMost(field, value, b.pidsCeiling)
		case "memory.swap.max":
			if value != "0" && !b.swap {
				o.object(field, quote(value), "0")
			}
		case "cpu.weight":
			o.atMost(field, value, int64(weightOf(b.sharesCeiling)))
		case "cpu.max":
			quota, period, two := strings.Cut(value, " ")
			share := b.quotaCeiling * cpuPeriod / 100
			if n, err := strconv.ParseInt(period, 10, 32); two && err == nil {
				share = max(b.quotaCeiling*n/100, cpuQuotaMin)
			}
			o.atMost(field, quota, share)
		}
	}
}

// atMost objects to what is no plain number up to most. "max" is none.
func (o *protest) atMost(field, value string, most int64) {
	if n, err := strconv.ParseInt(value, 10, 64); err != nil || n < 0 || n > most {
		o.object(field, quote(value), "at most "+decimal(most))
	}
}

// upTo reads a number or "max" and bounds it.
func upTo(ceiling func(bounds) int64) func(string, bounds) (string, bool) {
	return func(v string, b bounds) (string, bool) {
		most := ceiling(b)
		if v == "max" && most == math.MaxInt64 {
			return v, true
		}
		n, ok := amount(v)
		if !ok {
			return v, false
		}
		if n > uint64(most) {
			return strconv.FormatInt(most, 10), true
		}
		return v, true
	}
}

func anyOrMax(v string, _ bounds) (string, bool) {
	_, ok := amount(v)
	return v, ok
}

// amount is a number in plain digits, or "max".
func amount(v string) (uint64, bool) {
	if v == "max" {
		return math.MaxUint64, true
	}
	n, err := strconv.ParseUint(v, 10, 63)
	return n, err == nil
}

func zeroOrOne(v string, _ bounds) (string, bool) { return v, v == "0" || v == "1" }

func fitSwap(v string, b bounds) (string, bool) {
	n, ok := amount(v)
	if ok && n > 0 && !b.swap {
		return "0", true
	}
	return v, ok
}

// fitWeight bounds cpu.weight, 1 to 10000, by the ceiling in shares.
func fitWeight(v string, b bounds) (string, bool) {
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil || n < 1 || n > 10000 {
		return v, false
	}
	if most := weightOf(b.sharesCeiling); n > most {
		return strconv.FormatUint(most, 10), true
	}
	return v, true
}

// weightOf is the version 2 weight that libcontainer gives to shares: the parabola in the logarithms through the least,
// default and greatest of both, 2 and 1, 1024 and 100, 262144 and 10000.
func weightOf(shares uint64) uint64 {
	l := math.Log2(float64(min(max(shares, 2), 262144)))
	return min(uint64(math.Ceil(math.Pow(10, (l*l+125*l-126)/612))), 10000)
}

// fitCPUMax bounds "QUOTA" and "QUOTA PERIOD", in microseconds.
func fitCPUMax(v string, b bounds) (string, bool) {
	quota, periodText, two := strings.Cut(v, " ")
	period := uint64(cpuPeriod)
	if two {
		n, err := strconv.ParseUint(periodText, 10, 32)
		if err != nil || n < cpuPeriodMin || n > cpuPeriodMax {
			return v, false
		}
		period = n
	}
	n, ok := amount(quota)
	if !ok || n < cpuQuotaMin {
		return v, false
	}
	most := quotaIn(period, b.quotaCeiling)
	if n <= uint64(most) {
		return v, true
	}
	return strings.TrimSpace(strconv.FormatInt(most, 10) + " " + periodText), true
}

// isKeyLines tells whether v is lines such as "8:0 rbps=1048576 wiops=max" or "default 100", and nothing else. The
// controllers that take them only divide or take away.
func isKeyLines(v string) bool {
	if v == "" || len(v) > 4096 {
		return false
	}
	for line := range strings.SplitSeq(v, "\n") {
		for word := range strings.SplitSeq(line, " ") {
			if !only(word, ":=_-.") {
				return false
			}
		}
	}
	return true
}
