package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// sensitiveGroups are those whose open calls are worth reading in any profile.
var sensitiveGroups = []string{"namespaces", "mount", "keys", "tracing", "io_uring", "host", "sandbox", "control"}

func writeCoverage(w io.Writer, width int, v seccompCovered, all bool) {
	fmt.Fprintf(w, "%-34s %s\n", "calls left open on "+v.Arch, columns(v.Compared))
	for _, g := range v.Groups {
		cells := make([]string, len(g.Any))
		for i := range g.Any {
			cells[i] = fmt.Sprint(g.Any[i])
			if g.Some[i] > 0 {
				cells[i] += fmt.Sprintf(" and %d some", g.Some[i])
			}
		}
		fmt.Fprintf(w, "%-34s %s\n", fmt.Sprintf("  %s (of %d)", g.Group, g.Calls), columns(cells))
	}
	total := make([]string, len(v.Open))
	for i, n := range v.Open {
		total[i] = fmt.Sprint(n)
	}
	fmt.Fprintf(w, "%-34s %s\n", "  in all", columns(total))
	fmt.Fprintln(w, "\nopen calls, with a star those that are permitted for some arguments only")
	for _, g := range v.Groups {
		if len(g.Open) > 0 && (all || slices.Contains(sensitiveGroups, g.Group)) {
			entry(w, width, "  ", fmt.Sprintf("%-11s ", g.Group), strings.Join(g.Open, " "))
		}
	}
	writeCoveredCVEs(w, width, v, all)
}

// columns puts one cell for each profile side by side, cut to their width.
func columns(cells []string) string {
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, "%-18s ", shortenTail(visible(c), 18))
	}
	return strings.TrimRight(b.String(), " ")
}

// shortenTail keeps the end of a long name, where files differ.
func shortenTail(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return ".." + string(r[len(r)-most+2:])
}

func writeCoveredCVEs(w io.Writer, width int, v seccompCovered, all bool) {
	closed := make([]string, len(v.Closed))
	for i, n := range v.Closed {
		closed[i] = fmt.Sprintf("%d closed", n)
	}
	fmt.Fprintf(w, "\n%-34s %s\n", fmt.Sprintf("%d known flaws of the kernel", len(v.CVEs)), columns(closed))
	same := 0
	for _, c := range v.CVEs {
		if !all && !slices.Contains(c.Closed, false) {
			same++
			continue
		}
		cells := make([]string, len(c.Closed))
		for i := range c.Closed {
			cells[i] = closedText(c.Closed[i])
		}
		fmt.Fprintf(w, "%-34s %s\n", "  "+c.ID, columns(cells))
		why := "; denied: " + wayText(c.By)
		if !c.Closed[0] {
			why = "; permitted: " + wayText(c.Via)
		}
		entry(w, width, "      ", "", c.What+why)
	}
	if same > 0 {
		fmt.Fprintf(w, "  and %d that all of them close (--all lists them)\n", same)
	}
}
