package notify

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// A Recorder notes the calls that listeners receive, and lets all of them run. It is a Judge.
type Recorder struct {
	machine machine
	clock   func() time.Time
	unseen  []recording.Unseen
	started time.Time

	mu      sync.Mutex
	phases  []recording.Phase
	calls   map[callKey]*call
	changed bool // since the last Read
}

type callKey struct {
	arch   specs.Arch
	number uint32
}

type call struct {
	name string
	seen [2]recording.Seen // by phase
	kept *recording.Recorded
	any  bool
	args map[[3]uint64]uint64 // counts by the values of the kept arguments
}

// NewRecorder returns a recorder that has seen nothing. unseen is what [Quiet] says of the filter that the listeners have, and clock is
// time.Now.
func NewRecorder(unseen []recording.Unseen, clock func() time.Time) *Recorder {
	return &Recorder{machine: thisMachine(), clock: clock, unseen: unseen, started: clock(), calls: map[callKey]*call{}}
}

// Judge lets every call run.
func (r *Recorder) Judge(*Listener, Notification) Answer { return Answer{} }

// Done counts a call that ran.
func (r *Recorder) Done(n Notification, _ Answer) {
	now := r.clock().UTC()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.phases) == 0 {
		r.phases = append(r.phases, recording.Phase{Name: recording.Startup, Began: now, By: recording.ByExec})
	}
	if n.Arch == r.machine.audit {
		switch n.Number {
		case unix.SYS_LISTEN:
			r.serve(now, recording.ByListen)
		case unix.SYS_ACCEPT, unix.SYS_ACCEPT4:
			r.serve(now, recording.ByAccept)
		}
	}
	c := r.call(n)
	r.changed = true
	s := &c.seen[len(r.phases)-1]
	if s.Count++; s.Count == 1 {
		s.First = now
	}
	s.Last = now
	c.note(n.Args)
}

func (r *Recorder) serve(now time.Time, by string) {
	if len(r.phases) == 1 {
		r.phases = append(r.phases, recording.Phase{Name: recording.Serving, Began: now, By: by})
	}
}

// Began tells that the workload has executed a program.
func (r *Recorder) Began() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.phases) > 0, nil
}

// Mark begins the serving phase, if the workload has begun and nothing has marked it yet. The error is nil.
func (r *Recorder) Mark() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.serve(r.clock().UTC(), recording.ByMark)
	return nil
}

func (r *Recorder) call(n Notification) *call {
	arch, name := r.machine.identify(n.Arch, n.Number)
	key := callKey{arch, n.Number}
	c := r.calls[key]
	if c == nil {
		c = &call{name: name}
		if kept, ok := recording.ArgumentsOf(name); ok && arch == "" {
			c.kept, c.args = &kept, map[[3]uint64]uint64{}
		}
		r.calls[key] = c
	}
	return c
}

// note counts the combination of the arguments that are kept. Too many become any: nothing is known of them then.
func (c *call) note(args [6]uint64) {
	if c.kept == nil || c.any {
		return
	}
	var key [3]uint64
	for i, index := range c.kept.Indices {
		key[i] = args[index] & c.kept.Masks[i]
	}
	if _, old := c.args[key]; !old && len(c.args) == recording.Limit {
		c.any, c.args = true, nil
		return
	}
	c.args[key]++
}

// Read fills in what was seen so far: phases, calls and what was let pass unseen, with Recorder, Architecture and Started. It tells
// whether calls came since the Read before. The error is nil. The time is the clock's, so now is not used.
func (r *Recorder) Read(out *recording.Recording, _ time.Time) (changed bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed, r.changed = r.changed, false
	out.Version = recording.Version
	out.Recorder, out.Architecture, out.Started, out.Unseen = recording.ByNotify, string(r.machine.arch), r.started.UTC(), r.unseen
	out.Phases = slices.Clone(r.phases)
	if len(out.Phases) == 0 {
		out.Phases = []recording.Phase{{Name: recording.Startup, Began: out.Started, By: recording.ByExec}}
	}
	out.Calls = make([]recording.Call, 0, len(r.calls))
	for key, c := range r.calls {
		done := recording.Call{Name: c.name, Number: key.number, Architecture: string(key.arch), Arguments: c.arguments()}
		for i, s := range c.seen {
			if s.Count > 0 {
				s.Phase = r.phases[i].Name
				done.Seen = append(done.Seen, s)
			}
		}
		out.Calls = append(out.Calls, done)
	}
	slices.SortFunc(out.Calls, func(a, b recording.Call) int {
		return cmp.Or(strings.Compare(a.Architecture, b.Architecture), strings.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
	return changed, nil
}

func (c *call) arguments() *recording.Arguments {
	if c.kept == nil {
		return nil
	}
	a := &recording.Arguments{Indices: c.kept.Indices, Masks: c.kept.Masks, Any: c.any}
	for key, n := range c.args {
		a.Values = append(a.Values, recording.Combination{Values: slices.Clone(key[:len(a.Indices)]), Count: n})
	}
	slices.SortFunc(a.Values, func(x, y recording.Combination) int { return slices.Compare(x.Values, y.Values) })
	return a
}
