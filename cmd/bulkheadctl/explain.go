package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// lastRefusals is how many --refusals shows when no number is given.
const lastRefusals = 10

const explainHelp = `Of a container: every change that the rules made, every note, what it was leased and what it got. Of a bundle (a
directory with config.json): what create would decide, without creating anything. Of an ID that was refused: the refusal.

` + findHelp + `

   bulkheadctl explain 3fa9               a container, by the beginning of its ID
   bulkheadctl explain /tmp/bundle        a bundle
   bulkheadctl explain --refusals [N]     the last refusals (default: 10), newest first

The exit status is 2 when a bundle would be refused.`

func explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "tell what was changed or refused, by which rule, and why", ArgsUsage: "CONTAINER|BUNDLE",
		Description: explainHelp,
		Flags: []cli.Flag{
			jsonFlag(), rootFlag(),
			&cli.StringFlag{Name: "profile", Usage: "judge a bundle by the hardening profile `NAME`"},
			&cli.StringFlag{Name: "id", Usage: "judge a bundle as the container `ID` (default: the directory's name)"},
			&cli.BoolFlag{Name: "systemd-cgroup", Usage: "read a bundle's linux.cgroupsPath as slice:prefix:name"},
			&cli.BoolFlag{Name: "refusals", Usage: "print the last refusals, newest first"},
		},
		Action: func(ctx *cli.Context) error {
			if ctx.Bool("refusals") {
				return withArgs(0, 1, explainRefusals)(ctx)
			}
			return withArgs(1, 1, explain)(ctx)
		},
	}
}

func explain(ctx *cli.Context) error {
	what := ctx.Args().First()
	if isBundle(what) {
		return explainBundle(ctx, what)
	}
	found, err := findContainer(searchRoots(ctx.String("root")), what)
	if errors.Is(err, errNotFound) {
		return explainRefused(ctx, what, err)
	}
	if err != nil {
		return err
	}
	rec, err := found.runtime.Explain(found.id)
	if err != nil {
		return err
	}
	status := "unknown"
	if s, err := found.runtime.State(found.id); err == nil {
		status = s.Status
	}
	return show(ctx, rec, func(w io.Writer) { writeRecord(w, outputWidth(), rec, status) })
}

// isBundle tells a directory with a config.json from an ID.
func isBundle(what string) bool {
	_, err := os.Stat(filepath.Join(what, "config.json"))
	return err == nil
}

func explainBundle(ctx *cli.Context, dir string) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	root := ctx.String("root")
	if root == "" {
		root = container.DefaultRoot
	}
	r := &container.Runtime{Root: root, Config: cfg, Profile: ctx.String("profile"), Program: "bulkhead", SystemdCgroup: ctx.Bool("systemd-cgroup")}
	j, err := r.Judge(dir, ctx.String("id"))
	if err != nil {
		return err
	}
	if err := show(ctx, j, func(w io.Writer) { writeJudgement(w, outputWidth(), j) }); err != nil {
		return err
	}
	if j.Refusal != nil {
		return &statusError{status: 2}
	}
	return nil
}

// explainRefused looks for an ID that has no container because it was refused.
func explainRefused(ctx *cli.Context, id string, notFound error) error {
	all, err := readRefusals()
	if err != nil {
		return errors.Join(notFound, err)
	}
	found := refusalsOf(all, id)
	if len(found) == 0 {
		return fmt.Errorf("%w, and no refusal of it is in the log", notFound)
	}
	return show(ctx, found, func(w io.Writer) { writeRefusals(w, outputWidth(), found) })
}

func explainRefusals(ctx *cli.Context) error {
	n := lastRefusals
	if arg := ctx.Args().First(); arg != "" {
		var err error
		if n, err = strconv.Atoi(arg); err != nil || n < 1 {
			return fmt.Errorf("read number of refusals: got %q, want a number from 1 on", arg)
		}
	}
	all, err := readRefusals()
	if err != nil {
		return err
	}
	last := all[:min(n, len(all))]
	return show(ctx, last, func(w io.Writer) { writeRefusals(w, outputWidth(), last) })
}
