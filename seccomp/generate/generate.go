// Package generate makes the smallest seccomp profile that permits what recordings saw, and says how far the recordings can be
// trusted. It is pure: it reads no file, and the same recordings give the same profile in whatever order.
package generate

import (
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// Options say what goes into a profile beside the recorded calls.
type Options struct {
	// Ceiling is the filter that the profile is never wider than.
	Ceiling seccomp.Profile
	// Starts are the ways in which the runtime will start processes under the profile; zero: all.
	Starts starts.Start
	// ArgumentRules makes conditions of the recorded arguments. Without it a call is permitted as far as the ceiling permits it.
	ArgumentRules bool
	// Margins are names of [Margins].
	Margins []string
	// Base is a profile whose permissions are added; nil for none.
	Base *seccomp.Profile
	// Compat names the architectures of recorded compat calls in the profile, and their calls. bulkhead loads filters for the
	// native architecture only: this is for other runtimes, and outside of the ceiling.
	Compat bool
}

// A Result is a profile and what is to be known of it.
type Result struct {
	// Profile is for the native architecture. Its rules have EQ and MASKED_EQ conditions, at most one for an argument.
	Profile seccomp.Profile
	// OCI is the text form: the profile, with compat architectures where they were asked for.
	OCI    *specs.LinuxSeccomp
	Report Report
}

// Generate makes the profile of some recordings, at least one. They have to be of one architecture, the ceiling's; that is an error, and
// so are an unknown margin and a base that permits what it does not name.
//
// The profile is within the ceiling. It permits each recorded native call that the ceiling permits, with the recorded arguments; what the
// report says of Beyond and Notes are the exceptions.
func Generate(recordings []*recording.Recording, o Options) (*Result, error) {
	if err := checkInput(recordings, o); err != nil {
		return nil, fmt.Errorf("generate profile: %w", err)
	}
	w := wants{options: o, calls: map[string]*want{}}
	native, compat := merged(recordings)
	w.recorded(native)
	w.runtime()
	if err := w.margins(); err != nil {
		return nil, fmt.Errorf("generate profile: %w", err)
	}
	p, err := w.profile()
	if err != nil {
		return nil, fmt.Errorf("generate profile: %w", err)
	}
	if within, what := Within(p, o.Ceiling); !within {
		return nil, fmt.Errorf("BUG(bulkhead): generate profile: it exceeds the ceiling: %s", what)
	}
	r := &Result{Profile: p, OCI: p.ToOCI(), Report: w.report(recordings, native, p)}
	w.addCompat(r, compat)
	return r, nil
}

func checkInput(recordings []*recording.Recording, o Options) error {
	if len(recordings) == 0 {
		return fmt.Errorf("there is no recording")
	}
	for _, r := range recordings {
		if err := r.Check(); err != nil {
			return fmt.Errorf("recording %q: %w", r.Name, err)
		}
		if r.GOARCH() != o.Ceiling.Arch {
			return fmt.Errorf("recording %q is of %s, the profile is for %s: make one for each architecture", r.Name, r.GOARCH(), o.Ceiling.Arch)
		}
	}
	if o.Base != nil && o.Base.Default.Action.Permits() {
		return fmt.Errorf("the base permits every call that it does not name (%s)", o.Base.Default)
	}
	return nil
}

// merged gives the calls of all recordings, and apart from them those of other architectures. Calls that a recorder let pass
// unseen are among the native ones.
func merged(recordings []*recording.Recording) (native, compat []recording.Call) {
	var lists [][]recording.Call
	for _, r := range recordings {
		lists = append(lists, r.Calls, unseen(r))
	}
	for _, c := range recording.Merge(lists...) {
		if c.Architecture == "" {
			native = append(native, c)
		} else {
			compat = append(compat, c)
		}
	}
	return native, compat
}

func unseen(r *recording.Recording) []recording.Call {
	var out []recording.Call
	for _, u := range r.Unseen {
		out = append(out, recording.Call{Name: u.Name, Number: u.Number, Arguments: u.Arguments})
	}
	return out
}

// The sources of a permission.
const (
	Recorded = "recorded"
	Runtime  = "runtime"
	Margin   = "margin"
	Base     = "base"
)

// A want is what the profile should permit of a call.
type want struct {
	// any is set when no argument is restricted, else one of lists has to match.
	any     bool
	lists   [][]specs.LinuxSeccompArg
	sources []Source
}

type wants struct {
	options Options
	calls   map[string]*want
	notes   []string
	base    []string
}

func (w *wants) add(name string, s Source, lists [][]specs.LinuxSeccompArg) {
	c := w.calls[name]
	if c == nil {
		c = &want{}
		w.calls[name] = c
	}
	if !slices.Contains(c.sources, s) {
		c.sources = append(c.sources, s)
	}
	c.any = c.any || lists == nil
	c.lists = append(c.lists, lists...)
}

// named tells whether a profile can name a recorded call.
func named(c recording.Call) bool { return c.Name != "" && syscalls.Known(c.Name) }

func (w *wants) recorded(native []recording.Call) {
	for _, c := range native {
		if named(c) {
			w.add(c.Name, Source{From: Recorded}, w.conditions(c))
		}
	}
}

func (w *wants) runtime() {
	kinds := w.options.Starts
	if kinds == 0 {
		kinds = starts.Every
	}
	for _, c := range starts.Calls() { // the spare ones, too: a start that works should not look like one with denials
		if c.Starts&kinds != 0 {
			w.add(c.Name, Source{Runtime, c.Why}, w.runtimeConditions(c.Name))
		}
	}
}

// names are those of the wanted calls, sorted.
func (w *wants) names() []string {
	var out []string
	for name := range w.calls {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// profile intersects what is wanted with the ceiling and keeps the permissions, and the ENOSYS answers that C libraries wait for.
func (w *wants) profile() (seccomp.Profile, error) {
	eperm := uint(1)
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"}}
	for _, name := range w.names() {
		c := w.calls[name]
		if c.any {
			c.lists = nil
			s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow})
			continue
		}
		for _, l := range c.lists {
			s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: l})
		}
	}
	p, err := seccomp.FromOCI(s, w.options.Ceiling.Arch)
	if err != nil {
		return seccomp.Profile{}, err
	}
	w.note(p.Notes...)
	if w.options.Base != nil {
		if p, err = w.withBase(p); err != nil {
			return seccomp.Profile{}, err
		}
	}
	both, notes := seccomp.Intersect(p, w.options.Ceiling)
	w.note(notes...)
	return w.equalOnly(kept(both)), nil
}

