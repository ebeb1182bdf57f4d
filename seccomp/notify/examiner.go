package notify

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// An Examiner holds the calls of a workload against a profile: it notes those that the profile does not permit, and lets them run
// (complain mode) or answers as the profile does (enforce mode). It is a Judge.
type Examiner struct {
	profile seccomp.Profile
	enforce bool
	words   func(name string, args [6]uint64) string
	machine machine
	beyond  *Recorder

	mu   sync.Mutex
	rows map[rowKey]uint64
}

type rowKey struct {
	process, call, arguments, verdict string
	number                            uint32
}

// A Beyond is a call that a profile does not permit, counted.
type Beyond struct {
	// Process is the thread's name (comm), which it chooses itself; empty when it was gone.
	Process string `json:"process"`
	// Call is the system call's name, or empty when no table has one.
	Call   string `json:"call"`
	Number uint32 `json:"number"`
	// Arguments that matter, in words.
	Arguments string `json:"arguments,omitempty"`
	// Verdict is what became of it: "allowed", an errno such as "EPERM", or "killed".
	Verdict string `json:"verdict"`
	Count   uint64 `json:"count"`
}

// NewExaminer returns the examiner of a profile of this machine's architecture. words tells the arguments of a call that matter to a
// reader. beyond, which may be nil, records what was not permitted.
func NewExaminer(p seccomp.Profile, enforce bool, words func(string, [6]uint64) string, beyond *Recorder) *Examiner {
	return &Examiner{profile: p, enforce: enforce, words: words, machine: thisMachine(), beyond: beyond, rows: map[rowKey]uint64{}}
}

// Judge asks the profile.
func (e *Examiner) Judge(l *Listener, n Notification) Answer {
	arch, name := e.machine.identify(n.Arch, n.Number)
	v := seccomp.Verdict{Action: seccomp.KillThread} // of another architecture
	if arch == "" {
		v = e.profile.Evaluate(name, n.Args)
	}
	if v.Action.Permits() && v.Action != seccomp.Trace {
		return Answer{}
	}
	a, verdict := Answer{}, "allowed"
	if e.enforce {
		a, verdict = enforced(v)
	}
	process, _ := l.Name(n)
	a.row = &rowKey{process, name, e.words(name, n.Args), verdict, n.Number}
	return a
}

// enforced is the answer that a filter with the verdict would give. A signal for one thread ends its process here.
func enforced(v seccomp.Verdict) (Answer, string) {
	switch v.Action {
	case seccomp.Errno:
		name := unix.ErrnoName(syscall.Errno(v.Errno))
		if name == "" {
			name = "nothing"
		}
		return Answer{Deny: true, Errno: unix.Errno(v.Errno)}, name
	case seccomp.Trace: // without a tracer (seccomp(2), SECCOMP_RET_TRACE)
		return Answer{Deny: true, Errno: unix.ENOSYS}, "ENOSYS"
	}
	return Answer{Deny: true, Errno: unix.EPERM, Kill: true}, "killed"
}

// Done counts what the profile did not permit.
func (e *Examiner) Done(n Notification, a Answer) {
	if a.row == nil {
		return
	}
	e.mu.Lock()
	e.rows[*a.row]++
	e.mu.Unlock()
	if e.beyond != nil {
		e.beyond.Done(n, a)
	}
}

// Beyond gives what the profile did not permit, the most frequent first.
func (e *Examiner) Beyond() []Beyond {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Beyond, 0, len(e.rows))
	for k, n := range e.rows {
		out = append(out, Beyond{k.process, k.call, k.number, k.arguments, k.verdict, n})
	}
	slices.SortFunc(out, func(a, b Beyond) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Call, b.Call), cmp.Compare(a.Number, b.Number),
			strings.Compare(a.Arguments, b.Arguments), strings.Compare(a.Process, b.Process), strings.Compare(a.Verdict, b.Verdict))
	})
	return out
}

// Missing gives the rules that a profile lacks for recorded calls, and for more names: the whole call where it permits none of it, and
// the recorded arguments where it permits others. Calls of other architectures and without a name have none.
func Missing(p seccomp.Profile, r *recording.Recording, more ...string) seccomp.Profile {
	out := seccomp.Profile{Arch: runtime.GOARCH, Default: p.Default}
	if out.Default.Action.Permits() {
		out.Default = seccomp.Verdict{Action: seccomp.Errno, Errno: 1}
	}
	for _, c := range r.Calls {
		if c.Architecture != "" || c.Name == "" || slices.Contains(more, c.Name) {
			continue
		}
		rules := rulesOf(nil)
		if slices.ContainsFunc(p.Call(c.Name).Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() }) {
			rules = rulesOf(c.Arguments)
		}
		out.Calls = append(out.Calls, seccomp.Call{Name: c.Name, Rules: rules})
	}
	for _, name := range more {
		out.Calls = append(out.Calls, seccomp.Call{Name: name, Rules: rulesOf(nil)})
	}
	slices.SortFunc(out.Calls, func(a, b seccomp.Call) int { return strings.Compare(a.Name, b.Name) })
	return out
}
