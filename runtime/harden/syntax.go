package harden

import (
	"strconv"
	"strings"
)

// isIDList tells whether s is a list of CPUs or memory nodes as cpuset(7) writes it, without spaces.
func isIDList(s string) bool {
	if len(s) > 4096 {
		return false
	}
	for part := range strings.SplitSeq(s, ",") {
		low, high, span := strings.Cut(part, "-")
		first, err := strconv.ParseUint(low, 10, 16)
		if err != nil {
			return false
		}
		if !span {
			continue
		}
		last, err := strconv.ParseUint(high, 10, 16)
		if err != nil || last < first {
			return false
		}
	}
	return true
}

// printable tells whether s has only printable ASCII characters and spaces: no newline that would start a second value,
// no NUL.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// only tells whether s is not empty and each character of it is a letter, a digit or one of extra.
func only(s, extra string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return s != ""
}
