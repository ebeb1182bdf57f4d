package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// callCosts are nanoseconds per system call: one whose verdict needs no argument, and one whose argument is checked.
type callCosts struct {
	Getppid, Personality float64
}

// callRounds is how often the calls are timed on the host and in each runtime's container; the fastest counts.
const callRounds = 3

// timeCalls prints the callCosts of this process as JSON.
func timeCalls(w io.Writer) {
	data, _ := json.Marshal(callCosts{
		Getppid: getppidCost(),
		// 0xffffffff asks for the execution domain and changes nothing, see personality(2).
		Personality: perCall(func() { _, _, _ = unix.RawSyscall(unix.SYS_PERSONALITY, math.MaxUint32, 0, 0) }),
	})
	fmt.Fprintln(w, string(data))
}

func getppidCost() float64 {
	return perCall(func() { _, _, _ = unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0) })
}

func perCall(call func()) float64 {
	const calls, rounds = 100_000, 10
	best := math.Inf(1)
	for range rounds {
		begin := time.Now()
		for range calls {
			call()
		}
		best = min(best, float64(time.Since(begin).Nanoseconds())/calls)
	}
	return best
}

// calls measures what the filter adds to a system call: the host's cost first, then each runtime's.
func (b *benchmark) calls(r *report) error {
	commands := [][]string{{b.self, "calls"}}
	for _, c := range b.runtimes {
		id := b.id(c, "calls")
		dir, err := b.place.bundle(id, "/bin/bench", "calls")
		if err != nil {
			return err
		}
		commands = append(commands, b.argv(c, "run", "--bundle", dir, id))
	}
	r.Calls = make([]callCosts, len(commands))
	for round := range callRounds {
		for i, argv := range commands {
			if _, err := b.run(argv...); err != nil {
				return err
			}
			var c callCosts
			if err := json.Unmarshal(b.output(), &c); err != nil {
				return fmt.Errorf("read the cost of system calls from %q: %w", b.output(), err)
			}
			if best := &r.Calls[i]; round > 0 {
				c.Getppid, c.Personality = min(c.Getppid, best.Getppid), min(c.Personality, best.Personality)
			}
			r.Calls[i] = c
		}
	}
	return nil
}
