package harden

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A container sets kernel parameters of its own namespaces only.
//
//	Field:    linux.sysctl
//	Allowed:  the profile's names, where the namespace they belong to is the container's own or one that the engine
//	          made for it (a pod's)
//	Else:     refused by name; ping_group_range is narrowed to the groups of the range; what this kernel lacks is
//	          dropped and reported
//	Why:      what is not namespaced changes the host, and what belongs to another container changes that one.
//	          Pod Security "baseline": sysctls
//
// kernel.hostname is refused, because hostname is the property for it. kernel.domainname, which Docker sends for
// --domainname, becomes the property domainname: a user namespace may set the name (setdomainname(2)) but not write the file.
var sysctl = Rule{
	ID:      "sysctl",
	Fields:  []string{"linux.sysctl"},
	Summary: "Only kernel parameters that the profile names and that belong to the container's own namespaces.",
	narrow:  narrowSysctl,
	judge:   judgeSysctl,
}

const (
	pingGroupRange = "net.ipv4.ping_group_range"
	domainname     = "kernel.domainname"
)

func narrowSysctl(s *specs.Spec, p Policy) []Change {
	if len(s.Linux.Sysctl) == 0 {
		return nil
	}
	t := tally{rule: "sysctl"}
	out := make(map[string]string, len(s.Linux.Sysctl))
	for _, key := range slices.Sorted(maps.Keys(s.Linux.Sysctl)) {
		value, name := s.Linux.Sysctl[key], dotted(key)
		if other, twice := s.Linux.Sysctl[name]; twice && name != key && other != value {
			out[key] = value // judge refuses the second spelling
			continue
		}
		if name != key {
			t.narrow("linux.sysctl", quote(key), quote(name), "a name must have one spelling")
		}
		if slices.ContainsFunc(p.Facts.Kernel.MissingSysctls, func(m string) bool { return dotted(m) == name }) {
			t.narrow(sysctlField(name), quote(value), "absent", "this kernel does not have it for a new namespace")
			continue
		}
		if name == domainname && (s.Domainname == "" || s.Domainname == value) && ownNamespace(s, p, "uts") {
			t.narrow(sysctlField(name), quote(value), "the property domainname", "the file is not the container's to write, the name is")
			s.Domainname = value
			continue
		}
		if name == pingGroupRange {
			fitted := fitPingGroups(value, groupLimit(s, p))
			if fitted != value {
				t.narrow(sysctlField(name), quote(value), quote(fitted), "the container has no group IDs beyond its range")
			}
			value = fitted
		}
		out[name] = value
	}
	s.Linux.Sysctl = out
	return t.changes
}

func judgeSysctl(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "sysctl"}
	for _, name := range slices.Sorted(maps.Keys(s.Linux.Sysctl)) {
		value, field := s.Linux.Sysctl[name], sysctlField(name)
		switch {
		case !only(name, "._-/") || len(name) > 256 || strings.Contains(name, "..") || dotted(name) != name:
			o.object(field, "no plain name, or given twice", "one name with dots")
			continue
		case name == domainname:
			o.object(field, quote(value), "absent: domainname is the property for it")
			continue
		case !sysctlAllowed(name, p):
			o.object(field, quote(value), "absent: the profile does not name it")
			continue
		}
		if want := sysctlNamespace(name); want != "" && !ownNamespace(s, p, want) {
			o.object(field, quote(value), fmt.Sprintf("absent: the %s namespace is not the container's own", want))
		}
		if len(value) > 1024 || !printable(strings.ReplaceAll(value, "\t", " ")) {
			o.object(field, quote(value), "one line of at most 1024 printable characters")
		}
		if name == pingGroupRange && !pingGroupsFit(value, groupLimit(s, p)) {
			o.object(field, quote(value), fmt.Sprintf("two group IDs below %d", groupLimit(s, p)))
		}
	}
	return o.violations
}

func sysctlField(name string) string { return "linux.sysctl[" + strings.Trim(quote(name), `"`) + "]" }

// dotted is the spelling with dots of a name that may be spelled with slashes: when the first separator is a slash,
// slashes separate and dots belong to a component, as sysctl(8) has it.
func dotted(name string) string {
	at := strings.IndexAny(name, "./")
	if at < 0 || name[at] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, name)
}

func sysctlAllowed(name string, p Policy) bool {
	if name == "kernel.hostname" {
		return false
	}
	for _, e := range p.Profile.Sysctls {
		prefix, wild := strings.CutSuffix(e.Name, "*")
		if e.Name == name || wild && strings.HasPrefix(name, prefix) && len(name) > len(prefix) {
			return true
		}
	}
	return false
}

// sysctlNamespace is the kind of namespace that a name belongs to, in runtime-spec's words: namespaces(7).
func sysctlNamespace(name string) string {
	switch {
	case strings.HasPrefix(name, "net."):
		return "network"
	case strings.HasPrefix(name, "fs.mqueue."), strings.HasPrefix(name, "kernel.shm"), strings.HasPrefix(name, "kernel.msg"), name == "kernel.sem":
		return "ipc"
	case strings.HasPrefix(name, "user."):
		return "user"
	}
	return "" // refused unless the profile names it
}

// ownNamespace tells whether the container gets a new namespace of that kind, or one that its engine made for it.
// Joining another container's does not count: its settings belong to that container.
func ownNamespace(s *specs.Spec, p Policy, kind string) bool {
	for i, ns := range s.Linux.Namespaces {
		if string(ns.Type) != kind {
			continue
		}
		if ns.Path == "" {
			return true
		}
		if i >= len(p.Facts.Namespaces) {
			return false
		}
		f := p.Facts.Namespaces[i]
		return f.Path == ns.Path && f.Err == "" && f.Inode != 0 && !f.Host && f.Sibling == "" && (f.OwnerIsHost || ownedByJoined(f, p))
	}
	return false
}

// groupLimit is the first group ID that the container does not have, counted from 0.
func groupLimit(s *specs.Spec, p Policy) uint64 {
	_, spans := mappedIDs(s, p)
	for _, g := range spans {
		if g.first == 0 {
			return g.size
		}
	}
	return 0
}

// fitPingGroups bounds a span of group IDs. The kernel answers EINVAL for an ID that the user namespace does not have.
// A span that lies outside becomes "1 0", the kernel's spelling of nobody. What is no span comes back as it is.
func fitPingGroups(value string, limit uint64) string {
	low, high, ok := pingGroups(value)
	switch {
	case !ok || low < limit && high < limit:
		return value
	case low >= limit || limit < 2:
		return "1 0"
	}
	return fmt.Sprintf("%d %d", low, limit-1)
}

func pingGroupsFit(value string, limit uint64) bool {
	low, high, ok := pingGroups(value)
	return ok && (value == "1 0" || low < limit && high < limit)
}

func pingGroups(value string) (low, high uint64, ok bool) {
	f := strings.Fields(value)
	if len(f) != 2 {
		return 0, 0, false
	}
	low, err := strconv.ParseUint(f[0], 10, 32)
	if err != nil {
		return 0, 0, false
	}
	high, err = strconv.ParseUint(f[1], 10, 32)
	return low, high, err == nil
}
