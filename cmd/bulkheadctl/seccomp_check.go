package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
	"github.com/bulkhead-runtime/bulkhead/seccomp/lint"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

func seccompCheckCommand() *cli.Command {
	return seccompSub("check", "find what is wrong with a profile, and prove its filter", "PROFILE...", 1, -1, func(ctx *cli.Context) error {
		in, err := readSeccomp(ctx, ctx.Args().Slice()...)
		if err != nil {
			return err
		}
		facts, err := seccompFacts(ctx)
		if err != nil {
			return err
		}
		reports := make([]seccompReport, 0, len(in))
		found := false
		for _, s := range in {
			r := seccompReport{Name: s.name, Findings: slices.Concat(lint.Check(s.Source), proof(s), elsewhere(s.Entries, facts))}
			found = found || r.bad()
			reports = append(reports, r)
		}
		if err := show(ctx, reports, func(w io.Writer) { writeSeccompFindings(w, reports) }); err != nil {
			return err
		}
		if found {
			return &statusError{status: 1}
		}
		return nil
	})
}

type seccompReport struct {
	Name     string         `json:"name"`
	Findings []lint.Finding `json:"findings"`
}

// bad tells whether there is more than notes.
func (r seccompReport) bad() bool {
	return slices.ContainsFunc(r.Findings, func(f lint.Finding) bool { return f.Severity != lint.Note })
}

// proof adds what only libseccomp can tell: whether its filter is the profile, and which names it does not know.
func proof(s seccompInput) []lint.Finding {
	findings := []lint.Finding{}
	if err := compile.Verify(s.Profile); err != nil {
		findings = append(findings, lint.Finding{Severity: lint.Error, ID: "miscompiled", Text: fmt.Sprintf("the filter that libseccomp %s makes is not the profile: %v", container.LibseccompVersion(), err)})
	}
	for _, e := range s.Entries {
		var newer []string
		for _, n := range e.Syscall.Names {
			if _, err := libseccomp.GetSyscallFromName(n); err != nil && syscalls.Known(n) {
				newer = append(newer, n)
			}
		}
		if len(newer) > 0 && e.Holds {
			findings = append(findings, lint.Finding{Severity: lint.Note, ID: "newer", Line: e.Line, Column: e.Column, Path: e.Path,
				Text: fmt.Sprintf("libseccomp %s does not know %s: it skips them, and what is above its table gets ENOSYS", container.LibseccompVersion(), strings.Join(newer, ", "))})
		}
	}
	return findings
}

// elsewhere warns of a generated profile whose recordings are of another architecture or kernel than it is judged for.
func elsewhere(entries []source.Entry, facts source.Facts) []lint.Finding {
	for _, e := range entries {
		origin, ok := generate.ReadOrigin(e.Comment)
		if !ok {
			continue
		}
		on := profiles.RecordedOn{Architecture: origin.Architecture, Kernels: origin.Kernels}
		if facts.Kernel == (source.Kernel{}) { // none to compare with
			on.Kernels = nil
		}
		if text := on.Elsewhere(facts.Arch, facts.Kernel.String()); text != "" {
			return []lint.Finding{{Severity: lint.Warning, ID: "elsewhere", Line: e.Line, Column: e.Column, Path: e.Path, Text: text}}
		}
	}
	return nil
}

func writeSeccompFindings(w io.Writer, reports []seccompReport) {
	for _, r := range reports {
		for _, f := range r.Findings {
			place := r.Name
			if f.Line > 0 {
				place = fmt.Sprintf("%s:%d:%d", r.Name, f.Line, f.Column)
			}
			path := f.Path
			if path != "" {
				path += ": "
			}
			fmt.Fprintf(w, "%s: %s: %s%s [%s]\n", place, f.Severity, path, visible(f.Text), f.ID)
		}
		if !r.bad() {
			fmt.Fprintf(w, "%s: no error, no warning; the filter is proven for every input\n", r.Name)
		}
	}
}
