package userns

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// Owner is the name whose lines in /etc/subuid and /etc/subgid make the pool.
const Owner = "bulkhead"

const (
	// noID is (uid_t)-1, which setresuid(2) reads as "leave unchanged". It never names anybody.
	noID = 1<<32 - 1
	// firstID is the first ID that may be leased. What is below belongs to the host: its users, its services, and the
	// two overflow values 65534 (user_namespaces(7)) and 65535 (a 16 bit "no ID").
	firstID = 1 << 16
)

// DefaultPool is used when neither file has a line for bulkhead.
//
// It lies in 1879048192-2147483647, which systemd's UIDS-GIDS document lists as unused, and ends before 2147352576,
// where systemd 258 put its "foreign" IDs. It is clear of kubelet's default (one range a pod from 65536 upward), of
// login.defs' SUB_UID_MIN..SUB_UID_MAX (100000-600100000), of systemd-nspawn (524288-1879048191), and of IDs whose top bit
// is set, which some programs read as negative numbers. It holds 4094 ranges of 65536.
var DefaultPool = Range{Start: 1879048192, Size: 2147352576 - 1879048192}

// reserved are the IDs that are never leased, whatever the files say.
func reserved() []Range { return []Range{{0, firstID}, {noID, 1}} }

// Pools are the ranges that may be leased: the IDs that owner has in both files, or DefaultPool when it has none in
// either, less what other owners have in one of the files, less users (IDs that the host knows by name). The result is
// sorted, and its parts do not touch. It never contains an ID below 65536 or 4294967295.
//
// Lines in only one of the files are an error: a range is for users and groups alike.
func Pools(owner string, uids, gids []SubIDLine, users []Range) ([]Range, error) {
	ourUIDs, others := split(owner, uids)
	ourGIDs, others2 := split(owner, gids)
	switch {
	case len(ourUIDs) > 0 && len(ourGIDs) == 0:
		return nil, oneFile(owner, subUID, subGID)
	case len(ourUIDs) == 0 && len(ourGIDs) > 0:
		return nil, oneFile(owner, subGID, subUID)
	}
	pools := []Range{DefaultPool}
	if len(ourUIDs) > 0 {
		pools = intersect(ourUIDs, ourGIDs)
		if len(pools) == 0 {
			return nil, fmt.Errorf("find ID pool: %s and %s share no ID for %q; give it the same line in both", subUID, subGID, owner)
		}
	}
	pools = subtract(pools, slices.Concat(others, others2, users, reserved()))
	if len(pools) == 0 {
		return nil, fmt.Errorf("find ID pool: every ID belongs to the host or to another owner in %s or %s; give %q a range of its own in both", subUID, subGID, owner)
	}
	return pools, nil
}

func oneFile(owner, has, lacks string) error {
	return fmt.Errorf("find ID pool: %s has a line for %q and %s has none; give it the same line in both", has, owner, lacks)
}

// Find returns the lowest range of size IDs that lies in one of the pools, begins a multiple of size behind that pool's
// start, and overlaps nothing of taken. The bool is false when there is none, or when size is 0.
//
// It never returns an ID below 65536 or 4294967295. Neither argument needs to be sorted.
func Find(pools, taken []Range, size uint32) (Range, bool) {
	if size == 0 {
		return Range{}, false
	}
	busy := append(slices.Clone(taken), reserved()...)
	sortByStart(busy)
	best, found := Range{}, false
	for _, p := range pools {
		if r, ok := findIn(p, busy, uint64(size)); ok && (!found || r.Start < best.Start) {
			best, found = r, true
		}
	}
	return best, found
}

// findIn moves a candidate over the sorted busy ranges. The candidate only grows, so one pass is enough.
func findIn(pool Range, busy []Range, size uint64) (Range, bool) {
	start := uint64(pool.Start)
	for _, b := range busy {
		if b.Size == 0 || b.End() <= start {
			continue
		}
		if uint64(b.Start) >= start+size {
			break
		}
		steps := (b.End() - uint64(pool.Start) + size - 1) / size
		start = uint64(pool.Start) + steps*size
	}
	if start+size > pool.End() {
		return Range{}, false
	}
	return Range{Start: uint32(start), Size: uint32(size)}, true
}

func sortByStart(ranges []Range) {
	sort.Slice(ranges, func(i, j int) bool {
		a, b := ranges[i], ranges[j]
		return a.Start < b.Start || a.Start == b.Start && a.Size < b.Size
	})
}

// join sorts the ranges and merges those that overlap or touch.
func join(ranges []Range) []Range {
	sorted := slices.Clone(ranges)
	sortByStart(sorted)
	var out []Range
	for _, r := range sorted {
		if r.Size == 0 {
			continue
		}
		if n := len(out); n > 0 && uint64(r.Start) <= out[n-1].End() {
			out[n-1] = between(uint64(out[n-1].Start), max(out[n-1].End(), r.End()))
			continue
		}
		out = append(out, r)
	}
	return out
}

// intersect returns the IDs that are in both sets.
func intersect(a, b []Range) []Range {
	var out []Range
	a, b = join(a), join(b)
	for len(a) > 0 && len(b) > 0 {
		from, to := max(uint64(a[0].Start), uint64(b[0].Start)), min(a[0].End(), b[0].End())
		if from < to {
			out = append(out, between(from, to))
		}
		if a[0].End() < b[0].End() {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}

// subtract returns the IDs of from that are not in what.
func subtract(from, what []Range) []Range {
	var out []Range
	what = join(what)
	for _, r := range join(from) {
		start := uint64(r.Start)
		for _, w := range what {
			if !r.Overlaps(w) {
				continue
			}
			if uint64(w.Start) > start {
				out = append(out, between(start, uint64(w.Start)))
			}
			start = w.End()
		}
		if start < r.End() {
			out = append(out, between(start, r.End()))
		}
	}
	return out
}

// between is the range from..to-1. All 2^32 IDs do not fit a Range: the last one, which is no ID, is then left out.
func between(from, to uint64) Range {
	return Range{Start: uint32(from), Size: uint32(min(to-from, noID))}
}

// errTooBig is the cause when a host file is larger than any that a host would have.
var errTooBig = errors.New("it is too big")
