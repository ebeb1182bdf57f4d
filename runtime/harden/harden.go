// Package harden is the rule table: a spec and a policy go in, a hardened spec and the list of changes come out, or a
// refusal. It is pure: no file, no clock, no environment.
package harden

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// A Policy is a profile plus the facts of one container on one host.
type Policy struct {
	Profile profiles.Profile `json:"profile"`
	// ID of the container, for reports and for the engine's own files.
	ID string `json:"id"`
	// Range of host IDs that is leased to the container. Zero only when the caller brought a user namespace of its own.
	Range userns.Range `json:"range"`
	// JoinUser is the path of the sibling's user namespace, as the runtime wants it in the hardened spec, when the spec
	// joins namespaces of a sibling. Empty otherwise. Range is the sibling's then.
	JoinUser string `json:"joinUser,omitempty"`
	// Facts about the paths and namespaces that the spec names.
	Facts bundle.Facts `json:"facts"`
	// Host has the capacity that limits are measured against.
	Host cgroups.Capacity `json:"host"`
	// Seccomp is the profile's seccomp profile, loaded by the caller of Harden.
	Seccomp *specs.LinuxSeccomp `json:"seccomp"`
	// Mapped is the site's own seccomp profile for this container, nil for none. The filter is within it, too.
	Mapped *Mapped `json:"mapped,omitempty"`
	// Registered are the host's registered seccomp profiles, where the profile wants the filter to be within one of them.
	Registered []Registered `json:"-"`
	// ceiling is Seccomp as it was parsed for this run of the rules: both halves of the rule seccomp compare with it.
	ceiling *seccomp.Profile
	// running tells that the container exists already, so that what only create does is not narrowed again.
	running bool
	// apparmor is the AppArmor profile of the running container that an exec joins.
	apparmor string
}

// Mapped is a registered seccomp profile that the host's configuration gives a container.
type Mapped struct {
	// Path of the file, and the mapping in words.
	Path string `json:"path"`
	By   string `json:"by"`
	// Seccomp is the file's content. It is not saved: the hardened spec has what became of it.
	Seccomp *specs.LinuxSeccomp `json:"-"`
	// Warning says what may make it a poor fit for this host, empty for nothing.
	Warning string `json:"warning,omitempty"`
}

// Registered is a registered seccomp profile.
type Registered struct {
	Path    string
	Seccomp *specs.LinuxSeccomp
}

// A Rule is one hardening requirement. Its two halves are written independently: narrow edits the spec, judge only
// reads it. A mistake in narrow then refuses a container instead of weakening it.
type Rule struct {
	// ID is stable: it stands in reports, in the man page and in a site's profile.
	ID string
	// Fields are the runtime-spec properties that the rule owns. No two rules share one.
	Fields []string
	// Summary is the rule in one sentence, for bulkhead-rules(7).
	Summary string
	narrow  func(*specs.Spec, Policy) []Change
	judge   func(*specs.Spec, Policy) []Violation
}

// A Change is what a rule narrowed, or noted, in a spec.
type Change struct {
	Rule  string `json:"rule"`
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
	// Why in one sentence, with the profile's reason where it has one.
	Why string `json:"why"`
	// Note marks what could only be noted: nothing was changed.
	Note bool `json:"note,omitempty"`
}

// A Violation is what a rule objects to.
type Violation struct {
	Rule  string `json:"rule"`
	Field string `json:"field"`
	Got   string `json:"got"`
	Want  string `json:"want"`
}

// A Refusal is the error of Harden: the request, not the host and not the program, is at fault.
type Refusal struct {
	Profile    string      `json:"profile"`
	Violations []Violation `json:"violations"`
}
