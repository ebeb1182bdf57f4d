package harden

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The container has few capabilities, in its own user namespace only.
//
//	Field:    process.capabilities
//	Allowed:  in each of the five sets, what the caller asks and the profile names
//	Else:     narrowed to the intersection; absent is narrowed to none
//	Why:      capabilities of a user namespace still open kernel code that a stranger should not reach.
//	          CIS Docker 5.3, capabilities(7)
//
// Three decisions go beyond the intersection. Absent sets become empty ones, because libcontainer leaves every
// capability in place when a spec has none. Inheritable is kept only as far as ambient needs it, because an inheritable
// capability lets a file of the image raise rights (CVE-2022-24769). Permitted lies within bounding, effective within
// permitted, ambient within permitted and inheritable, as the kernel would have it at the next execve(2).
var capabilities = Rule{
	ID:      "capabilities",
	Fields:  []string{"process.capabilities"},
	Summary: "The container has the capabilities that it asks for and the profile names, and no other.",
	narrow:  narrowCapabilities,
	judge:   judgeCapabilities,
}

// knownCapabilities are all names of capabilities(7), in the order of their numbers, without CAP_.
const knownCapabilities = " CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE" +
	" NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE" +
	" SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL" +
	" SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE "

// manyCapabilities is the number of removed names from which a report counts them instead of listing them: the lists of
// --privileged and --cap-add=ALL say nothing that their length does not.
const manyCapabilities = 16

func narrowCapabilities(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "capabilities"}
	if s.Process.Capabilities == nil {
		s.Process.Capabilities = &specs.LinuxCapabilities{}
		t.narrow("process.capabilities", "absent", "none", "absent sets would leave the container every capability of its user namespace")
		return t.changes
	}
	ceiling := entryNames(p.Profile.Capabilities)
	asked := s.Process.Capabilities
	bounding := both(asked.Bounding, ceiling)
	permitted := both(asked.Permitted, bounding)
	ambient := both(both(asked.Ambient, asked.Inheritable), permitted)
	got := &specs.LinuxCapabilities{
		Bounding: bounding, Permitted: permitted, Effective: both(asked.Effective, permitted),
		Inheritable: both(asked.Inheritable, ambient), Ambient: ambient,
	}
	s.Process.Capabilities = got
	reportCapabilities(&t, asked, got)
	return t.changes
}

// A capabilitySet pairs one of the five sets with its name.
type capabilitySet struct {
	name  string
	names []string
}

func capabilitySets(c *specs.LinuxCapabilities) []capabilitySet {
	return []capabilitySet{
		{"bounding", c.Bounding}, {"permitted", c.Permitted}, {"effective", c.Effective},
		{"inheritable", c.Inheritable}, {"ambient", c.Ambient},
	}
}

// reportCapabilities writes one line for all sets that lost the same names.
func reportCapabilities(t *tally, asked, got *specs.LinuxCapabilities) {
	type line struct {
		sets          []string
		removed, kept []string
	}
	var lines []line
	kept := capabilitySets(got)
	var unknown []string
	for i, set := range capabilitySets(asked) {
		removed := without(set.names, kept[i].names)
		for _, name := range removed {
			if !capabilityKnown(name) && !slices.Contains(unknown, name) {
				unknown = append(unknown, name)
			}
		}
		if len(removed) == 0 {
			continue
		}
		at := slices.IndexFunc(lines, func(l line) bool { return slices.Equal(l.removed, removed) })
		if at < 0 {
			lines = append(lines, line{removed: removed, kept: kept[i].names})
			at = len(lines) - 1
		}
		lines[at].sets = append(lines[at].sets, set.name)
	}
	for _, l := range lines {
		t.narrow("process.capabilities."+strings.Join(l.sets, ","), describeRemoved(l.removed), describeKept(l.kept), "the profile does not name them, or another set rules them out")
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		t.note("process.capabilities", quoteList(unknown), "capabilities(7) knows no such names: they were dropped")
	}
}

func describeRemoved(removed []string) string {
	if len(removed) >= manyCapabilities {
		return fmt.Sprintf("%d more", len(removed))
	}
	if i := slices.IndexFunc(removed, func(n string) bool { return !capabilityKnown(n) }); i >= 0 {
		return "with " + quoteList(removed)
	}
	return "with " + strings.Join(removed, ", ")
}

func describeKept(kept []string) string {
	if len(kept) == 0 {
		return "none"
	}
	return "only " + strings.Join(slices.Sorted(slices.Values(kept)), ", ")
}

func judgeCapabilities(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "capabilities"}
	c := s.Process.Capabilities
	if c == nil {
		o.object("process.capabilities", "absent", "five sets, which may be empty")
		return o.violations
	}
	allowed := map[string]bool{}
	for _, e := range p.Profile.Capabilities {
		allowed[e.Name] = true
	}
	for _, set := range capabilitySets(c) {
		for _, name := range set.names {
			if !allowed[name] {
				o.object("process.capabilities."+set.name, fmt.Sprintf("%q", name), "one that the profile names")
			}
		}
	}
	inside := func(inner, outer []string, field, want string) {
		for _, name := range inner {
			if !slices.Contains(outer, name) {
				o.object("process.capabilities."+field, fmt.Sprintf("%q", name), "one of "+want)
			}
		}
	}
	inside(c.Permitted, c.Bounding, "permitted", "bounding")
	inside(c.Effective, c.Permitted, "effective", "permitted")
	inside(c.Ambient, c.Permitted, "ambient", "permitted")
	inside(c.Ambient, c.Inheritable, "ambient", "inheritable")
	inside(c.Inheritable, c.Ambient, "inheritable", "ambient")
	return o.violations
}

func capabilityKnown(name string) bool {
	bare, ok := strings.CutPrefix(name, "CAP_")
	return ok && bare != "" && !strings.Contains(bare, " ") && strings.Contains(knownCapabilities, " "+bare+" ")
}
