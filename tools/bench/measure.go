package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	warmUps = 3
	// rssRuns is small: the peak resident size hardly varies.
	rssRuns = 3
)

// parallels are the numbers of containers that are started at a time.
var parallels = []int{1, 8, 32}

// choose tries every candidate and keeps those that can run the bundle; of variants of one program the first.
func (b *benchmark) choose(r *report) error {
	chosen := map[string]bool{}
	for _, c := range b.candidates {
		if chosen[c.program] {
			continue
		}
		_, err := runTrue(b, c)
		if err != nil && c.needed {
			return err
		}
		if err != nil {
			r.LeftOut = append(r.LeftOut, c.Name+": "+reason(err))
			_, _ = b.call(c, "delete", "--force", b.id(c, "run"))
			continue
		}
		chosen[c.program] = true
		b.runtimes = append(b.runtimes, c)
		r.Runtimes = append(r.Runtimes, c.Name)
	}
	return nil
}

// reason is what the runtime itself said.
func reason(err error) string {
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.output
	}
	return err.Error()
}

// measure fills in the report.
func (b *benchmark) measure(runs int, r *report) error {
	for _, op := range operations {
		m := measurement{Operation: op.Name, Costs: make([][]cost, len(b.runtimes)), RSS: make([][]int64, len(b.runtimes))}
		if err := b.repeat(op, runs, &m); err != nil {
			return fmt.Errorf("measure %q: %w", op.Name, err)
		}
		r.Measurements = append(r.Measurements, m)
	}
	for _, n := range parallels {
		t := throughput{Parallel: n, PerSecond: make([]float64, len(b.runtimes))}
		for i, c := range b.runtimes {
			var err error
			if t.PerSecond[i], err = b.parallel(c, n, max(runs, 2*n)); err != nil {
				return fmt.Errorf("measure %d at a time: %w", n, err)
			}
		}
		r.Throughput = append(r.Throughput, t)
	}
	return b.calls(r)
}

// repeat measures one operation: warm-up, times, resident sizes, each interleaved.
func (b *benchmark) repeat(op operation, runs int, m *measurement) error {
	if op.once {
		for _, c := range b.runtimes {
			if err := op.before(b, c); err != nil {
				return err
			}
		}
	}
	for n := range warmUps + runs + rssRuns {
		for i, c := range b.runtimes {
			if !op.once && op.before != nil {
				if err := op.before(b, c); err != nil {
					return err
				}
			}
			if !op.hot {
				time.Sleep(calm)
			}
			b.rss = n >= warmUps+runs
			took, err := op.do(b, c)
			rss := b.rss
			b.rss = false
			if err != nil {
				return err
			}
			switch {
			case rss:
				m.RSS[i] = append(m.RSS[i], took.RSS)
			case n >= warmUps:
				took.RSS = 0
				m.Costs[i] = append(m.Costs[i], took)
			}
			clear(b.orphans)
		}
	}
	if !op.once {
		return nil
	}
	for _, c := range b.runtimes {
		if err := op.after(b, c); err != nil {
			return err
		}
	}
	return nil
}

// parallel starts total containers, n at a time, and returns how many ended per second.
func (b *benchmark) parallel(r *runtime, n, total int) (float64, error) {
	argv := make([][]string, n)
	for i := range argv {
		id := b.id(r, "p"+strconv.Itoa(i))
		dir, err := b.place.bundle(id, "/bin/true")
		if err != nil {
			return 0, err
		}
		argv[i] = b.argv(r, "run", "--bundle", dir, id)
	}
	began := time.Now()
	slots := map[int]int{} // by pid
	for started := range min(n, total) {
		pid, err := b.start(argv[started])
		if err != nil {
			return 0, err
		}
		slots[pid] = started
	}
	var failed error
	for started, ended := min(n, total), 0; ended < total && len(slots) > 0; {
		pid, status, _, err := reap()
		if err != nil {
			return 0, err
		}
		slot, ours := slots[pid]
		if !ours {
			continue
		}
		delete(slots, pid)
		ended++
		if status != 0 && failed == nil {
			failed = &exitError{argv: argv[slot], status: status, output: string(b.output())}
		}
		if failed != nil || started == total {
			continue
		}
		started++
		if pid, err = b.start(argv[slot]); err != nil {
			return 0, err
		}
		slots[pid] = slot
	}
	return float64(total) / time.Since(began).Seconds(), failed
}
