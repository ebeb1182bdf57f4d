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
//	Allowed:  the engine's profile or label, which the kernel must have; none at all is noted
//	Else:     an explicit unconfined one is refused where that module is active (Docker asks for it with --privileged);
//	          an exec that asks for it gets the container's own
//	Why:      it is the wall behind the others. CIS Docker 5.2, 5.3
var lsm = Rule{
	ID:      "lsm",
	Fields:  []string{"process.apparmorProfile", "process.selinuxLabel", "linux.mountLabel"},
	Summary: "Nobody gets an unconfined AppArmor profile or SELinux domain by asking for it.",
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
	// Docker asks for it with `exec --privileged`.
	if p.Facts.Kernel.AppArmor && p.apparmor != "" && strings.Contains(s.Process.ApparmorProfile, "unconfined") {
		t.narrow("process.apparmorProfile", quote(s.Process.ApparmorProfile), quote(p.apparmor), "an exec is confined as its container is")
		s.Process.ApparmorProfile = p.apparmor
	}
	return t.changes
}

func judgeLSM(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "lsm"}
	if profile := s.Process.ApparmorProfile; p.Facts.Kernel.AppArmor && apparmorUnconfined(profile) {
		o.object("process.apparmorProfile", quote(profile),
			"a profile that confines, as Docker's --security-opt apparmor=docker-default gives, also beside --privileged")
	} else if !p.running {
		o.apparmorMode(profile, p.Facts.Kernel.AppArmorMode)
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

// apparmorMode objects to a profile by what the kernel holds under its name.
func (o *protest) apparmorMode(profile, mode string) {
	switch mode {
	case "missing":
		o.object("process.apparmorProfile", quote(profile), "a profile that this host's AppArmor has loaded (see aa-status(8))")
	case "unconfined":
		o.object("process.apparmorProfile", quote(profile), "a profile that confines: this one is loaded with flags=(unconfined)")
	}
}

// apparmorUnconfined looks at every part of a profile's name: a namespace (":ns:name"), a stack ("a//&b") and a child
// ("a//b") can each name it.
func apparmorUnconfined(profile string) bool {
	parts := strings.FieldsFunc(profile, func(r rune) bool { return r == ':' || r == '/' || r == '&' || unicode.IsSpace(r) })
	return slices.Contains(parts, "unconfined")
}
