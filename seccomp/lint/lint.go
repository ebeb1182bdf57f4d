// Package lint finds what is wrong or suspicious in a seccomp profile that can be read: rules without effect, checks that a caller
// gets around, answers that break programs. Creating a container does not need it.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// How much a finding matters: an error means that the profile does not do what it says; a warning, that this may not be wanted; a
// note is only to know.
const (
	Error   = "error"
	Warning = "warning"
	Note    = "note"
)

// A Finding is one thing to know.
type Finding struct {
	// Severity is Error, Warning or Note.
	Severity string `json:"severity"`
	// ID is stable: noop, no-effect, repeated-index, int-bypass, ordered-int, enosys, foreign-arch, spec-allow, default-allow, notify,
	// ignored-value, ignored-errno, repeated-name, unknown-name.
	ID string `json:"id"`
	// Line and Column are zero for a finding about the whole profile.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Path   string `json:"path,omitempty"`
	Text   string `json:"text"`
}

type linter struct {
	s   *source.Source
	out []Finding
}

func (l *linter) add(severity, id string, e *source.Entry, path, format string, args ...any) {
	f := Finding{Severity: severity, ID: id, Path: path, Text: fmt.Sprintf(format, args...)}
	if e != nil {
		f.Line, f.Column, f.Path = e.Line, e.Column, e.Path+path
	}
	l.out = append(l.out, f)
}

