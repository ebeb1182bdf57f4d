// Package userns leases ranges of host IDs to containers and shows file systems through them.
package userns

import "fmt"

// A Range is Size host IDs from Start on. User and group IDs always share one range.
type Range struct {
	Start uint32 `json:"start"`
	Size  uint32 `json:"size"`
}

// End is the first ID behind the range. It is a uint64 because a range may end at 2^32.
func (r Range) End() uint64 { return uint64(r.Start) + uint64(r.Size) }

// Contains tells whether the host ID belongs to the range.
func (r Range) Contains(id uint32) bool { return uint64(id) >= uint64(r.Start) && uint64(id) < r.End() }

// Overlaps tells whether the two ranges share an ID. An empty range shares none.
func (r Range) Overlaps(o Range) bool {
	return r.Size > 0 && o.Size > 0 && uint64(r.Start) < o.End() && uint64(o.Start) < r.End()
}

// String is the notation of reports and of lease files: "100000+65536".
func (r Range) String() string { return fmt.Sprintf("%d+%d", r.Start, r.Size) }
