package harden

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// Rules are all requirements, in the order in which they narrow and in which reports name them. The order is part
// of the design: the user namespace comes first because other rules measure IDs against it.
var Rules = []Rule{
	userNamespace,
	namespaces,
	rootfs,
	mounts,
	noNewPrivileges,
	capabilities,
	user,
	seccompRule,
	lsm,
	maskedPaths,
	devices,
	limits,
	scheduling,
	sysctl,
	hooks,
	annotations,
	secrets,
}

// maxShown is how many violations one line of a refusal names: engines show a single line, and people read one.
const maxShown = 5

// Harden returns a copy of s that is within the policy, with what was changed on the way. The error is a *Refusal
// when a rule objects to what it cannot narrow. s is untouched in every case.
//
// Harden does not promise that the result starts: the host may still lack what it needs.
func Harden(s *specs.Spec, p Policy) (*specs.Spec, []Change, error) {
	if s == nil {
		return nil, nil, refusal(p, []Violation{{Rule: "rootfs", Field: "spec", Got: "empty", Want: "a runtime-spec configuration"}})
	}
	h := clone(s)
	if h.Process == nil {
		h.Process = &specs.Process{}
	}
	if h.Root == nil {
		h.Root = &specs.Root{}
	}
	if h.Linux == nil {
		h.Linux = &specs.Linux{}
	}
	if c, err := seccomp.FromOCI(p.Seccomp, goArch(p.Facts.Kernel.Arch)); err == nil {
		p.ceiling = &c
	}
	var changes []Change
	for _, r := range Rules {
		if r.narrow == nil {
			continue
		}
		for _, c := range r.narrow(h, p) {
			c.Rule = r.ID
			changes = append(changes, c)
		}
	}
	if v := Judge(h, p); len(v) > 0 {
		return nil, nil, refusal(p, v)
	}
	return h, changes, nil
}

// Judge returns what the rules object to in s as it stands. It edits nothing.
func Judge(s *specs.Spec, p Policy) []Violation {
	switch {
	case s == nil, s.Process == nil, s.Root == nil, s.Linux == nil:
		return []Violation{{Rule: "rootfs", Field: "spec", Got: "incomplete", Want: "process, root and linux"}}
	}
	var found []Violation
	for _, r := range Rules {
		if r.judge == nil {
			continue
		}
		for _, v := range r.judge(s, p) {
			v.Rule = r.ID
			found = append(found, v)
		}
	}
	return found
}

func refusal(p Policy, v []Violation) *Refusal {
	return &Refusal{Profile: p.Profile.Name, Violations: v}
}

// Error is one line, because engines show one. It names at most five violations; Violations has them all.
func (r *Refusal) Error() string {
	shown := r.Violations
	if len(shown) > maxShown {
		shown = shown[:maxShown]
	}
	parts := make([]string, 0, len(shown)+1)
	for _, v := range shown {
		parts = append(parts, v.String())
	}
	if more := len(r.Violations) - len(shown); more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return calm(fmt.Sprintf("refused by profile %q: %s; to allow it see bulkhead-profiles(5)", r.Profile, strings.Join(parts, "; ")))
}

// calm takes out of a refusal the phrases in which engines read another meaning: Docker turns some into the exit codes
// 126 and 127, containerd and podman take others for a container that is gone. They come from the kernel's error texts
// and from paths that a user chose.
func calm(text string) string {
	for _, phrase := range [...]string{
		"permission denied", "no such file or directory", "executable file not found", "is a directory", "does not exist",
		"not running", "no such process", "process already finished",
	} {
		for at := indexFold(text, phrase); at >= 0; at = indexFold(text, phrase) {
			text = text[:at] + strings.ReplaceAll(text[at:at+len(phrase)], " ", "-") + text[at+len(phrase):]
		}
	}
	return text
}

// indexFold is strings.Index for a phrase in lower case, in any case of ASCII letters.
func indexFold(text, phrase string) int {
	for i := 0; i+len(phrase) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(phrase)], phrase) {
			return i
		}
	}
	return -1
}

// String is one violation as refusals and reports show it.
func (v Violation) String() string {
	return fmt.Sprintf("%s is %s, want %s (rule %s)", v.Field, v.Got, v.Want, v.Rule)
}
