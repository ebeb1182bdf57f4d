package main

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/cgroups/stats"
)

func statsCommand() *cli.Command {
	return &cli.Command{
		Name: "stats", Usage: "print what a container uses of what it may use", ArgsUsage: "CONTAINER", Description: findHelp,
		Flags: []cli.Flag{jsonFlag(), rootFlag()},
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			found, err := findContainer(searchRoots(ctx.String("root")), ctx.Args().First())
			if err != nil {
				return err
			}
			state, err := found.runtime.State(found.id)
			if err != nil {
				return err
			}
			if state.PID == 0 {
				return fmt.Errorf("read statistics of %q: it is %s and has no process", found.id, state.Status)
			}
			s, err := stats.Stat(state.PID)
			if err != nil {
				return err
			}
			return show(ctx, s, func(w io.Writer) { writeStats(w, outputWidth(), found.id, s) })
		}),
	}
}

func writeStats(w io.Writer, width int, id string, s stats.Stats) {
	cpu := s.CPU.Used.Round(time.Millisecond).String() + " used"
	if s.CPU.Quota > 0 && s.CPU.Period > 0 {
		cpu += fmt.Sprintf(", at most %.1f CPUs", float64(s.CPU.Quota)/float64(s.CPU.Period))
	}
	if s.CPU.Throttled > 0 {
		cpu += fmt.Sprintf(", held up in %d of %d periods for %s", s.CPU.Throttled, s.CPU.Periods, s.CPU.Waited.Round(time.Millisecond))
	}
	table(w, width, [][2]string{
		{"container", id},
		{"processes", amount(s.Pids, func(n uint64) string { return fmt.Sprint(n) })},
		{"memory", amount(s.Memory, byteSize)},
		{"swap", amount(s.Swap, byteSize)},
		{"killed for memory", fmt.Sprint(s.OOMKills)},
		{"cpu", cpu},
	})
}

func amount(a stats.Amount, show func(uint64) string) string {
	text := show(a.Used)
	if a.Limit > 0 {
		text += " of at most " + show(a.Limit)
		text += fmt.Sprintf(" (%d %%)", uint64(float64(a.Used)*100/float64(a.Limit)))
	}
	if a.Peak > 0 {
		text += ", highest " + show(a.Peak)
	}
	return text
}
