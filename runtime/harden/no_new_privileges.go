package harden

import specs "github.com/opencontainers/runtime-spec/specs-go"

// No program in the container may gain rights by being started.
//
//	Field:    process.noNewPrivileges
//	Allowed:  true where the profile says so, else what the caller asks
//	Else:     narrowed to true
//	Why:      a setuid or setcap file of the image, or of a volume, is then an ordinary file, and a seccomp filter
//	          survives every execve. prctl(2) PR_SET_NO_NEW_PRIVS, CIS Docker 5.25
var noNewPrivileges = Rule{
	ID:      "no-new-privileges",
	Fields:  []string{"process.noNewPrivileges"},
	Summary: "No program in the container may gain rights by being started.",
	narrow: func(s *specs.Spec, p Policy) []Change {
		if s.Process.NoNewPrivileges || !p.Profile.NoNewPrivileges.On {
			return nil
		}
		s.Process.NoNewPrivileges = true
		t := tally{rule: "no-new-privileges"}
		t.narrow("process.noNewPrivileges", "false", "true", because("a setuid program must not raise rights", p.Profile.NoNewPrivileges.Reason))
		return t.changes
	},
	judge: func(s *specs.Spec, p Policy) []Violation {
		if !p.Profile.NoNewPrivileges.On || s.Process.NoNewPrivileges {
			return nil
		}
		return []Violation{{Rule: "no-new-privileges", Field: "process.noNewPrivileges", Got: "false", Want: "true"}}
	},
}
