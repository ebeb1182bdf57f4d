package harden

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// An annotation can make the container tighter, never wider.
//
//	Field:    annotations
//	Allowed:  those that no runtime acts on, and dev.bulkhead.profile, which may only choose a tighter profile
//	Else:     narrowed: those that runtimes act on are dropped
//	Why:      users of an engine write annotations. runc hands org.systemd.property.* to systemd and reads
//	          org.criu.config as a file, both as root on the host (runc features, potentiallyUnsafeConfigAnnotations)
var annotations = Rule{
	ID:      "annotations",
	Fields:  []string{"annotations"},
	Summary: "Annotations that runtimes act on are dropped; dev.bulkhead.profile may choose a tighter profile.",
	narrow:  narrowAnnotations,
	judge:   judgeAnnotations,
}

// ProfileAnnotation names the profile that a container asks for. It is honoured only when it is tighter than the one
// that would apply without it.
const ProfileAnnotation = "dev.bulkhead.profile"

// actedOn are the annotations, or prefixes ending in a dot, that runc, crun or this runtime acts on.
func actedOn(name string) bool {
	for _, prefix := range []string{"org.systemd.property.", "org.criu.", "run.oci.", "dev.bulkhead."} {
		if strings.HasPrefix(name, prefix) {
			return name != ProfileAnnotation
		}
	}
	return name == "bundle"
}

func narrowAnnotations(s *specs.Spec, _ Policy) []Change {
	t := tally{rule: "annotations"}
	for _, name := range slices.Sorted(maps.Keys(s.Annotations)) {
		if actedOn(name) {
			t.narrow(annotationField(name), quote(s.Annotations[name]), "absent", "runtimes act on it as root on the host")
			delete(s.Annotations, name)
		}
	}
	return t.changes
}

func annotationField(name string) string { return fmt.Sprintf("annotations[%s]", quote(name)) }

func judgeAnnotations(s *specs.Spec, _ Policy) []Violation {
	o := protest{rule: "annotations"}
	for _, name := range slices.Sorted(maps.Keys(s.Annotations)) {
		if actedOn(name) {
			o.object(annotationField(name), quote(s.Annotations[name]), "absent")
		}
	}
	return o.violations
}
