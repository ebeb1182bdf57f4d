package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"
)

// withArgs checks the number of arguments before the command does anything. A maximum below 0 is none.
func withArgs(minimum, maximum int, action cli.ActionFunc) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		n := ctx.NArg()
		switch {
		case minimum == maximum && n != minimum:
			return usageError(ctx, fmt.Sprintf("exactly %d", minimum))
		case n < minimum:
			return usageError(ctx, fmt.Sprintf("a minimum of %d", minimum))
		case maximum >= 0 && n > maximum:
			return usageError(ctx, fmt.Sprintf("a maximum of %d", maximum))
		}
		return action(ctx)
	}
}

func usageError(ctx *cli.Context, want string) error {
	return fmt.Errorf("bulkhead: %q requires %s argument(s), got %d; see bulkhead %s --help", ctx.Command.Name, want, ctx.NArg(), ctx.Command.Name)
}

// exitWith makes the status of a container's process this program's.
func exitWith(status int, err error) error {
	if err != nil {
		return err
	}
	if status != 0 {
		return &exitError{status: status}
	}
	return nil
}

func refuseNoPivot(ctx *cli.Context) error {
	if ctx.Bool("no-pivot") {
		return errors.New("refused: --no-pivot leaves the host's root below the container's, where a process can get back to it; boot the host from a root that pivot_root(2) can leave")
	}
	return nil
}

// exactIDs is the usual argument of a command.
const idUsage = "ID"

func checkpointCommand() *cli.Command {
	return refusedCommand("checkpoint", "refused: bulkhead takes no checkpoints")
}

func restoreCommand() *cli.Command {
	return refusedCommand("restore", "refused: bulkhead restores no checkpoints")
}

// refusedCommand answers with one clear refusal. A checkpoint image is a second, unjudged way to make a process: what it
// restores has passed no rule, and the path to it has unfixed vulnerabilities.
func refusedCommand(name, usage string) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: idUsage, SkipFlagParsing: true,
		Action: func(*cli.Context) error {
			return fmt.Errorf("refused: %s: a restored process would pass by every rule of the hardening profile; stop and start the container instead", name)
		},
	}
}
