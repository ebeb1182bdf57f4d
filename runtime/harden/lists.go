package harden

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// both is what list and other share, in the order of list and without repetitions. An empty result is nil, as JSON
// would give it back.
func both(list, other []string) []string {
	var out []string
	for _, v := range list {
		if slices.Contains(other, v) && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// without is what list has and other has not, sorted and without repetitions.
func without(list, other []string) []string {
	var out []string
	for _, v := range list {
		if !slices.Contains(other, v) {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func entryNames(entries []profiles.Entry) []string {
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return names
}

// maxQuoted bounds how much of a caller's string a report repeats.
const maxQuoted = 128

// quote shows a caller's string in one bounded line.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q...", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

func quoteList(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}
