package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A workload is timed with and without a recorder.
type workload struct {
	Name string
	// needs are the programs of this machine that it takes.
	needs []string
	// script calls one, which prints how long a command took: wall nanoseconds, and its processor's milliseconds. The
	// shortest of several counts.
	script string
}

// one times its arguments. times(1p) has the processor's time of children in its second line.
const one = `
cpu() { awk 'NR==2 { split($1, u, "m"); split($2, s, "m"); print int(1000 * (60*u[1] + u[2] + 60*s[1] + s[2])) }' /tmp/times; }
one() {
	times >/tmp/times; c=$(cpu); a=$(date +%s%N)
	"$@" >/dev/null
	b=$(date +%s%N); times >/tmp/times; echo $((b-a)) $(($(cpu)-c))
}`

// The workloads make many short calls, which is where a recorder costs most. They run in the sandbox of `bulkheadctl try`.
var workloads = []workload{
	{"ls -lR /usr/lib", []string{"ls", "date", "awk"}, one + `
ls -lR /usr/lib >/dev/null
for i in 1 2 3; do one ls -lR /usr/lib; done`},
	// redis-cli waits, because redis-benchmark spins for ever when it comes before the server.
	{"redis-benchmark, get and set", []string{"redis-server", "redis-cli", "redis-benchmark", "date", "awk"}, one + `
redis-server --port 7000 --save '' --daemonize yes --dir /tmp >/dev/null
until redis-cli -p 7000 ping >/dev/null 2>&1; do sleep 0.1; done
for i in 1 2 3; do one redis-benchmark -p 7000 -n 50000 -q -t get,set; done`},
}

// recordingRuns are the runs of each workload, with and without a recorder in turn.
const recordingRuns = 5

// recordingCost is what was measured of one workload: milliseconds of each run.
type recordingCost struct {
	Name                  string
	Plain, Recorded       []float64
	PlainCPU, RecordedCPU []float64
	LeftOut               string `json:",omitempty"`
}

// hostCost is what every other process of the host pays: nanoseconds of a getppid without and with a recorder somewhere.
type hostCost struct {
	Without, With float64
}

// recording measures what it costs to record.
func (b *benchmark) recording(bulkhead string, r *report) error {
	ctl := filepath.Join(filepath.Dir(bulkhead), "bulkheadctl")
	for _, w := range workloads {
		c, err := b.recordWorkload(ctl, w)
		if err != nil {
			return fmt.Errorf("record %q: %w", w.Name, err)
		}
		r.Recording = append(r.Recording, c)
	}
	var err error
	r.Host, err = b.recordHost(ctl)
	return err
}

func (b *benchmark) recordWorkload(ctl string, w workload) (recordingCost, error) {
	c := recordingCost{Name: w.Name}
	for _, p := range w.needs {
		if _, err := exec.LookPath(p); err != nil {
			c.LeftOut = p + " is not installed"
			return c, nil //nolint:nilerr // told in the report
		}
	}
	file := filepath.Join(b.place.dir, "recording.json")
	plain := []string{ctl, "try", "--", "sh", "-c", w.script}
	recorded := []string{ctl, "seccomp", "record", "--recorder", "bpf", "-o", file, "--", "sh", "-c", w.script}
	for range recordingRuns {
		for _, side := range []struct {
			argv    []string
			to, cpu *[]float64
		}{{plain, &c.Plain, &c.PlainCPU}, {recorded, &c.Recorded, &c.RecordedCPU}} {
			if err := os.RemoveAll(file); err != nil {
				return c, err
			}
			out, err := exec.Command(side.argv[0], side.argv[1:]...).Output()
			if err != nil {
				return c, fmt.Errorf("%s: %w: %s", strings.Join(side.argv[:2], " "), err, out)
			}
			wall, cpu, err := shortest(string(out))
			if err != nil {
				return c, err
			}
			*side.to, *side.cpu = append(*side.to, wall), append(*side.cpu, cpu)
		}
	}
	return c, nil
}

// shortest reads lines of nanoseconds and milliseconds, and gives the least of each in milliseconds.
func shortest(text string) (wall, cpu float64, err error) {
	wall, cpu = math.Inf(1), math.Inf(1)
	for line := range strings.Lines(text) {
		var ns, ms float64
		if _, err := fmt.Sscan(line, &ns, &ms); err != nil {
			return 0, 0, fmt.Errorf("read the time that a workload took from %q: %w", line, err)
		}
		wall, cpu = min(wall, ns/1e6), min(cpu, ms)
	}
	if math.IsInf(wall, 1) {
		return 0, 0, errors.New("read the time that a workload took: it printed none")
	}
	return wall, cpu, nil
}

// recordHost times a call of this process, beside a sandbox that does nothing, recorded and not.
func (b *benchmark) recordHost(ctl string) (c hostCost, err error) {
	file := filepath.Join(b.place.dir, "recording.json")
	c = hostCost{math.Inf(1), math.Inf(1)}
	for range callRounds {
		if err := os.RemoveAll(file); err != nil {
			return c, err
		}
		c.Without = min(c.Without, getppidCost())
		cmd := exec.Command(ctl, "seccomp", "record", "--recorder", "bpf", "-o", file, "--", "cat")
		stdin, err := cmd.StdinPipe() // its end ends the workload
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			return c, err
		}
		for range 600 { // until the sandbox's execve is in the file
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), `"execve"`) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		c.With = min(c.With, getppidCost())
		if err := errors.Join(stdin.Close(), cmd.Wait()); err != nil {
			return c, err
		}
	}
	return c, nil
}

// printRecording tells ratios of medians, of the shortest runs, and of the processor's time, which the machine's other work
// touches least. That of redis is the client's.
func (r *report) printRecording(w io.Writer) {
	fmt.Fprintf(w, "\nRecording with BPF, ms of %d runs each in turn\n\n", recordingRuns)
	fmt.Fprintf(w, "%-30s %10s %10s %8s %10s %8s\n", "", "plain", "recorded", "ratio", "shortest", "CPU")
	for _, c := range r.Recording {
		if c.LeftOut != "" {
			fmt.Fprintf(w, "%-30s left out: %s\n", c.Name, c.LeftOut)
			continue
		}
		plain, recorded := median(c.Plain), median(c.Recorded)
		fmt.Fprintf(w, "%-30s %10.1f %10.1f %8.3f %10.3f %8.3f\n", c.Name, plain, recorded, recorded/plain,
			slices.Min(c.Recorded)/slices.Min(c.Plain), median(c.RecordedCPU)/median(c.PlainCPU))
	}
	fmt.Fprintf(w, "\nA getppid of a process that is not recorded: %.0f ns, and %.0f ns while a recorder is attached anywhere on the host\n", r.Host.Without, r.Host.With)
}
