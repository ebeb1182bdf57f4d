package harden

import (
	"slices"
	"strings"
	"unicode"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A container is confined by the host's security module, where there is one.
//
//	Field:    process.apparmorProfile, process.selinuxLabel, linux.mountLabel
//	Allowed:  the engine's profile or label; none at all is noted
//	Else:     an explicit unconfined one is refused where that module is active
//	Why:      it is the wall behind the others. CIS Docker 5.2, 5.3
var lsm = Rule{
	ID:      "lsm",
	Fields:  []string{"process.apparmorProfile", "process.selinuxLabel", "linux.mountLabel"},
	Summary: "Nobody asks for an unconfined AppArmor profile or SELinux domain.",
	narrow:  noteLSM,
	judge:   judgeLSM,
}

// unconfinedDomains are the SELinux types that targeted policy does not confine, or that may do what the host may.
var unconfinedDomains = [...]string{"unconfined_t", "unconfined_service_t", "spc_t", "kernel_t", "init_t", "initrc_t", "container_runtime_t"}

func noteLSM(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "lsm"}
	if p.Facts.Kernel.AppArmor && s.Process.ApparmorProfile == "" {
		t.note("process.apparmorProfile", "absent", "AppArmor is active on this host and the caller names no profile")
	}
	if p.Facts.Kernel.SELinux && s.Process.SelinuxLabel == "" {
		t.note("process.selinuxLabel", "absent", "SELinux is active on this host and the caller names no label")
	}
	return t.changes
}

func judgeLSM(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "lsm"}
	if profile := s.Process.ApparmorProfile; p.Facts.Kernel.AppArmor && apparmorUnconfined(profile) {
		o.object("process.apparmorProfile", quote(profile), "a profile that confines")
	}
	if label := s.Process.SelinuxLabel; p.Facts.Kernel.SELinux && label != "" {
		fields := strings.Split(label, ":")
		if len(fields) < 3 || slices.Contains(unconfinedDomains[:], fields[2]) {
			o.object("process.selinuxLabel", quote(label), "user:role:type:level with a type that confines")
		}
	}
	// The mount label becomes a quoted option of mount(2).
	if strings.ContainsFunc(s.Linux.MountLabel, func(r rune) bool { return r == '"' || r == '\\' || unicode.IsControl(r) }) {
		o.object("linux.mountLabel", quote(s.Linux.MountLabel), "a label without quotes and control characters")
	}
	return o.violations
}

// apparmorUnconfined looks at every part of a profile's name: a namespace (":ns:name"), a stack ("a//&b") and a child
// ("a//b") can each name it.
func apparmorUnconfined(profile string) bool {
	parts := strings.FieldsFunc(profile, func(r rune) bool { return r == ':' || r == '/' || r == '&' || unicode.IsSpace(r) })
	return slices.Contains(parts, "unconfined")
}
