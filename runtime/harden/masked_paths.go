package harden

import (
	"fmt"
	"path"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// Files of /proc and /sys that tell about the host, or change it, stay hidden or read-only.
//
//	Field:    linux.maskedPaths, linux.readonlyPaths
//	Allowed:  absolute paths, and all that the profile names
//	Else:     narrowed to the union with the profile's; a path that is not absolute is refused
//	Why:      /proc/kcore, /proc/sysrq-trigger and their kind belong to the host. --privileged and
//	          systempaths=unconfined leave the lists empty: the profile's come back
var maskedPaths = Rule{
	ID:      "masked-paths",
	Fields:  []string{"linux.maskedPaths", "linux.readonlyPaths"},
	Summary: "The profile's masked and read-only paths are always in place, the caller's beside them.",
	narrow: func(s *specs.Spec, p Policy) []Change {
		t := tally{rule: "masked-paths"}
		l := s.Linux
		l.MaskedPaths = t.unite("linux.maskedPaths", l.MaskedPaths, p.Profile.MaskedPaths)
		l.ReadonlyPaths = t.unite("linux.readonlyPaths", l.ReadonlyPaths, p.Profile.ReadonlyPaths)
		return t.changes
	},
	judge: func(s *specs.Spec, p Policy) []Violation {
		o := protest{rule: "masked-paths"}
		l := s.Linux
		o.paths("linux.maskedPaths", l.MaskedPaths, p.Profile.MaskedPaths)
		o.paths("linux.readonlyPaths", l.ReadonlyPaths, p.Profile.ReadonlyPaths)
		return o.violations
	},
}

// unite gives the caller's paths, cleaned, and after them those of the profile that are missing.
func (t *tally) unite(field string, asked []string, profile []profiles.Entry) []string {
	var out []string
	for _, have := range asked {
		if path.IsAbs(have) && path.Clean(have) != have {
			t.narrow(field, quote(have), quote(path.Clean(have)), "a path must have one spelling")
			have = path.Clean(have)
		}
		out = append(out, have)
	}
	var added []string
	for _, e := range profile {
		if !slices.Contains(out, e.Name) {
			out = append(out, e.Name)
			added = append(added, e.Name)
		}
	}
	if len(added) > 0 {
		from := fmt.Sprintf("%d paths", len(asked))
		if len(asked) == 0 {
			from = "none"
		}
		t.narrow(field, from, "also "+strings.Join(added, ", "), "the profile names them")
	}
	return out
}

func (o *protest) paths(field string, got []string, profile []profiles.Entry) {
	for i, p := range got {
		if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
			o.object(fmt.Sprintf("%s[%d]", field, i), quote(p), "an absolute path without \"..\"")
		}
	}
	have := make(map[string]bool, len(got))
	for _, p := range got {
		have[p] = true
	}
	for _, e := range profile {
		if !have[e.Name] {
			o.object(field, "without "+e.Name, "with it")
		}
	}
}
