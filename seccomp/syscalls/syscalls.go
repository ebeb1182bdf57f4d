// Package syscalls knows the names of Linux system calls, and their numbers on amd64 and arm64. It is for the operator's tools:
// the way of a container asks libseccomp, whose table is older or newer.
package syscalls

import (
	_ "embed" // the table
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A line of the table is a name, its number on amd64 and its number on arm64, "-" for none. It has every name that libseccomp 2.5.4
// knows for any architecture, and those that Linux added for the two until 6.19 (asm/unistd.h through golang.org/x/sys/unix).
//
//go:embed table.txt
var table string

type numbers struct {
	names []string
	// byArch has the number of each name of names, -1 for none, and byNumber the inverse.
	byArch   map[string][]int
	byNumber map[string]map[uint32]string
}

// read parses the table once, when it is first asked: nothing happens when the program starts.
var read = sync.OnceValue(func() numbers {
	archs := []string{"amd64", "arm64"}
	n := numbers{byArch: map[string][]int{}, byNumber: map[string]map[uint32]string{"amd64": {}, "arm64": {}}}
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		n.names = append(n.names, words[0])
		for i, arch := range archs {
			nr, err := strconv.ParseUint(words[1+i], 10, 31)
			if err != nil {
				n.byArch[arch] = append(n.byArch[arch], -1)
				continue
			}
			n.byArch[arch] = append(n.byArch[arch], int(nr))
			n.byNumber[arch][uint32(nr)] = words[0]
		}
	}
	return n
})

// Known reports whether a call of that name exists on some architecture.
func Known(name string) bool {
	_, ok := slices.BinarySearch(read().names, name)
	return ok
}

// Number is the number of a call on an architecture, named as GOARCH is. It is false when the architecture does not have the call or
// is not in the table.
func Number(arch, name string) (uint32, bool) {
	n := read()
	i, ok := slices.BinarySearch(n.names, name)
	if !ok || len(n.byArch[arch]) == 0 || n.byArch[arch][i] < 0 {
		return 0, false
	}
	return uint32(n.byArch[arch][i]), true
}

// Name is the inverse of [Number].
func Name(arch string, nr uint32) (string, bool) {
	name, ok := read().byNumber[arch][nr]
	return name, ok
}

// Names are the calls that an architecture has, sorted. It is nil for an architecture that is not in the table.
func Names(arch string) []string {
	var out []string
	for i, nr := range read().byArch[arch] {
		if nr >= 0 {
			out = append(out, read().names[i])
		}
	}
	return out
}

// Nearest is the known name that a misspelt one was probably meant to be, or empty.
func Nearest(name string) string { return Closest(name, read().names) }

// Closest is the candidate with the fewest differing letters, at most one in three, the first of several. Empty: none is close.
func Closest(word string, candidates []string) string {
	best, found := 1+max(1, len(word)/3), ""
	lower := strings.ToLower(word)
	for _, c := range candidates {
		if d := distance(lower, strings.ToLower(c), best); d < best {
			best, found = d, c
		}
	}
	return found
}

// distance counts the letters to insert, remove, replace or swap; it gives up at limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		older, old, row := rows[(i+2)%3], rows[(i+0)%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
