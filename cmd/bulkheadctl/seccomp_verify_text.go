package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
)

// write is the report for people.
func (v *verification) write(w io.Writer) {
	r := &v.report
	how := "enforced"
	if r.Mode == "complain" {
		how = "complained about"
	}
	fmt.Fprintf(w, "%s, %s (%s): %s %s\n", r.Profile, how, r.Watch, visible(strings.Join(r.Command, " ")), endedWith(r.Status))
	switch {
	case len(r.Beyond) == 0:
		fmt.Fprintln(w, "nothing was beyond the profile")
	case r.Mode == "complain":
		fmt.Fprintf(w, "\n%s beyond the profile, let run:\n\n", count(len(r.Beyond), "kind")+" of call")
	default:
		fmt.Fprintf(w, "\n%s denied by the profile, which %q would permit:\n\n", count(len(r.Beyond), "kind")+" of call", r.Hardening)
	}
	writeBeyond(w, r.Beyond)
	if len(r.Hardened) > 0 {
		fmt.Fprintf(w, "\n%s denied whatever the profile says (by %q or the workload itself):\n\n", count(len(r.Hardened), "kind")+" of call", r.Hardening)
		writeBeyond(w, r.Hardened)
	}
	if len(r.Runtime) > 0 {
		fmt.Fprintln(w)
		entry(w, outputWidth(), "", "", "a container cannot be started under the profile, which denies what the runtime needs: "+strings.Join(r.Runtime, ", "))
	}
	if len(r.Missing) > 0 {
		fmt.Fprintln(w, "\nwhat the profile lacks:")
		fmt.Fprintln(w)
		for _, s := range r.Missing {
			if text, err := json.Marshal(s); err == nil { // names, numbers and constants: it has no error
				fmt.Fprintf(w, "  %s\n", text)
			}
		}
		if r.Output != "" {
			fmt.Fprintf(w, "\nto add it: bulkheadctl seccomp generate --base %s %s -o NEW.json\n", r.Profile, r.Output)
		}
	}
	if len(r.Notes) > 0 {
		fmt.Fprintln(w)
	}
	for _, n := range r.Notes {
		entry(w, outputWidth(), "", "", n)
	}
}

func endedWith(status int) string {
	if status > 128 {
		if name := unix.SignalName(unix.Signal(status - 128)); name != "" {
			return fmt.Sprintf("ended with status %d (%s)", status, name)
		}
	}
	return fmt.Sprintf("ended with status %d", status)
}

func writeBeyond(w io.Writer, rows []notify.Beyond) {
	for _, b := range rows {
		name := b.Call
		if name == "" {
			name = fmt.Sprintf("system call %d", b.Number)
		}
		process := visible(b.Process)
		if process == "" {
			process = "(ended)"
		}
		entry(w, outputWidth(), "", fmt.Sprintf("%8d  ", b.Count), fmt.Sprintf("%s %s(%s) = %s", process, name, b.Arguments, b.Verdict))
	}
}
