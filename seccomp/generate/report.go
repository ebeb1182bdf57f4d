package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// A Report says what is in a profile and why, what is not, and what the recordings are worth.
type Report struct {
	Architecture string      `json:"architecture"`
	Recordings   []Recording `json:"recordings"`
	// Permitted counts the calls that the profile permits, with conditions or without.
	Permitted int `json:"permitted"`
	// Conditional counts those of them that have conditions.
	Conditional int    `json:"conditional"`
	Calls       []Call `json:"calls"`
	// Beyond is what was recorded and the ceiling does not permit.
	Beyond []Beyond `json:"beyond,omitempty"`
	// ENOSYS are calls that get this answer, because programs try them first and fall back only then.
	ENOSYS []string `json:"enosys"`
	// StartupOnly are calls that were seen before the first listen or accept only, in recordings that have both phases.
	StartupOnly []string `json:"startupOnly,omitempty"`
	// Warnings are reasons not to trust the profile as it is.
	Warnings []string `json:"warnings,omitempty"`
	// Notes say what could not be expressed as it was meant.
	Notes    []string `json:"notes,omitempty"`
	Evidence Evidence `json:"evidence"`
}

// A Recording is what a report repeats of one.
type Recording struct {
	Name     string           `json:"name"`
	Image    string           `json:"image,omitempty"`
	Recorder string           `json:"recorder"`
	Kernel   string           `json:"kernel"`
	Libc     string           `json:"libc,omitempty"`
	Runtime  string           `json:"runtime"`
	Calls    int              `json:"calls"`
	Unseen   int              `json:"unseen,omitempty"`
	Phases   []string         `json:"phases"`
	Joined   bool             `json:"joined,omitempty"`
	Open     bool             `json:"open,omitempty"` // it has no end
	Losses   recording.Losses `json:"losses"`
}

// A Call is one that the profile permits.
type Call struct {
	Name string `json:"name"`
	// Conditions are the arguments for which it is permitted, as C would write it: one of them holds. Empty: all.
	Conditions []string `json:"conditions,omitempty"`
	Sources    []Source `json:"sources"`
	// Recordings is in how many it was seen, Count how often in all.
	Recordings int    `json:"recordings,omitempty"`
	Count      uint64 `json:"count,omitempty"`
	// Denied is how many of these a filter denied while they were recorded.
	Denied uint64 `json:"denied,omitempty"`
}

// A Source is why a call is permitted.
type Source struct {
	From string `json:"from"`
	Why  string `json:"why,omitempty"`
}

// Beyond is a recorded call that the profile does not permit, at least not with these arguments.
type Beyond struct {
	Call string `json:"call"`
	// Arguments are the combinations; empty for the whole call.
	Arguments []string `json:"arguments,omitempty"`
	Count     uint64   `json:"count"`
	Why       string   `json:"why"`
}

func (w *wants) report(recordings []*recording.Recording, native []recording.Call, p seccomp.Profile) Report {
	r := Report{Architecture: p.Arch, ENOSYS: []string{}, Warnings: warnings(recordings), Evidence: evidence(recordings, w.options)}
	for _, rec := range recordings {
		r.Recordings = append(r.Recordings, summary(rec))
	}
	seen := map[string]recording.Call{}
	for _, c := range native {
		seen[c.Name] = c
	}
	for _, c := range p.Calls {
		if !c.Rules[0].Verdict.Action.Permits() {
			r.ENOSYS = append(r.ENOSYS, c.Name)
			continue
		}
		call := Call{Name: c.Name, Conditions: conditionText(c.Rules), Sources: w.sourcesOf(c.Name)}
		call.Count, call.Denied = seen[c.Name].Count(), seen[c.Name].Denied
		for _, rec := range recordings {
			if slices.ContainsFunc(rec.Calls, func(o recording.Call) bool { return o.Name == c.Name && o.Architecture == "" }) {
				call.Recordings++
			}
		}
		r.Calls = append(r.Calls, call)
		r.Permitted++
		if len(call.Conditions) > 0 {
			r.Conditional++
		}
	}
	r.Beyond = beyond(native, w.options.Ceiling)
	r.StartupOnly = startupOnly(recordings)
	slices.Sort(w.notes)
	r.Notes = slices.Compact(w.notes)
	return r
}

func (w *wants) sourcesOf(name string) []Source {
	out := []Source{}
	if c := w.calls[name]; c != nil {
		out = c.sources
	}
	if slices.Contains(w.base, name) {
		out = append(slices.Clone(out), Source{From: Base})
	}
	return out
}

func summary(r *recording.Recording) Recording {
	s := Recording{
		Name: r.Name, Image: r.Image, Recorder: r.Recorder, Kernel: r.Kernel, Libc: r.Libc, Runtime: r.Runtime, Calls: len(r.Calls), Unseen: len(r.Unseen),
		Joined: r.Joined, Open: r.Ended.IsZero(), Losses: r.Losses,
	}
	for _, p := range r.Phases {
		s.Phases = append(s.Phases, p.Name)
	}
	return s
}

func conditionText(rules []seccomp.Rule) []string {
	var out []string
	for _, r := range rules {
		var words []string
		for _, c := range r.Conds {
			words = append(words, c.String())
		}
		if len(words) > 0 {
			out = append(out, strings.Join(words, " && "))
		}
	}
	return out
}

// warnings are sorted by what they are about, then in the order of the recordings.
func warnings(recordings []*recording.Recording) []string {
	var out []string
	for _, r := range recordings {
		var what []string
		for _, l := range []struct {
			n    uint64
			noun string
		}{{r.Losses.Calls, "calls"}, {r.Losses.Combinations, "combinations of arguments"}, {r.Losses.Processes, "processes"}} {
			if l.n > 0 {
				what = append(what, fmt.Sprintf("%s (%d)", l.noun, l.n))
			}
		}
		if len(what) > 0 {
			out = append(out, fmt.Sprintf("recording %q lost %s: the profile may lack what they were", r.Name, strings.Join(what, ", ")))
		}
		switch {
		case r.Losses.CutShort:
			out = append(out, fmt.Sprintf("recording %q was cut short: what the container did later is not in it", r.Name))
		case r.Ended.IsZero():
			out = append(out, fmt.Sprintf("recording %q has no end: it goes on, or the recorder was killed", r.Name))
		}
		if r.Joined {
			out = append(out, fmt.Sprintf("recording %q began when the container ran: its start is not in it", r.Name))
		}
	}
	for _, m := range []struct {
		noun string
		of   func(*recording.Recording) string
	}{
		{"kernels", func(r *recording.Recording) string { return r.Kernel }},
		{"C libraries", func(r *recording.Recording) string { return r.Libc }},
		{"images", func(r *recording.Recording) string { return r.Image }},
		{"hardening profiles", func(r *recording.Recording) string { return r.Profile }},
	} {
		if values := distinct(recordings, m.of); len(values) > 1 {
			out = append(out, fmt.Sprintf("the recordings are of several %s: %s", m.noun, strings.Join(values, ", ")))
		}
	}
	return out
}

// distinct gives the values that are not empty, sorted.
func distinct(recordings []*recording.Recording, of func(*recording.Recording) string) []string {
	var out []string
	for _, r := range recordings {
		if v := of(r); v != "" {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// startupOnly are the calls that no recording saw while it was serving, of the recordings that came to that.
func startupOnly(recordings []*recording.Recording) []string {
	var lists [][]recording.Call
	for _, r := range recordings {
		if len(r.Phases) > 1 {
			lists = append(lists, r.Calls)
		}
	}
	var out []string
	for _, c := range recording.Merge(lists...) {
		if c.Architecture == "" && !slices.ContainsFunc(c.Seen, func(s recording.Seen) bool { return s.Phase == recording.Serving }) {
			out = append(out, c.String())
		}
	}
	return out
}

// beyond is what of the recorded calls the ceiling does not permit, or no profile can name.
func beyond(native []recording.Call, ceiling seccomp.Profile) []Beyond {
	var out []Beyond
	for _, c := range native {
		switch {
		case !named(c):
			out = append(out, Beyond{Call: c.String(), Count: c.Count(), Why: "no profile can name it: it is newer than the table of system calls"})
		case !permitsSome(ceiling, c.Name):
			out = append(out, Beyond{Call: c.Name, Count: c.Count(), Why: fmt.Sprintf("the ceiling gives it %s", ceiling.Evaluate(c.Name, [6]uint64{}))})
		case c.Arguments != nil:
			b := Beyond{Call: c.Name, Why: "the ceiling denies these arguments"}
			for _, v := range c.Arguments.Values {
				if !ceiling.Evaluate(c.Name, registers(*c.Arguments, v)).Action.Permits() {
					b.Arguments = append(b.Arguments, combinationText(*c.Arguments, v))
					b.Count += v.Count
				}
			}
			if len(b.Arguments) > 0 {
				out = append(out, b)
			}
		}
	}
	return out
}

// permitsSome reports whether a profile permits a call with some arguments.
func permitsSome(p seccomp.Profile, name string) bool {
	c := p.Call(name)
	if slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() }) {
		return true
	}
	bare := slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return len(r.Conds) == 0 })
	return p.Default.Action.Permits() && !bare
}

// registers are arguments of which only the recorded bits can be set.
func registers(a recording.Arguments, v recording.Combination) [6]uint64 {
	var out [6]uint64
	for i, index := range a.Indices {
		out[index] = v.Values[i]
	}
	return out
}

func combinationText(a recording.Arguments, v recording.Combination) string {
	words := make([]string, len(a.Indices))
	for i, index := range a.Indices {
		words[i] = fmt.Sprintf("arg%d %#x", index, v.Values[i])
	}
	return strings.Join(words, ", ")
}
