package integration

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

const studyHead = `# Generated seccomp profiles: what they leave

This page is written by ` + "`make seccomp-study`" + `; do not edit it. Run it again to check it.

Each program is one of Debian's packages, in a container of Docker on bulkhead's default profile, recorded in BPF. It lives four lives: it
starts, serves, is reloaded, has its logs rotated, loses a worker to SIGKILL, gets a shell (ls, head, pwd), and is stopped. Three lives, in
different orders, are recorded and make the profile. The fourth, in yet another order and with other requests, is held out: it runs with the profile enforced
(` + "`docker run --security-opt seccomp=FILE`" + `), and nothing may be denied that was not denied before it. A server without workers or logs
gets what comes nearest; see integration/seccomp_study_programs_test.go.

What this shows and what not: the fourth life asks for other pages, keys and rows and in another order, but for no feature that was never
recorded. A first trial had redis-cli info in the held-out life alone, and getrusage was denied: record what you use. A denial counts by the
call's name: a call that the hardening profile denied in a recording already (mostly clone3, which gets ENOSYS) is not told again.

`

func studyText(t *testing.T, d *docker, found []finding) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(studyHead)
	kernel := strings.SplitN(must(t, run(t, d.command("info", "--format", "{{.KernelVersion}}"))), "-", 2)[0]
	fmt.Fprintf(&b, "Linux %s on %s, Docker %s.\n\n", kernel, runtime.GOARCH, d.do(t, "version", "--format", "{{.Server.Version}}"))
	b.WriteString("## Calls\n\n\"Conditional\" are those of the generated calls that are permitted for some arguments only. Docker's and bulkhead's own profile are those of a container without options.\n\n" +
		"| program | recorded | generated | conditional | at most | conditional with `--argument-rules` | with `--margin all` | Docker's profile | bulkhead's profile |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range found {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %d | %d | %d | %d |\n", f.program.name, f.recorded, f.plain.permitted, f.plain.conditional, f.program.most,
			f.exact.conditional, f.wide.permitted, f.open[1], f.open[2])
	}
	b.WriteString("\n## The held-out life\n\n| program | denied under the profile | denied with `--argument-rules` |\n|---|---|---|\n")
	for _, f := range found {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.program.name, orNothing(f.denied), orNothing(f.deniedExact))
	}
	b.WriteString("\n## Evidence\n\nCalls after each recording, calls that one recording alone has, what the profile of the two others would have denied in a third, and an estimate of the calls that none shows (Chao 1987). \"Saturated\" tells that no recording has a call that the others lack.\n\n" +
		"| program | growth | in one recording only | left one out: denied | unseen | saturated |\n|---|---|---|---|---|---|\n")
	for _, f := range found {
		f.evidenceRow(&b)
	}
	b.WriteString("\n## Known flaws of the kernel that are out of reach\n\nOf the flaws in profiles/cves (`bulkheadctl seccomp coverage` has each).\n\n| program | generated | Docker's profile | bulkhead's profile | of |\n|---|---|---|---|---|\n")
	for _, f := range found {
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", f.program.name, f.closed[0], f.closed[1], f.closed[2], f.flaws)
	}
	return b.String()
}

func (f finding) evidenceRow(b *strings.Builder) {
	var growth, single, out []string
	for _, g := range f.evidence.Growth {
		growth = append(growth, fmt.Sprint(g.Total))
	}
	for _, s := range f.evidence.Singletons {
		if s.Arguments == "" {
			single = append(single, s.Call)
		}
	}
	for _, l := range f.evidence.LeaveOneOut {
		for _, d := range l.Denied {
			if len(d.Arguments) == 0 {
				out = append(out, d.Call)
			}
		}
	}
	saturated := "no"
	if f.evidence.Saturated {
		saturated = "yes"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %.1f | %s |\n", f.program.name, strings.Join(growth, ", "), orNothing(single), orNothing(out), f.evidence.Unseen, saturated)
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
