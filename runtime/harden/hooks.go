package harden

import (
	"fmt"
	"path/filepath"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// Programs that the caller has the runtime start are on record.
//
//	Field:    hooks.*
//	Allowed:  the caller's, by absolute path; only those that the profile lists, where it lists some
//	Else:     refused
//	Why:      most hooks run as root on the host. Only the caller can write them, never the image, so they are
//	          kept (Docker 20.10 sets up the network with one) and noted
var hooks = Rule{
	ID:      "hooks",
	Fields:  []string{"hooks.prestart", "hooks.createRuntime", "hooks.createContainer", "hooks.startContainer", "hooks.poststart", "hooks.poststop"},
	Summary: "Hooks are the caller's, are on record, and are those that the profile lists where it lists some.",
	narrow:  noteHooks,
	judge:   judgeHooks,
}

// A hookEntry is one hook with its property path.
type hookEntry struct {
	field string
	hook  specs.Hook
}

func hookEntries(s *specs.Spec) []hookEntry {
	if s.Hooks == nil {
		return nil
	}
	var out []hookEntry
	add := func(name string, list []specs.Hook) {
		for i, h := range list {
			out = append(out, hookEntry{fmt.Sprintf("hooks.%s[%d].path", name, i), h})
		}
	}
	add("prestart", s.Hooks.Prestart) //nolint:staticcheck // Docker 20.10 still sends it.
	add("createRuntime", s.Hooks.CreateRuntime)
	add("createContainer", s.Hooks.CreateContainer)
	add("startContainer", s.Hooks.StartContainer)
	add("poststart", s.Hooks.Poststart)
	add("poststop", s.Hooks.Poststop)
	return out
}

// noteHooks records paths only: arguments and environment may hold what nobody should read in a report.
func noteHooks(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "hooks"}
	for _, e := range hookEntries(s) {
		t.note(e.field, quote(e.hook.Path), because("the caller has the runtime start this program", p.Profile.Hooks.Caller.Reason))
	}
	return t.changes
}

func judgeHooks(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "hooks"}
	allowed := p.Profile.Hooks.Allowed
	for _, e := range hookEntries(s) {
		path := e.hook.Path
		switch {
		case !p.Profile.Hooks.Caller.On:
			o.object(e.field, quote(path), "no hooks")
		case !filepath.IsAbs(path) || filepath.Clean(path) != path:
			o.object(e.field, quote(path), "an absolute path without \"..\"")
		case len(allowed) > 0 && !slices.ContainsFunc(allowed, func(a profiles.Entry) bool { return a.Name == path }):
			o.object(e.field, quote(path), "one of "+quoteList(entryNames(allowed)))
		}
	}
	return o.violations
}
