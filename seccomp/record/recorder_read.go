package record

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// controlRecord is the control table.
type controlRecord struct {
	Began, LostCalls, LostCombinations, Joined uint64
}

// phaseRecord is the table of the phase. By is a system call's number, or byMark.
type phaseRecord struct {
	Phase, By uint32
	Time      uint64
}

const byMark = ^uint32(0)

// A cellRecord is what is counted of one call in one phase.
type cellRecord struct {
	Count, Denied, First, Arguments uint64
}

// An oddKey names a number without a cell: bit 0 of Kind is a foreign call, bit 1 the second phase.
type oddKey struct {
	Number, Kind uint64
}

func (p *recorderProbe) readControl() (controlRecord, error) {
	var c controlRecord
	if err := p.maps.control.Lookup(uint32(0), &c); err != nil {
		return c, fmt.Errorf("read map %q: %w", "bulkhead_ctl", err)
	}
	return c, nil
}

// A counted is a call in a phase, added up over the shards.
type counted struct {
	kind   int // 0 native, 1 foreign, 2 x32
	number uint32
	phase  int
}

func (p *recorderProbe) readCells(shards int32) (map[counted]cellRecord, error) {
	table := make([]cellRecord, int(shards)*shardSize/cellSize)
	if err := p.maps.cells.Lookup(uint32(0), table); err != nil {
		return nil, fmt.Errorf("read map %q: %w", "bulkhead_cells", err)
	}
	out := map[counted]cellRecord{}
	for i, c := range table {
		if c.Count == 0 {
			continue
		}
		rest := i % (shardSize / cellSize)
		k := counted{number: uint32(rest % cellNumbers), kind: rest / cellNumbers % 3, phase: rest / (3 * cellNumbers)} //nolint:gosec // bounded
		out[k] = out[k].plus(c)
	}
	var key oddKey
	var c cellRecord
	it := p.maps.odd.Iterate()
	for it.Next(&key, &c) {
		k := counted{number: uint32(key.Number), kind: int(key.Kind & 1), phase: int(key.Kind >> 1)} //nolint:gosec // the kernel takes 32 bits
		if c.Count > 0 {
			out[k] = out[k].plus(c)
		}
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read map %q: %w", "bulkhead_odd", err)
	}
	return out, nil
}

func (c cellRecord) plus(o cellRecord) cellRecord {
	first := min(c.First, o.First)
	if c.First == 0 {
		first = o.First
	}
	return cellRecord{Count: c.Count + o.Count, Denied: c.Denied + o.Denied, First: first}
}

// readArguments gives what is known of the arguments, by native number.
func (p *recorderProbe) readArguments() (map[uint32]*recording.Arguments, error) {
	table := make([]argumentRecord, cellNumbers)
	if err := p.maps.arguments.Lookup(uint32(0), table); err != nil {
		return nil, fmt.Errorf("read map %q: %w", "bulkhead_args", err)
	}
	out := map[uint32]*recording.Arguments{}
	var key combination
	var n uint64
	it := p.maps.combinations.Iterate()
	for it.Next(&key, &n) {
		number := uint32(key.Number) //nolint:gosec // below cellNumbers
		r, ok := recordedOf(number)
		if !ok || n == 0 {
			continue
		}
		if out[number] == nil {
			out[number] = &recording.Arguments{Indices: r.Indices, Masks: r.Masks}
		}
		c := recording.Combination{Count: n}
		for _, index := range r.Indices {
			c.Values = append(c.Values, key.Values[index])
		}
		out[number].Values = append(out[number].Values, c)
	}
	if err := it.Err(); err != nil {
		return nil, fmt.Errorf("read map %q: %w", "bulkhead_combi", err)
	}
	for number, record := range table {
		if record.Kept == tooMany {
			r, _ := recordedOf(uint32(number)) //nolint:gosec // below cellNumbers
			out[uint32(number)] = &recording.Arguments{Indices: r.Indices, Masks: r.Masks, Any: true}
		}
	}
	for _, a := range out {
		slices.SortFunc(a.Values, func(x, y recording.Combination) int { return slices.Compare(x.Values, y.Values) })
	}
	return out, nil
}

func recordedOf(number uint32) (recording.Recorded, bool) {
	name, ok := syscalls.Name(runtime.GOARCH, number)
	if !ok {
		return recording.Recorded{}, false
	}
	return recording.ArgumentsOf(name)
}

// foreignOf are runtime-spec's names of the kinds of call that are not native.
var foreignOf = map[string][3]string{
	"amd64": {"", "SCMP_ARCH_X86", "SCMP_ARCH_X32"},
	"arm64": {"", "SCMP_ARCH_ARM", ""},
}

// nativeOf is runtime-spec's name of a GOARCH.
var nativeOf = map[string]string{"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}

// call gives a call its names. The number of an x32 call has its bit, as a filter sees it.
func (k counted) call() recording.Call {
	number := k.number
	kind := k.kind
	if runtime.GOARCH == "amd64" && kind == 0 && number&x32Bit != 0 {
		kind = 2
	} else if kind == 2 {
		number |= x32Bit
	}
	c := recording.Call{Number: number, Architecture: foreignOf[runtime.GOARCH][kind]}
	if kind == 0 {
		c.Name, _ = syscalls.Name(runtime.GOARCH, number)
		return c
	}
	c.Name = foreignName(kind, number)
	return c
}

// A clock turns nanoseconds of CLOCK_MONOTONIC into the time of day.
type clock struct {
	boot time.Time
}

func (c clock) at(ns uint64) time.Time { return c.boot.Add(time.Duration(ns)).UTC() } //nolint:gosec // ns since boot
