package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// mostShown is how much of a value people are shown.
const mostShown = 400

// writeRecord explains a container.
func writeRecord(w io.Writer, width int, rec *container.Record, status string) {
	verified := "nothing yet: its create is not through"
	created := ""
	if !rec.Creating {
		created = rec.Created.Format(time.RFC3339)
		verified = "ID mapping, capabilities, no_new_privs, filter, limits and mount flags were read back from the kernel before the workload ran"
	}
	table(w, width, [][2]string{
		{"container", rec.ID + " (" + status + ")"},
		{"bundle", rec.Bundle},
		{"created", created},
		{"profile", rec.Profile},
		{"range", rangeText(rec.Range, rec.Leased)},
		{"root", rec.RootHow},
		{"verified", verified},
		{"recorded", recordedText(rec.Recorder)},
	})
	writeWidened(w, width, rec.Policy.Profile.Widened)
	writeGiven(w, width, rec.Spec)
	writeChanges(w, width, rec.Changes)
}

// recordedText is empty for a container that is not recorded.
func recordedText(r *container.Recorder) string {
	if r == nil {
		return ""
	}
	return "its system calls, in " + r.File
}

// writeJudgement explains a bundle.
func writeJudgement(w io.Writer, width int, j *container.Judgement) {
	outcome := "would be created"
	if j.Refusal != nil {
		outcome = "would be refused"
	}
	leased := ""
	if j.Range.Size > 0 {
		leased = rangeText(j.Range, true) + ", or another one that is free"
	}
	table(w, width, [][2]string{
		{"bundle", j.Bundle}, {"as", j.ID}, {"outcome", outcome}, {"profile", j.Profile}, {"range", leased},
	})
	writeWidened(w, width, j.Widened)
	if j.Refusal != nil {
		writeViolations(w, width, j.Refusal.Profile, j.Refusal.Violations)
		return
	}
	writeGiven(w, width, j.Spec)
	writeChanges(w, width, j.Changes)
}

func rangeText(r userns.Range, leased bool) string {
	if r.Size == 0 || !leased {
		return "none of bulkhead's: the engine brought a user namespace with its own mapping"
	}
	return fmt.Sprintf("%d to %d on the host are 0 to %d inside", r.Start, r.End()-1, r.Size-1)
}

func writeWidened(w io.Writer, width int, widened map[string]string) {
	var rows [][2]string
	for _, id := range profiles.RuleIDs() {
		if widened[id] != "" {
			rows = append(rows, [2]string{id, widened[id]})
		}
	}
	section(w, width, "what this site's profile makes wider, and the reason it gives", rows)
}

// writeGiven prints what the container has after all rules.
func writeGiven(w io.Writer, width int, s *specs.Spec) {
	if s == nil || s.Process == nil || s.Linux == nil {
		return
	}
	rows := [][2]string{
		{"command", shorten(strings.Join(s.Process.Args, " "), mostShown)},
		{"user", fmt.Sprintf("%d:%d", s.Process.User.UID, s.Process.User.GID)},
		{"capabilities", capabilityText(s.Process.Capabilities)},
		{"new privileges", map[bool]string{true: "none (no_new_privs)", false: "by setuid programs, within the capabilities above"}[s.Process.NoNewPrivileges]},
		{"system calls", seccompText(s.Linux.Seccomp)},
	}
	rows = append(rows, limitsText(s.Linux.Resources)...)
	section(w, width, "what it has", rows)
}

func capabilityText(c *specs.LinuxCapabilities) string {
	if c == nil || len(c.Bounding) == 0 {
		return "none"
	}
	names := slices.Sorted(slices.Values(c.Bounding))
	return strings.ReplaceAll(strings.Join(names, " "), "CAP_", "")
}

func seccompText(s *specs.LinuxSeccomp) string {
	if s == nil {
		return "no filter"
	}
	allowed := map[string]bool{}
	for _, r := range s.Syscalls {
		if r.Action == specs.ActAllow || r.Action == specs.ActLog {
			for _, n := range r.Names {
				allowed[n] = true
			}
		}
	}
	return fmt.Sprintf("%d allowed, all others get %s", len(allowed), s.DefaultAction)
}

func limitsText(r *specs.LinuxResources) [][2]string {
	if r == nil {
		return nil
	}
	var rows [][2]string
	if r.Memory != nil && r.Memory.Limit != nil && *r.Memory.Limit > 0 {
		rows = append(rows, [2]string{"memory", "at most " + byteSize(uint64(*r.Memory.Limit))})
	}
	if r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit > 0 {
		rows = append(rows, [2]string{"processes", fmt.Sprintf("at most %d", *r.Pids.Limit)})
	}
	if c := r.CPU; c != nil && c.Quota != nil && c.Period != nil && *c.Quota > 0 && *c.Period > 0 {
		rows = append(rows, [2]string{"cpu", fmt.Sprintf("at most %.2f CPUs", float64(*c.Quota)/float64(*c.Period))})
	}
	return rows
}

// writeChanges prints the changes by rule, then the notes.
func writeChanges(w io.Writer, width int, changes []harden.Change) {
	var notes []harden.Change
	n := 0
	for _, c := range changes {
		if c.Note {
			notes = append(notes, c)
			continue
		}
		if n == 0 {
			fmt.Fprintln(w, "\nwhat was changed")
		}
		n++
		entry(w, width, "  ", "", c.Rule+": "+c.Field)
		entry(w, width, "    ", "from  ", orNothing(c.From))
		entry(w, width, "    ", "to    ", orNothing(c.To))
		entry(w, width, "    ", "why   ", c.Why)
	}
	if n == 0 {
		fmt.Fprintln(w, "\nNothing had to be changed.")
	}
	if len(notes) > 0 {
		fmt.Fprintln(w, "\nwhat was noted")
	}
	for _, c := range notes {
		entry(w, width, "  ", "", c.Rule+": "+c.Field)
		entry(w, width, "    ", "", c.Why)
	}
}

func orNothing(value string) string {
	if value == "" {
		return "(nothing)"
	}
	return shorten(value, mostShown)
}

func writeViolations(w io.Writer, width int, profile string, list []harden.Violation) {
	for _, v := range list {
		fmt.Fprintln(w)
		entry(w, width, "  ", "", v.Rule+": "+v.Field)
		entry(w, width, "    ", "got     ", orNothing(v.Got))
		entry(w, width, "    ", "want    ", orNothing(v.Want))
		entry(w, width, "    ", "to do   ", remedyOf(v, profile))
	}
}
