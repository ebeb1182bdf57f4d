package main

import (
	"regexp"
	"strings"
)

var (
	engineLine = regexp.MustCompile(`^\* \*\*(.+?)\*\*: (.+)$`)
	gapLine    = regexp.MustCompile("^\\* `([^`]+)`, (.+), (bulkhead|runc): (?:\\*\\*no\\*\\*|skipped): (.*)$")
	durations  = regexp.MustCompile(`[0-9.]+m?s\b`)
)

// parsePage reads what markdown has written.
func parsePage(text string) *report {
	r := &report{tables: map[string]*table{}}
	var t *table
	var columns []string
	for _, line := range strings.Split(text, "\n") {
		title, heads := strings.CutPrefix(line, "## ")
		f := strings.Split(strings.Trim(line, "| "), " | ")
		row := strings.HasPrefix(line, "| ")
		switch {
		case heads && title == "Measured":
			t = nil
		case heads:
			t = r.table(title)
		case t == nil && row && len(f) == 3 && f[0] != "Engine":
			r.figures = append(r.figures, figure{f[0], f[1], f[2]})
		case t == nil:
		case row && f[0] == "Scenario":
			columns = f[1:]
		case row:
			t.row(strings.Trim(f[0], "`"), columns, f[1:])
		default:
			t.note(line)
		}
	}
	return r
}

// row takes the cells of a scenario, "yes / ·".
func (t *table) row(scenario string, columns, texts []string) {
	for i, text := range texts[:min(len(texts), len(columns))] {
		ours, theirs, _ := strings.Cut(text, " / ")
		for runtime, word := range map[string]string{"bulkhead": ours, "runc": theirs} {
			for action, w := range words {
				if w == word {
					t.cells[cell{columns[i], scenario, runtime}] = &outcome{action: action}
				}
			}
		}
	}
}

// note takes the line of an engine, or of a gap.
func (t *table) note(line string) {
	if m := engineLine.FindStringSubmatch(line); m != nil {
		t.columns[m[1]] = m[2]
	}
	if m := gapLine.FindStringSubmatch(line); m != nil {
		if o := t.cells[cell{m[2], m[1], m[3]}]; o != nil {
			o.said = []string{m[4]}
		}
	}
}

// keep adds what an older page has and this report does not: runs try pieces of an engine's scenarios, and of its runtimes. What is no
// scenario any more goes with a page that is made of whole runs.
func (r *report) keep(old *report) {
	for title, was := range old.tables {
		now := r.table(title)
		for c, o := range was.cells {
			if now.cells[c] != nil {
				continue
			}
			now.cells[c] = o
			if now.columns[c.column] == "" {
				now.columns[c.column] = was.columns[c.column]
			}
		}
	}
	fresh := map[figure]bool{}
	for _, f := range r.figures {
		fresh[f.kind()] = true
	}
	for _, f := range old.figures {
		if !fresh[f.kind()] {
			r.figures = append(r.figures, f)
		}
	}
}

// kind is a figure without its durations.
func (f figure) kind() figure {
	return figure{f.column, f.runtime, durations.ReplaceAllString(f.text, "")}
}
