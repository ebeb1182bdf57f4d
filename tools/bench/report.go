package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A report is all that was measured. The first runtime is what the others are compared with.
type report struct {
	Machine      string
	Runs         int
	Runtimes     []string
	LeftOut      []string `json:",omitempty"`
	Measurements []measurement
	Throughput   []throughput
	// Calls has the host's cost of a system call first, then each runtime's.
	Calls []callCosts
	// Recording is what it costs to record, and Host what others pay for it.
	Recording []recordingCost
	Host      hostCost
}

// A measurement has the costs of one operation, by runtime. RSS was taken in runs of its own.
type measurement struct {
	Operation string
	Costs     [][]cost
	RSS       [][]int64
}

// throughput is how many containers each runtime ran per second.
type throughput struct {
	Parallel  int
	PerSecond []float64
}

func newReport(runs int) report {
	return report{Machine: machine(), Runs: runs}
}

// machine describes where the figures were taken.
func machine() string {
	model := "unknown CPU"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	kernel := "unknown"
	var u unix.Utsname
	if err := unix.Uname(&u); err == nil {
		kernel = unix.ByteSliceToString(u.Release[:])
	}
	version := "v1"
	var st unix.Statfs_t
	if err := unix.Statfs("/sys/fs/cgroup", &st); err == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
		version = "v2"
	}
	load, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := bytes.Cut(load, []byte(" "))
	return fmt.Sprintf("%s, %d CPUs, Linux %s, cgroup %s, load %s", model, goruntime.NumCPU(), kernel, version, one)
}

// head prints what is known before anything is measured.
func (r *report) head(w io.Writer) {
	fmt.Fprintf(w, "machine: %s\n", r.Machine)
	fmt.Fprintf(w, "bundle:  as Docker 28.5 writes it: 11 mounts, 14 capabilities, masked paths, seccomp profile, memory, CPU and pids limits\n")
	fmt.Fprintf(w, "figures: medians of %d interleaved runs; peak RSS of the largest process; ratios to %s\n", r.Runs, r.Runtimes[0])
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "left out: %s\n", l)
	}
	fmt.Fprintln(w)
}

// print prints the tables.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%-34s%-18s%9s%9s%9s%9s%9s%9s\n", "operation", "runtime", "wall ms", "CPU ms", "RSS MB", "wall x", "CPU x", "RSS x")
	for _, m := range r.Measurements {
		base := m.median(0)
		for i, name := range r.Runtimes {
			c := m.median(i)
			fmt.Fprintf(w, "%-34s%-18s%9.1f%9.1f%9.1f%9.2f%9.2f%9.2f\n", m.Operation, name, millis(c.Wall), millis(c.CPU), float64(c.RSS)/1e6,
				float64(c.Wall)/float64(base.Wall), float64(c.CPU)/float64(base.CPU), float64(c.RSS)/float64(base.RSS))
		}
	}
	fmt.Fprintf(w, "\n%-34s%-18s%9s%9s\n", "run /bin/true, in parallel", "runtime", "per s", "x")
	for _, p := range r.Throughput {
		for i, name := range r.Runtimes {
			at := fmt.Sprintf("%d at a time", p.Parallel)
			fmt.Fprintf(w, "%-34s%-18s%9.1f%9.2f\n", at, name, p.PerSecond[i], p.PerSecond[i]/p.PerSecond[0])
		}
	}
	fmt.Fprintf(w, "\n%-34s%-18s%9s%9s\n", "system call", "where", "ns", "filter")
	host := r.Calls[0]
	for i, c := range r.Calls {
		name := "host"
		if i > 0 {
			name = r.Runtimes[i-1]
		}
		fmt.Fprintf(w, "%-34s%-18s%9.0f%9.0f\n", "getppid", name, c.Getppid, c.Getppid-host.Getppid)
		fmt.Fprintf(w, "%-34s%-18s%9.0f%9.0f\n", "personality (argument checked)", name, c.Personality, c.Personality-host.Personality)
	}
}

func (m *measurement) median(i int) cost {
	var wall, cpu []time.Duration
	for _, c := range m.Costs[i] {
		wall, cpu = append(wall, c.Wall), append(cpu, c.CPU)
	}
	return cost{Wall: median(wall), CPU: median(cpu), RSS: median(m.RSS[i])}
}

// median of a non-empty list; of an even number of values the upper of the two in the middle.
func median[T cmp.Ordered](values []T) T {
	v := slices.Clone(values)
	slices.Sort(v)
	return v[len(v)/2]
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }
