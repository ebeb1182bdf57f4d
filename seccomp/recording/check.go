package recording

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// Of what began a phase.
const (
	ByExec   = "exec"   // the workload's execve
	ByListen = "listen" // its first listen
	ByAccept = "accept" // its first accept
	ByMark   = "mark"   // the operator
	ByJoin   = "join"   // the recorder came to a workload that ran already
)

// A flaw is what contradicts the format, and where.
type flaw struct{ path, text string }

// Check says what of the format a recording breaks; Write and Read refuse such a one. Nil: nothing.
func (r *Recording) Check() error {
	if f := check(r); f != nil {
		return fmt.Errorf("%s: %s", f.path, f.text)
	}
	return nil
}

// goarch are the architectures that recorders support, as GOARCH and as runtime-spec name them.
var goarch = map[string]string{"SCMP_ARCH_X86_64": "amd64", "SCMP_ARCH_AARCH64": "arm64"}

// compat are the other architectures whose calls a kernel of the native one takes.
var compat = map[string][]string{
	"SCMP_ARCH_X86_64":  {"SCMP_ARCH_X32", "SCMP_ARCH_X86"},
	"SCMP_ARCH_AARCH64": {"SCMP_ARCH_ARM"},
}

// GOARCH is the recording's architecture in Go's words: amd64 or arm64.
func (r *Recording) GOARCH() string { return goarch[r.Architecture] }

func check(r *Recording) *flaw {
	_, known := goarch[r.Architecture]
	switch {
	case r.Version < 1 || r.Version > Version:
		return &flaw{"version", fmt.Sprintf("got %d, want 1 to %d", r.Version, Version)}
	case r.Recorder != ByBPF && r.Recorder != ByNotify:
		return &flaw{"recorder", fmt.Sprintf("got %q, want %q or %q", r.Recorder, ByBPF, ByNotify)}
	case !known:
		return &flaw{"architecture", fmt.Sprintf("got %q, want SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64", r.Architecture)}
	case r.Started.IsZero():
		return &flaw{"started", "got the zero time"}
	case !r.Ended.IsZero() && r.Ended.Before(r.Started):
		return &flaw{"ended", "it is before started"}
	case r.Losses.CutShort && !r.Ended.IsZero():
		return &flaw{"losses.cutShort", "it is true, but the recording has an end"}
	}
	if f := checkPhases(r); f != nil {
		return f
	}
	for i := range r.Calls {
		path := fmt.Sprintf("calls[%d]", i)
		if i > 0 {
			switch c := compareCalls(r.Calls[i-1], r.Calls[i]); {
			case c == 0:
				return &flaw{path, fmt.Sprintf("%s is given twice", r.Calls[i])}
			case c > 0:
				return &flaw{path, fmt.Sprintf("%s stands behind %s: want them sorted by architecture, name and number", r.Calls[i], r.Calls[i-1])}
			}
		}
		if f := r.checkCall(path, r.Calls[i]); f != nil {
			return f
		}
	}
	return r.checkUnseen()
}

func (r *Recording) checkUnseen() *flaw {
	for i, u := range r.Unseen {
		path := fmt.Sprintf("unseen[%d]", i)
		switch {
		case !callName().MatchString(u.Name):
			return &flaw{path + ".name", fmt.Sprintf("got %q, want the name of a system call", u.Name)}
		case i > 0 && u.Name <= r.Unseen[i-1].Name:
			return &flaw{path, fmt.Sprintf("%s stands behind %s: want them sorted by name, each once", u.Name, r.Unseen[i-1].Name)}
		}
		if f := r.checkNumber(path, Call{Name: u.Name, Number: u.Number}); f != nil {
			return f
		}
		if u.Arguments != nil {
			if f := checkArguments(path+".arguments", *u.Arguments); f != nil {
				return f
			}
		}
	}
	return nil
}

func checkPhases(r *Recording) *flaw {
	for i, p := range r.Phases {
		path := fmt.Sprintf("phases[%d]", i)
		switch {
		case i == 0 && p.Name != Startup, i > 0 && p.Name != Serving:
			return &flaw{path + ".name", fmt.Sprintf("got %q, want %q, then %q", p.Name, Startup, Serving)}
		case i > 1:
			return &flaw{path, fmt.Sprintf("%q is given twice", p.Name)}
		case !slices.Contains([]string{ByExec, ByListen, ByAccept, ByMark, ByJoin}, p.By):
			return &flaw{path + ".by", fmt.Sprintf("got %q, want one of exec, listen, accept, mark, join", p.By)}
		}
	}
	if len(r.Phases) == 0 {
		return &flaw{"phases", fmt.Sprintf("it is empty, want %q at least", Startup)}
	}
	return nil
}

// String names a call for people: the name, or its number, and the architecture where it is not the native one.
func (c Call) String() string {
	name := c.Name
	if name == "" {
		name = fmt.Sprintf("number %d", c.Number)
	}
	if c.Architecture != "" {
		name += " of " + c.Architecture
	}
	return name
}

