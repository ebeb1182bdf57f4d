package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

func killCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "send a signal (default: SIGTERM) to the container's first process", ArgsUsage: "ID [SIGNAL]",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "a container that has ended is no error", Hidden: true}},
		Action: withArgs(1, 2, func(ctx *cli.Context) error {
			sig, err := parseSignal(ctx.Args().Get(1))
			if err != nil {
				return err
			}
			return r.Kill(ctx.Args().First(), sig, ctx.Bool("all"))
		}),
	}
}

// parseSignal takes a number or a name, with or without SIG.
func parseSignal(s string) (unix.Signal, error) {
	if s == "" {
		return unix.SIGTERM, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 || n > 64 {
			return 0, fmt.Errorf("unknown signal %q", s)
		}
		return unix.Signal(n), nil
	}
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if sig := unix.SignalNum(name); sig != 0 {
		return sig, nil
	}
	return 0, fmt.Errorf("unknown signal %q", s)
}

func deleteCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "delete a stopped container and all that it held", ArgsUsage: "ID",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill it first; one that is not there is a success"}},
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			return r.Delete(ctx.Args().First(), ctx.Bool("force"))
		}),
	}
}

func pauseCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "freeze all processes of the container", ArgsUsage: "ID",
		Action: withArgs(1, 1, func(ctx *cli.Context) error { return r.Pause(ctx.Args().First()) }),
	}
}

func resumeCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "let a paused container go on", ArgsUsage: "ID",
		Action: withArgs(1, 1, func(ctx *cli.Context) error { return r.Resume(ctx.Args().First()) }),
	}
}

func stateCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "print the state of a container as JSON", ArgsUsage: "ID",
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			s, err := r.State(ctx.Args().First())
			if err != nil {
				return err
			}
			b, err := json.MarshalIndent(s, "", "  ")
			if err != nil {
				return err
			}
			_, err = ctx.App.Writer.Write(b)
			return err
		}),
	}
}

const formatUsage = "`FORMAT`: table or json"

func listCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "list the containers below --root",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: formatUsage},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print only IDs"},
		},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			format := ctx.String("format")
			if format != "table" && format != "json" {
				return fmt.Errorf("read --format: %q is not one of table, json", format)
			}
			states, problems := r.List()
			if len(states) == 0 && len(problems) == 1 {
				return problems[0]
			}
			for _, p := range problems {
				fmt.Fprintln(os.Stderr, p)
			}
			if len(states) == 0 && len(problems) > 0 {
				return errors.New("list containers: none could be read")
			}
			return printStates(ctx, states)
		}),
	}
}

func printStates(ctx *cli.Context, states []container.State) error {
	w := ctx.App.Writer
	if ctx.Bool("quiet") {
		for _, s := range states {
			fmt.Fprintln(w, s.ID)
		}
		return nil
	}
	if ctx.String("format") == "json" {
		return json.NewEncoder(w).Encode(states)
	}
	t := tabwriter.NewWriter(w, 12, 1, 3, ' ', 0)
	fmt.Fprint(t, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
	for _, s := range states {
		fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
	}
	return t.Flush()
}

func psCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "list the processes of the container", ArgsUsage: "ID [PS OPTIONS]",
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: formatUsage}},
		Action: withArgs(1, -1, func(ctx *cli.Context) error {
			pids, err := r.Processes(ctx.Args().First())
			if err != nil {
				return err
			}
			switch f := ctx.String("format"); f {
			case "json":
				return json.NewEncoder(ctx.App.Writer).Encode(pids)
			case "table":
				return printProcesses(ctx, pids, ctx.Args().Tail())
			default:
				return fmt.Errorf("read --format: %q is not one of table, json", f)
			}
		}),
	}
}

// printProcesses runs the host's ps and keeps the lines of the container.
func printProcesses(ctx *cli.Context, pids []int, args []string) error {
	if len(args) == 0 {
		args = []string{"-ef"}
	}
	out, err := exec.Command("ps", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run ps: %w: %s", err, strings.TrimSpace(string(out)))
	}
	title, rest, _ := strings.Cut(string(out), "\n")
	column := slices.Index(strings.Fields(title), "PID")
	if column < 0 {
		return errors.New("run ps: its output has no PID column")
	}
	fmt.Fprintln(ctx.App.Writer, title)
	for line := range strings.Lines(rest) {
		f := strings.Fields(line)
		if len(f) <= column {
			continue
		}
		pid, err := strconv.Atoi(f[column])
		if err == nil && slices.Contains(pids, pid) {
			fmt.Fprint(ctx.App.Writer, line)
		}
	}
	return nil
}