// Check examines a profile for one architecture, in the order of the file; what concerns the whole of it comes first.
func Check(s *source.Source) []Finding {
	l := &linter{s: s}
	l.head()
	l.notify()
	for i := range s.Entries {
		l.entry(&s.Entries[i])
	}
	l.effects()
	l.integers()
	l.probed()
	slices.SortStableFunc(l.out, func(a, b Finding) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return l.out
}

func (l *linter) head() {
	o, p := l.s.OCI, l.s.Profile
	if p.Default.Action.Permits() {
		l.add(Warning, "default-allow", nil, "defaultAction", "%s is a list of denials: every call that it does not name, and every later one, is permitted", p.Default)
	}
	for i, f := range o.Flags {
		if f == specs.LinuxSeccompFlagSpecAllow {
			l.add(Error, "spec-allow", nil, fmt.Sprintf("flags[%d]", i), "%s turns off the mitigation of speculative store bypass", f)
		}
	}
	if len(o.Flags) == 0 {
		l.add(Warning, "spec-allow", nil, "flags", "without flags libcontainer adds %s; name SECCOMP_FILTER_FLAG_TSYNC, which changes nothing else", specs.LinuxSeccompFlagSpecAllow)
	}
	native := p.ToOCI().Architectures[0]
	for _, a := range o.Architectures {
		if a != native {
			l.add(Warning, "foreign-arch", nil, "architectures", "%s: a second table of system calls is open beside %s; bulkhead leaves it out", a, native)
		}
	}
	if len(o.Architectures) > 0 && !slices.Contains(o.Architectures, native) {
		l.add(Error, "foreign-arch", nil, "architectures", "%s is missing: on this architecture libseccomp adds it, on others the caller is killed", native)
	}
}

// notify checks what runc refuses when it loads the filter.
func (l *linter) notify() {
	p := l.s.Profile
	switch uses := p.Default.Action == seccomp.Notify || slices.ContainsFunc(l.s.OCI.Syscalls, func(c specs.LinuxSyscall) bool { return c.Action == specs.ActNotify }); {
	case uses && p.ListenerPath == "":
		l.add(Error, "notify", nil, "listenerPath", "%s is used without an agent to ask: the container does not start", seccomp.Notify)
	case !uses && p.ListenerPath != "":
		l.add(Warning, "notify", nil, "listenerPath", "no rule asks the agent")
	}
	if p.Default.Action == seccomp.Notify {
		l.add(Error, "notify", nil, "defaultAction", "runc refuses %s as the default", seccomp.Notify)
	}
	for i := range l.s.Entries {
		e := &l.s.Entries[i]
		if e.Syscall.Action == specs.ActNotify && slices.Contains(e.Syscall.Names, "write") {
			l.add(Error, "notify", e, "", "runc refuses %s for write", seccomp.Notify)
		}
	}
}

// entry checks what can be seen in one entry.
func (l *linter) entry(e *source.Entry) {
	c := e.Syscall
	if v, d := verdict(c.Action, c.ErrnoRet), l.s.Profile.Default; v == d {
		severity := Note
		if l.overridden(e) {
			severity = Warning
		}
		l.add(severity, "noop", e, "", "%s is the default already: libcontainer skips the entry, so it overrides nothing", v)
	}
	if c.ErrnoRet != nil && c.Action != specs.ActErrno && c.Action != specs.ActTrace {
		l.add(Warning, "ignored-errno", e, ".errnoRet", "%s takes no number", c.Action)
	}
	l.args(e)
	seen := map[string]bool{}
	for i, n := range c.Names {
		if seen[n] {
			l.add(Warning, "repeated-name", e, fmt.Sprintf(".names[%d]", i), "%s is named twice", n)
		}
		seen[n] = true
	}
	for _, n := range e.Unknown {
		l.add(Warning, "unknown-name", e, "", "no table knows %q: libseccomp skips it", n)
	}
}

// overridden tells whether another entry gives something else to a call of an entry that libcontainer skips.
func (l *linter) overridden(e *source.Entry) bool {
	for i := range l.s.Entries {
		o := &l.s.Entries[i]
		if !o.Holds || verdict(o.Syscall.Action, o.Syscall.ErrnoRet) == l.s.Profile.Default {
			continue
		}
		if slices.ContainsFunc(o.Syscall.Names, func(n string) bool { return slices.Contains(e.Syscall.Names, n) }) {
			return true
		}
	}
	return false
}

func verdict(a specs.LinuxSeccompAction, ret *uint) seccomp.Verdict {
	p, err := seccomp.FromOCI(&specs.LinuxSeccomp{DefaultAction: a, DefaultErrnoRet: ret}, "amd64")
	if err != nil {
		return seccomp.Verdict{}
	}
	return p.Default
}

func (l *linter) args(e *source.Entry) {
	var count [6]int
	for i, a := range e.Syscall.Args {
		path := fmt.Sprintf(".args[%d]", i)
		if count[a.Index]++; count[a.Index] == 2 {
			l.add(Error, "repeated-index", e, path, "index %d is repeated: each condition of the entry becomes a rule of its own, one of them is enough", a.Index)
		}
		switch a.Op {
		case specs.OpMaskedEqual:
			if a.ValueTwo&^a.Value != 0 {
				l.add(Warning, "ignored-value", e, path, "valueTwo %#x has bits outside of the mask %#x, which libseccomp ignores", a.ValueTwo, a.Value)
			}
			continue
		case specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual:
			for _, n := range e.Syscall.Names {
				if isInt(n, uint8(a.Index)) {
					l.add(Warning, "ordered-int", e, path, "%s orders argument %d of %s, of which the kernel reads 32 bits and the filter 64", a.Op, a.Index, n)
				}
			}
		}
		if a.ValueTwo != 0 {
			l.add(Warning, "ignored-value", e, path, "%s does not look at valueTwo", a.Op)
		}
	}
}

// probed finds calls that C libraries try first, with an answer after which they do not fall back.
func (l *linter) probed() {
	p := l.s.Profile
	last := uint32(0)
	for _, e := range l.s.Entries {
		for _, n := range e.Syscall.Names {
			if nr, ok := syscalls.Number(p.Arch, n); ok && e.Holds {
				last = max(last, nr)
			}
		}
	}
	for _, n := range seccomp.Probed {
		nr, ok := syscalls.Number(p.Arch, n)
		rules := p.Call(n).Rules
		v := p.Default
		if len(rules) == 1 && len(rules[0].Conds) == 0 {
			v, rules = rules[0].Verdict, nil
		}
		if !ok || len(rules) > 0 || nr > last || v.Action != seccomp.Errno || v.Errno == 38 {
			continue
		}
		l.add(Warning, "enosys", nil, "", "%s gets %s: programs that try it first fall back to an older call only after ENOSYS, errno 38", n, v)
	}
}