// Count is how often the call was made, in all phases; it stops at the largest number.
func (c Call) Count() uint64 {
	n := uint64(0)
	for _, s := range c.Seen {
		n = add(n, s.Count)
	}
	return n
}

// compareCalls is the order of Recording.Calls. Calls without a name come first, by their number.
func compareCalls(a, b Call) int {
	if d := cmp.Or(strings.Compare(a.Architecture, b.Architecture), strings.Compare(a.Name, b.Name)); d != 0 || a.Name != "" {
		return d
	}
	return cmp.Compare(a.Number, b.Number)
}

var callName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z_][a-z0-9_]{0,63}$`) })

func (r *Recording) checkCall(path string, c Call) *flaw {
	switch {
	case c.Name != "" && !callName().MatchString(c.Name):
		return &flaw{path + ".name", fmt.Sprintf("got %q, want the name of a system call", c.Name)}
	case c.Architecture != "" && !slices.Contains(compat[r.Architecture], c.Architecture):
		return &flaw{path + ".architecture", fmt.Sprintf("got %q, want one of %s beside %s", c.Architecture, strings.Join(compat[r.Architecture], ", "), r.Architecture)}
	case len(c.Seen) == 0:
		return &flaw{path + ".seen", "it is empty"}
	}
	if f := r.checkNumber(path, c); f != nil {
		return f
	}
	last := -1
	for i, s := range c.Seen {
		at := fmt.Sprintf("%s.seen[%d]", path, i)
		phase := slices.IndexFunc(r.Phases, func(p Phase) bool { return p.Name == s.Phase })
		switch {
		case phase < 0:
			return &flaw{at + ".phase", fmt.Sprintf("got %q, which is none of phases", s.Phase)}
		case phase <= last:
			return &flaw{at + ".phase", fmt.Sprintf("%q stands twice or behind a later one", s.Phase)}
		case s.Count == 0:
			return &flaw{at + ".count", "got 0, want at least 1"}
		case s.Last.Before(s.First):
			return &flaw{at + ".last", "it is before first"}
		}
		last = phase
	}
	if n := c.Count(); c.Denied > n {
		return &flaw{path + ".denied", fmt.Sprintf("got %d of %d calls", c.Denied, n)}
	}
	if c.Arguments == nil {
		return nil
	}
	return checkArguments(path+".arguments", *c.Arguments)
}

// checkNumber compares name and number where this program has a table.
func (r *Recording) checkNumber(path string, c Call) *flaw {
	if c.Architecture != "" {
		return nil
	}
	arch := r.GOARCH()
	if name, ok := syscalls.Name(arch, c.Number); ok && c.Name != name {
		return &flaw{path, fmt.Sprintf("number %d of %s is %s, got the name %q", c.Number, r.Architecture, name, c.Name)}
	}
	if nr, ok := syscalls.Number(arch, c.Name); ok && nr != c.Number {
		return &flaw{path, fmt.Sprintf("%s of %s is number %d, got %d", c.Name, r.Architecture, nr, c.Number)}
	}
	return nil
}

func checkArguments(path string, a Arguments) *flaw {
	switch {
	case len(a.Indices) == 0:
		return &flaw{path + ".indices", "it is empty"}
	case len(a.Masks) != len(a.Indices):
		return &flaw{path + ".masks", fmt.Sprintf("got %d, want one for each of %d indices", len(a.Masks), len(a.Indices))}
	case a.Any && len(a.Values) > 0:
		return &flaw{path + ".values", "there are some, but any is true"}
	case !a.Any && len(a.Values) == 0:
		return &flaw{path + ".values", "it is empty, and any is not true"}
	}
	for i, x := range a.Indices {
		switch {
		case x < 0 || x > 5 || i > 0 && x <= a.Indices[i-1]:
			return &flaw{fmt.Sprintf("%s.indices[%d]", path, i), fmt.Sprintf("got %d, want 0 to 5, ascending", x)}
		case a.Masks[i] == 0:
			return &flaw{fmt.Sprintf("%s.masks[%d]", path, i), "got 0: no bit of the argument is recorded"}
		}
	}
	for i, c := range a.Values {
		at := fmt.Sprintf("%s.values[%d]", path, i)
		switch {
		case len(c.Values) != len(a.Indices):
			return &flaw{at + ".values", fmt.Sprintf("got %d, want one for each of %d indices", len(c.Values), len(a.Indices))}
		case c.Count == 0:
			return &flaw{at + ".count", "got 0, want at least 1"}
		case i > 0 && slices.Compare(a.Values[i-1].Values, c.Values) >= 0:
			return &flaw{at, "it stands twice or behind a larger one"}
		}
		for j, v := range c.Values {
			if v&^a.Masks[j] != 0 {
				return &flaw{fmt.Sprintf("%s.values[%d]", at, j), fmt.Sprintf("got %d, which has bits outside of the mask %d", v, a.Masks[j])}
			}
		}
	}
	return nil
}
