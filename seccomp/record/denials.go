package record

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A DenialTarget names the tasks to watch, in the kernel's terms.
type DenialTarget struct {
	// MountNamespace is the inode of the mount namespace that the tasks are in.
	MountNamespace uint64
	// PIDNamespaceDevice and PIDNamespace are device (as the kernel counts it) and inode of the PID namespace in which PIDs
	// are told to the reader.
	PIDNamespaceDevice, PIDNamespace uint64
	// Filters is how many seccomp filters the container's first process had. A process with more loaded some itself.
	Filters uint32
}

// DenialTargetOf reads the target from a process of the container. A process in the caller's own mount namespace is an error: it
// is no container, and the whole host would be watched. The PID must not be reused meanwhile: hold a pidfd.
func DenialTargetOf(pid int) (DenialTarget, error) {
	var t DenialTarget
	var mine, mount, pids unix.Stat_t
	for path, st := range map[string]*unix.Stat_t{
		"/proc/self/ns/mnt":                 &mine,
		fmt.Sprintf("/proc/%d/ns/mnt", pid): &mount,
		fmt.Sprintf("/proc/%d/ns/pid", pid): &pids,
	} {
		if err := unix.Stat(path, st); err != nil {
			return t, fmt.Errorf("read namespaces of process %d: %w", pid, err)
		}
	}
	if mine.Ino == mount.Ino {
		return t, fmt.Errorf("watch process %d: it is in the mount namespace of this program, not in a container's", pid)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return t, fmt.Errorf("read filters of process %d: %w", pid, err)
	}
	dev := uint64(unix.Major(pids.Dev))<<20 | uint64(unix.Minor(pids.Dev)) // MKDEV of linux/kdev_t.h
	return DenialTarget{MountNamespace: mount.Ino, PIDNamespaceDevice: dev, PIDNamespace: pids.Ino, Filters: statusFilters(string(status))}, nil
}

// statusFilters reads Seccomp_filters of proc_pid_status(5).
func statusFilters(status string) uint32 {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "Seccomp_filters:"); ok {
			var n uint32
			if _, err := fmt.Sscan(value, &n); err == nil {
				return n
			}
		}
	}
	return 0
}

// A Denial is a denied system call of one process, counted.
type Denial struct {
	// Process is the thread's name (comm), as the program or its file names it.
	Process string `json:"process"`
	// PID of the process as the container sees it, 0 when it is in a PID namespace below the container's; HostPID as
	// the host does. Both are 0 for processes that ended long ago, and for what Losses calls a crowd, whose Process is
	// empty.
	PID     int `json:"pid"`
	HostPID int `json:"hostPid"`
	// Call is the system call's name, or its number when no name is known.
	Call   string `json:"call"`
	Number uint32 `json:"number"`
	// Arguments says in words what the profile's conditions, or a reader, look at. Empty when nothing does.
	Arguments string `json:"arguments,omitempty"`
	// Verdict is what the caller got: "EPERM", "SIGSYS", or "killed".
	Verdict string    `json:"verdict"`
	Count   uint64    `json:"count"`
	Last    time.Time `json:"last,omitzero"`
	Reason
}

// Losses is what the watcher could not keep apart or did not see.
type Losses struct {
	// Crowd counts denied calls that came when the table of processes was full: they are told without process.
	Crowd uint64 `json:"withoutProcess"`
	// Missed counts runs of the programs that the kernel left out. Denials may be missing or too many.
	Missed uint64 `json:"missed"`
	// NoDeaths tells that threads which the filter kills inside a living process are not seen (kernels before 5.15).
	NoDeaths bool `json:"noDeaths,omitempty"`
}

// A DenialWatcher watches until it is closed or the process ends. Its methods may not be called concurrently.
type DenialWatcher struct {
	probe   *probe
	explain *Explainer
	boot    time.Time // when CLOCK_MONOTONIC was zero
	ended   ended
}

// WatchDenials begins to watch. It takes CAP_BPF and CAP_PERFMON, and a kernel of version 5.13 or newer with BTF; the error
// says what the host lacks. The times of denials are counted from now, the time of the call. Calls that were under way when it returns are not taken for denied ones.
func WatchDenials(t DenialTarget, e *Explainer, now time.Time) (*DenialWatcher, error) {
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &up); err != nil {
		return nil, fmt.Errorf("watch denied system calls: read clock: %w", err)
	}
	e.filters = t.Filters
	p, err := newProbe(t, e.kept())
	if err != nil {
		return nil, fmt.Errorf("watch denied system calls: %w", err)
	}
	return &DenialWatcher{probe: p, explain: e, boot: now.Round(0).Add(-time.Duration(up.Nano()))}, nil
}

// Close detaches everything. Counts cannot be read any more.
func (w *DenialWatcher) Close() error { return w.probe.close() }

// Read gives all denials since the beginning, sorted by process, call and arguments. The container goes on meanwhile: counts of
// different rows may be of different moments.
func (w *DenialWatcher) Read() ([]Denial, Losses, error) {
	events, err := w.probe.read()
	if err != nil {
		return nil, Losses{}, fmt.Errorf("read denied system calls: %w", err)
	}
	if len(events) > maxEvents/2 {
		if err := w.ended.sweep(w.probe.maps.events, events); err != nil {
			return nil, Losses{}, fmt.Errorf("read denied system calls: %w", err)
		}
	}
	rows := map[Denial]tally{}
	for _, from := range []map[event]tally{events, w.ended.events} {
		for e, t := range from {
			if d, ok := w.explain.denial(e); ok && t.Count > 0 {
				rows[d] = rows[d].plus(t)
			}
		}
	}
	out := make([]Denial, 0, len(rows))
	for d, t := range rows {
		d.Count, d.Last = t.Count, w.boot.Add(time.Duration(t.Last)) //nolint:gosec // ns since boot
		out = append(out, d)
	}
	losses := Losses{Missed: w.probe.missed(), NoDeaths: !w.probe.deaths}
	crowd, err := w.probe.readCrowd()
	if err != nil {
		return nil, Losses{}, fmt.Errorf("read denied system calls: %w", err)
	}
	for number, n := range w.ended.crowd {
		crowd[number] += n
	}
	for number, n := range crowd {
		losses.Crowd += n
		out = append(out, w.explain.crowd(number, n))
	}
	slices.SortFunc(out, compareDenials)
	return out, losses, nil
}

func compareDenials(a, b Denial) int {
	return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.HostPID, b.HostPID), cmp.Compare(a.Process, b.Process),
		cmp.Compare(a.Call, b.Call), cmp.Compare(a.Arguments, b.Arguments), cmp.Compare(a.Verdict, b.Verdict), cmp.Compare(a.Why, b.Why))
}
