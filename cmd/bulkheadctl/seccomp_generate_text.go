package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
)

func writeGenerated(w io.Writer, width int, v seccompGenerated) {
	r := v.Report
	name := v.Name
	if v.File != "" {
		name = strings.TrimSpace(name + " " + v.File)
	}
	from := func(source string) []string {
		var out []string
		for _, c := range r.Calls {
			if c.Sources[0].From == source {
				out = append(out, c.Name)
			}
		}
		return out
	}
	table(w, width, [][2]string{
		{"profile", name},
		{"architecture", r.Architecture},
		{"permitted", fmt.Sprintf("%s, %d of them with conditions", count(r.Permitted, "call"), r.Conditional)},
		{"recordings", recordingsText(r.Recordings)},
		{"recorded", countedNames(from(generate.Recorded))},
		{"runtime", countedNames(from(generate.Runtime))},
		{"margins", countedNames(from(generate.Margin))},
		{"base", countedNames(from(generate.Base))},
		{"ENOSYS", fmt.Sprintf("%d calls that programs try first (--json lists them)", len(r.ENOSYS))},
		{"startup only", countedNames(r.StartupOnly)},
	})
	writeList(w, width, "what the runtime itself calls under the filter", reasonsOf(r.Calls, generate.Runtime))
	writeList(w, width, "margins", reasonsOf(r.Calls, generate.Margin))
	writeDenied(w, width, r)
	writeGeneratedBeyond(w, width, r.Beyond)
	writeList(w, width, "warnings", r.Warnings)
	writeList(w, width, "notes", r.Notes)
	fmt.Fprintln(w)
	writeVerdict(w, width, r.Evidence)
}

// reasonsOf gives a line for each reason of the calls that only this source brought: the calls, then why.
func reasonsOf(calls []generate.Call, source string) []string {
	names, order := map[string][]string{}, []string(nil)
	for _, c := range calls {
		if c.Sources[0].From != source {
			continue
		}
		for _, s := range c.Sources {
			if s.From != source {
				continue
			}
			if names[s.Why] == nil {
				order = append(order, s.Why)
			}
			names[s.Why] = append(names[s.Why], c.Name)
		}
	}
	var lines []string
	for _, why := range order {
		lines = append(lines, fmt.Sprintf("%s: %s", strings.Join(names[why], " "), why))
	}
	return lines
}

// countedNames is empty without names, so that a table leaves it out.
func countedNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%d: %s", len(names), strings.Join(names, " "))
}

func recordingsText(recordings []generate.Recording) string {
	kinds := map[string]bool{}
	var words []string
	for _, r := range recordings {
		kind := "Linux " + r.Kernel
		if r.Libc != "" {
			kind += ", " + r.Libc
		}
		if !kinds[kind] {
			kinds[kind] = true
			words = append(words, kind)
		}
	}
	slices.Sort(words)
	names := make([]string, len(recordings))
	for i, r := range recordings {
		names[i] = r.Name
	}
	return fmt.Sprintf("%d: %s (%s)", len(recordings), strings.Join(names, ", "), strings.Join(words, "; "))
}

// writeDenied names calls that are permitted though a filter denied them in a recording.
func writeDenied(w io.Writer, width int, r generate.Report) {
	var lines []string
	for _, c := range r.Calls {
		if c.Denied > 0 {
			lines = append(lines, fmt.Sprintf("%s: %d of %d", c.Name, c.Denied, c.Count))
		}
	}
	writeList(w, width, "denied while they were recorded, and now permitted", lines)
}

func writeGeneratedBeyond(w io.Writer, width int, beyond []generate.Beyond) {
	var lines []string
	for _, b := range beyond {
		call := b.Call
		if len(b.Arguments) > 0 {
			call += " (" + strings.Join(b.Arguments, "; ") + ")"
		}
		lines = append(lines, fmt.Sprintf("%s, %d times: %s", call, b.Count, b.Why))
	}
	writeList(w, width, "recorded, and not permitted", lines)
}

func writeList(w io.Writer, width int, title string, lines []string) {
	for i, l := range lines {
		if i == 0 {
			fmt.Fprintf(w, "\n%s\n", title)
		}
		entry(w, width, "  ", "", l)
	}
}

func writeVerdict(w io.Writer, width int, e generate.Evidence) {
	if e.Saturated {
		entry(w, width, "", "", "saturated: no recording has anything that the others lack")
		return
	}
	entry(w, width, "", "not saturated: ", strings.Join(e.Reasons, "; "))
}

func writeEvidence(w io.Writer, width int, e generate.Evidence) {
	writeVerdict(w, width, e)
	fmt.Fprintln(w, "\ngrowth, in the order given (and the mean over all orders)")
	for i, g := range e.Growth {
		text := fmt.Sprintf("%d calls, %d new, %d in all (%.1f)", g.Calls, len(g.New), g.Total, e.Expected[i])
		if g.NewCombinations > 0 {
			text += fmt.Sprintf("; %s of arguments", count(g.NewCombinations, "new combination"))
		}
		if i > 0 && len(g.New) > 0 {
			text += ": " + strings.Join(g.New, " ")
		}
		entry(w, width, "  ", g.Recording+"  ", text)
	}
	if len(e.Growth) > 1 {
		fmt.Fprintf(w, "\nat least %.1f calls of such workloads are in none of the recordings (estimated)\n", e.Unseen)
	}
	var lines []string
	for _, s := range e.Singletons {
		call := s.Call
		if s.Arguments != "" {
			call += " (" + s.Arguments + ")"
		}
		lines = append(lines, fmt.Sprintf("%s, %d times in %s", call, s.Count, s.Recording))
	}
	writeList(w, width, "seen in one recording only", lines)
	lines = nil
	for _, l := range e.LeaveOneOut {
		var denied []string
		for _, d := range l.Denied {
			call := d.Call
			if len(d.Arguments) > 0 {
				call += " (" + strings.Join(d.Arguments, "; ") + ")"
			}
			denied = append(denied, call)
		}
		if len(denied) == 0 {
			denied = []string{"nothing"}
		}
		lines = append(lines, fmt.Sprintf("%s: %s", l.Recording, strings.Join(denied, ", ")))
	}
	writeList(w, width, "left out, the profile of the others would have denied in", lines)
}
