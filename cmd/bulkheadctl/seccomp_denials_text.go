package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
)

// Sequences of ECMA-48: to the first column of the first line and clear; clear the rest of a line.
const (
	clearScreen = "\x1b[H\x1b[J"
	clearLine   = "\x1b[K"
)

// A denialsRow is what several processes of one name were denied alike.
type denialsRow struct {
	record.Denial
	processes []record.Denial
}

// denialsRows puts the processes of one name together, the most frequent first.
func denialsRows(list []record.Denial) []denialsRow {
	var rows []denialsRow
	at := map[record.Denial]int{}
	for _, d := range list {
		k := d
		k.PID, k.HostPID, k.Count, k.Last = 0, 0, 0, time.Time{}
		i, ok := at[k]
		if !ok {
			i = len(rows)
			at[k] = i
			rows = append(rows, denialsRow{Denial: k})
		}
		rows[i].Count += d.Count
		rows[i].processes = append(rows[i].processes, d)
		if d.Last.After(rows[i].Last) {
			rows[i].Last = d.Last
		}
	}
	slices.SortStableFunc(rows, func(a, b denialsRow) int { return cmp.Compare(b.Count, a.Count) })
	return rows
}

// who is the process with its PID in the container and on the host, or how many there are.
func (r denialsRow) who() string {
	name := visible(r.Process)
	switch d := r.processes[0]; {
	case r.Process == "":
		return "(many processes)"
	case len(r.processes) > 1:
		return fmt.Sprintf("%s [%d processes]", name, len(r.processes))
	case d.HostPID == 0:
		return name + " [ended]"
	case d.PID == 0:
		return fmt.Sprintf("%s [host %d]", name, d.HostPID)
	default:
		return fmt.Sprintf("%s [%d, host %d]", name, d.PID, d.HostPID)
	}
}

// what is the call with its result.
func what(d record.Denial) string {
	return fmt.Sprintf("%s(%s) = %s", d.Call, d.Arguments, d.Verdict)
}

// why is the reason, with the group of the profile's table in front.
func why(d record.Denial) string {
	text := d.Why
	if d.Group != "" {
		text = d.Group + ": " + text
	}
	return text
}

// writeDenials writes each row with its reason below, at most so many lines (0: all).
func writeDenials(w io.Writer, width, most int, r *denialsReport) {
	var text bytes.Buffer
	for _, row := range denialsRows(r.Denials) {
		entry(&text, width, "", fmt.Sprintf("%8d  ", row.Count), row.who()+" "+what(row.Denial))
		reason := why(row.Denial)
		if row.Rule != "" && !strings.HasPrefix(row.Rule, "default ") {
			reason += " (rule: " + row.Rule + ")"
		}
		entry(&text, width, "", strings.Repeat(" ", 10), reason)
	}
	lines := strings.SplitAfter(text.String(), "\n")
	lines = lines[:len(lines)-1]
	if most > 0 && len(lines) > most {
		fmt.Fprint(w, strings.Join(lines[:most-1], ""))
		fmt.Fprintln(w, "          ... more than fits; the summary has all")
		return
	}
	fmt.Fprint(w, strings.Join(lines, ""))
}

// writeDenialsScreen renews the terminal's screen in one write, so that it does not flicker.
func writeDenialsScreen(w io.Writer, r *denialsReport) {
	rows := 24
	if size, err := unix.IoctlGetWinsize(int(os.Stdout.Fd()), unix.TIOCGWINSZ); err == nil && size.Row > 0 {
		rows = int(size.Row)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s  profile %q  %s denied in %s\n\n", shorten(r.Container, 12), r.Profile, count(len(denialsRows(r.Denials)), "kind")+" of call", since(r))
	writeDenials(&text, outputWidth(), max(rows-6, 4), r)
	for _, l := range denialsRemarks(r) {
		fmt.Fprintln(&text, l)
	}
	fmt.Fprint(w, "\x1b[H"+strings.ReplaceAll(text.String(), "\n", clearLine+"\n")+"\x1b[J")
}

func since(r *denialsReport) time.Duration { return r.To.Sub(r.From).Round(time.Second) }

// writeDenialsNews writes a line for each row that has grown since the last time.
func writeDenialsNews(w io.Writer, r *denialsReport, shown map[record.Denial]uint64) {
	for _, row := range denialsRows(r.Denials) {
		n := row.Count - min(row.Count, shown[row.kind()])
		shown[row.kind()] = row.Count
		news := row.processes[:0:0]
		for _, d := range row.processes {
			p := d
			p.Count, p.Last = 0, time.Time{}
			if d.Count > shown[p] {
				news = append(news, d)
			}
			shown[p] = d.Count
		}
		if n == 0 {
			continue // of a process that ended: what was told with its PID is told without it now
		}
		if len(news) > 0 {
			row.processes = news
		}
		fmt.Fprintf(w, "%s %s %s, %s: %s\n", row.Last.Format(time.TimeOnly), row.who(), what(row.Denial), count(int(n), "time"), visible(why(row.Denial))) //nolint:gosec // a count for people
	}
}

// kind is the row without its processes and counts.
func (r denialsRow) kind() record.Denial {
	k := r.Denial
	k.Count, k.Last, k.Number = 0, time.Time{}, kindNumber
	return k
}

// kindNumber keeps the kinds apart from processes that ended, whose PID is 0 as well.
const kindNumber = ^uint32(0)

func writeDenialsSummary(w io.Writer, width int, r *denialsReport) {
	if r.Denied == 0 {
		fmt.Fprintf(w, "no system call of %s was denied in %s\n", r.Container, since(r))
	} else {
		fmt.Fprintf(w, "%s of %s denied in %s (profile %q):\n\n", count(int(r.Denied), "system call"), r.Container, since(r), r.Profile) //nolint:gosec // a count for people
		writeDenials(w, width, 0, r)
	}
	if remarks := denialsRemarks(r); len(remarks) > 0 {
		fmt.Fprintln(w)
		for _, l := range remarks {
			entry(w, width, "", "", l)
		}
	}
}

// denialsRemarks are what has to be known beside the rows.
func denialsRemarks(r *denialsReport) []string {
	var out []string
	if r.Losses.Crowd > 0 {
		out = append(out, fmt.Sprintf("%d of them came from more processes, or with more arguments, than are kept apart", r.Losses.Crowd))
	}
	if r.Losses.Missed > 0 {
		out = append(out, fmt.Sprintf("INCOMPLETE: the kernel left out %d runs of the programs that watch; counts may be wrong", r.Losses.Missed))
	}
	if r.Losses.NoDeaths {
		out = append(out, "this kernel does not show threads that the filter ends while their process goes on (Linux 5.15 does)")
	}
	if r.Ended {
		out = append(out, "the container has ended")
	}
	return append(out, r.Notes...)
}
