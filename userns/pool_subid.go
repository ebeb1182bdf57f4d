package userns

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A SubIDLine is one line of /etc/subuid or /etc/subgid, see subuid(5).
type SubIDLine struct {
	// Owner is a login name or a user ID, as it stands in the file.
	Owner string
	// Line counts from 1.
	Line int
	// Range is cut off before ID 4294967295.
	Range Range
}

// maxFile bounds what is read from a host file. A line has about 30 bytes.
const maxFile = 16 << 20

// ParseSubIDs reads the format of subuid(5): "owner:start:count", one a line.
//
// Lines of anybody but owner are read as shadow-utils reads them: one that it cannot use is skipped. A line of owner must be
// right: it is an error that names the line when a number is missing, not decimal, zero IDs wide, or out of range. An owner
// that is given as a number counts as somebody else, even if it is the user ID of owner.
func ParseSubIDs(r io.Reader, owner string) ([]SubIDLine, error) {
	data, err := readAll(r)
	if err != nil {
		return nil, err
	}
	var lines []SubIDLine
	n := 0
	for text := range strings.Lines(string(data)) {
		n++
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
		name, _, _ := strings.Cut(text, ":")
		ours := strings.TrimSpace(name) == owner
		got, err := parseSubID(text, ours)
		switch {
		case err == nil:
			lines = append(lines, SubIDLine{Owner: got.Owner, Line: n, Range: got.Range})
		case ours:
			return nil, fmt.Errorf("line %d: %q: %w", n, text, err)
		}
	}
	return lines, nil
}

func parseSubID(text string, strict bool) (SubIDLine, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return SubIDLine{}, fmt.Errorf("want owner:start:count")
	}
	if !strict {
		// strtoul(3), which shadow-utils uses, skips leading blanks.
		fields[1], fields[2] = strings.TrimSpace(fields[1]), strings.TrimSpace(fields[2])
	}
	start, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return SubIDLine{}, fmt.Errorf("start %q is not a decimal number", fields[1])
	}
	count, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return SubIDLine{}, fmt.Errorf("count %q is not a decimal number", fields[2])
	}
	if strict && fields[0] != strings.TrimSpace(fields[0]) {
		return SubIDLine{}, fmt.Errorf("owner has blanks around it")
	}
	if count == 0 {
		return SubIDLine{}, fmt.Errorf("count is 0")
	}
	if start >= noID || strict && count > noID-start {
		return SubIDLine{}, fmt.Errorf("it ends behind ID %d", uint32(noID-1))
	}
	count = min(count, noID-start)
	return SubIDLine{Owner: fields[0], Range: Range{Start: uint32(start), Size: uint32(count)}}, nil
}

// split sorts the lines into the owner's ranges and those of others.
func split(owner string, lines []SubIDLine) (ours, others []Range) {
	for _, l := range lines {
		if l.Owner == owner {
			ours = append(ours, l.Range)
		} else {
			others = append(others, l.Range)
		}
	}
	return ours, others
}

// parseNamedIDs reads passwd(5) or group(5) and returns the IDs in the given fields (counted from 0) that a pool could
// contain at all. Lines without a usable number (NIS "+" lines, comments) are skipped.
func parseNamedIDs(data []byte, fields ...int) []Range {
	var ids []Range
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		for i, more := 0, true; more; i++ {
			var text []byte
			if text, line, more = bytes.Cut(line, []byte(":")); !slices.Contains(fields, i) {
				continue
			}
			id, err := strconv.ParseUint(string(text), 10, 32)
			if err == nil && id >= firstID && id <= math.MaxUint32 {
				ids = append(ids, Range{Start: uint32(id), Size: 1})
			}
		}
	}
	return ids
}

func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errTooBig
	}
	return data, err
}
