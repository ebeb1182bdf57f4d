package record

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// A Recorder counts which system calls a container makes, in the kernel, until it is closed or the process ends. Its methods may
// not be called concurrently.
type Recorder struct {
	probe  *recorderProbe
	sizes  recorderSizes
	clock  clock
	start  time.Time
	joined bool
	// last has the count of each call when it was looked at before, and when that count was first seen.
	last map[counted]lastSeen
}

type lastSeen struct {
	count uint64
	at    time.Time
}

// NewRecorder begins to record. What it needs of host and privileges is what [WatchDenials] needs. When it returns, every call
// of the workload counts: from the first execve under the container's filter, if that is still to come.
func NewRecorder(t DenialTarget, now time.Time) (*Recorder, error) {
	return newRecorder(t, now, usualSizes())
}

func newRecorder(t DenialTarget, now time.Time, sizes recorderSizes) (*Recorder, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return nil, fmt.Errorf("record system calls: read clock: %w", err)
	}
	t.Filters = fewestFilters(t.Filters)
	p, err := newRecorderProbe(t, sizes)
	if err != nil {
		return nil, fmt.Errorf("record system calls: %w", err)
	}
	c, err := p.readControl()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("record system calls: %w", err), p.close())
	}
	now = now.Round(0)
	return &Recorder{
		probe: p, sizes: sizes, clock: clock{now.Add(-time.Duration(up.Nano()))}, start: now, joined: c.Joined > 0, last: map[counted]lastSeen{},
	}, nil
}

// fewestFilters is how many filters a process of the container has at least: more than this program has, unless the container's
// engine runs under fewer.
func fewestFilters(first uint32) uint32 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return max(first, 1)
	}
	return max(min(statusFilters(string(status))+1, first), 1)
}

// Joined tells that the workload ran already when the recorder came.
func (r *Recorder) Joined() bool { return r.joined }

// Began tells that the workload has executed a program.
func (r *Recorder) Began() (bool, error) {
	c, err := r.probe.readControl()
	return r.joined || c.Began > 0, err
}

// Mark begins the second phase, unless it has begun.
func (r *Recorder) Mark() error {
	var phase phaseRecord
	err := r.probe.maps.phase.Lookup(uint32(0), &phase)
	if err != nil || phase.Phase != 0 {
		return err
	}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return fmt.Errorf("mark a phase: read clock: %w", err)
	}
	if err := r.probe.maps.phase.Put(uint32(0), phaseRecord{1, byMark, uint64(up.Nano())}); err != nil { //nolint:gosec // since boot
		return fmt.Errorf("mark a phase: %w", err)
	}
	return nil
}

// Close detaches everything. Nothing can be read any more.
func (r *Recorder) Close() error { return r.probe.close() }

// Read fills in what was seen so far: phases, calls and losses, with Recorder, Architecture, Started and Joined. It tells whether the
// calls are others than those of the Read before. The container goes on meanwhile: counts of different calls may be of
// different moments. Last is when a Read first saw the count, so it is late by the time between two.
func (r *Recorder) Read(rec *recording.Recording, now time.Time) (changed bool, err error) {
	cells, err := r.probe.readCells(r.sizes.shards)
	if err != nil {
		return false, fmt.Errorf("read recorded calls: %w", err)
	}
	args, err := r.probe.readArguments()
	if err != nil {
		return false, fmt.Errorf("read recorded calls: %w", err)
	}
	// After the cells: a phase that has a call is in the table by now.
	if err := r.readFrame(rec); err != nil {
		return false, fmt.Errorf("read recorded calls: %w", err)
	}
	calls := map[string]*recording.Call{}
	for _, phase := range []int{0, 1} {
		for k, c := range cells {
			if k.phase != phase || phase >= len(rec.Phases) {
				continue
			}
			call := k.call()
			id := call.Architecture + " " + call.Name + " " + fmt.Sprint(call.Number)
			if calls[id] == nil {
				calls[id] = &call
				if call.Architecture == "" {
					call.Arguments = args[call.Number]
				}
			}
			news := r.seen(k, c, now)
			changed = changed || news
			calls[id].Denied += c.Denied
			calls[id].Seen = append(calls[id].Seen, recording.Seen{
				Phase: rec.Phases[phase].Name, Count: c.Count, First: r.clock.at(c.First), Last: later(r.last[k].at, r.clock.at(c.First)),
			})
		}
	}
	rec.Calls = make([]recording.Call, 0, len(calls))
	for _, c := range calls {
		rec.Calls = append(rec.Calls, *c)
	}
	slices.SortFunc(rec.Calls, func(a, b recording.Call) int {
		return cmp.Or(cmp.Compare(a.Architecture, b.Architecture), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
	})
	return changed, nil
}

// seen remembers a count, and tells whether it is a new one.
func (r *Recorder) seen(k counted, c cellRecord, now time.Time) bool {
	if old, ok := r.last[k]; ok && old.count == c.Count {
		return false
	}
	r.last[k] = lastSeen{c.Count, now.Round(0).UTC()}
	return true
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// readFrame fills in all but the calls.
func (r *Recorder) readFrame(rec *recording.Recording) error {
	var phase phaseRecord
	if err := r.probe.maps.phase.Lookup(uint32(0), &phase); err != nil {
		return fmt.Errorf("read map %q: %w", "bulkhead_phase", err)
	}
	control, err := r.probe.readControl()
	if err != nil {
		return err
	}
	rec.Version, rec.Recorder, rec.Architecture = recording.Version, recording.ByBPF, nativeOf[runtime.GOARCH]
	rec.Started, rec.Joined = r.start.UTC(), r.joined
	first := recording.Phase{Name: recording.Startup, Began: rec.Started, By: recording.ByExec}
	switch {
	case r.joined:
		first.By = recording.ByJoin
	case control.Began > 0:
		first.Began = r.clock.at(control.Began)
	}
	rec.Phases = []recording.Phase{first}
	if phase.Phase != 0 {
		rec.Phases = append(rec.Phases, recording.Phase{Name: recording.Serving, Began: r.clock.at(phase.Time), By: startedBy(phase.By)})
	}
	rec.Losses.Calls = control.LostCalls + r.probe.counters.missed()
	rec.Losses.Combinations = control.LostCombinations
	rec.Losses.Processes = r.probe.followers.missed()
	return nil
}

func startedBy(number uint32) string {
	switch number {
	case byMark:
		return recording.ByMark
	case uint32(machineOf[runtime.GOARCH].listen): //nolint:gosec // small
		return recording.ByListen
	}
	return recording.ByAccept
}
