// Package userns leases ranges of host IDs to containers and shows file systems through them.
package userns

import (
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

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
func (r Range) String() string {
	return strconv.FormatUint(uint64(r.Start), 10) + "+" + strconv.FormatUint(uint64(r.Size), 10)
}

// Mappings are the ID mappings of a user namespace that shows the range as IDs 0..Size-1, for users and groups alike.
//
// A range that is empty, that has the host's own root in it, or that reaches the kernel's "no ID" value is an error: no
// caller can get an identity mapping or an unmapped namespace by passing a zero value.
func (r Range) Mappings() ([]specs.LinuxIDMapping, error) {
	switch {
	case r.Size == 0:
		return nil, fmt.Errorf("map range %s: it is empty", r)
	case r.Start == 0:
		return nil, fmt.Errorf("map range %s: it contains the host's root", r)
	case r.End() > noID:
		return nil, fmt.Errorf("map range %s: it ends behind ID %d", r, noID-1)
	}
	return []specs.LinuxIDMapping{{ContainerID: 0, HostID: r.Start, Size: r.Size}}, nil
}

// parseRange reads what String wrote and nothing else: "0100+1" is no range.
func parseRange(s string) (Range, bool) {
	start, size, ok := strings.Cut(s, "+")
	if !ok {
		return Range{}, false
	}
	from, err := strconv.ParseUint(start, 10, 32)
	if err != nil {
		return Range{}, false
	}
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil {
		return Range{}, false
	}
	return Range{Start: uint32(from), Size: uint32(n)}, plain(start) && plain(size)
}

// plain tells whether a number that ParseUint took has no leading zero. ParseUint takes no sign.
func plain(digits string) bool { return digits == "0" || digits[0] != '0' }