func (w *wants) note(notes ...string) { w.notes = append(w.notes, notes...) }

// withBase adds what the base permits outright. What it logs or leaves to a tracer or an agent is not a permission to copy.
func (w *wants) withBase(p seccomp.Profile) (seccomp.Profile, error) {
	base := seccomp.Profile{Arch: w.options.Base.Arch, Default: p.Default, Flags: p.Flags}
	for _, c := range w.options.Base.Calls {
		allowed := seccomp.Call{Name: c.Name}
		for _, r := range c.Rules {
			switch {
			case r.Verdict.Action == seccomp.Allow:
				allowed.Rules = append(allowed.Rules, r)
			case r.Verdict.Action.Permits():
				w.note(fmt.Sprintf("the base's %s of %q is not taken over", r.Verdict.Action, c.Name))
			}
		}
		if len(allowed.Rules) > 0 {
			base.Calls = append(base.Calls, allowed)
			w.base = append(w.base, c.Name)
		}
	}
	out, notes, err := algebra.Union(p, base)
	w.note(notes...)
	return out, err
}

// kept drops all denials but ENOSYS for whole calls: C libraries and runtimes that try a newer call first read EPERM as final.
func kept(p seccomp.Profile) seccomp.Profile {
	out := seccomp.Profile{Arch: p.Arch, Default: seccomp.Verdict{Action: seccomp.Errno, Errno: 1}}
	for _, c := range p.Calls {
		call := seccomp.Call{Name: c.Name}
		for _, r := range c.Rules {
			if r.Verdict.Action.Permits() || r.Verdict == enosys && len(r.Conds) == 0 {
				call.Rules = append(call.Rules, r)
			}
		}
		if len(call.Rules) > 0 {
			out.Calls = append(out.Calls, call)
		}
	}
	return out
}

var enosys = seccomp.Verdict{Action: seccomp.Errno, Errno: 38}

// Within reports whether a permits nothing that b denies, exactly, and if not, one call for which it does.
func Within(a, b seccomp.Profile) (bool, string) {
	ok, what := seccomp.Subset(a, b)
	if ok || !strings.HasSuffix(what, "too many to compare") {
		return ok, what
	}
	for _, c := range algebra.Changes(a, b) {
		if c.Widens() {
			return false, c.Name
		}
	}
	return true, ""
}
