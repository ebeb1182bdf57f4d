package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

func eventsCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "print usage and out-of-memory events as JSON", ArgsUsage: "ID",
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "interval", Value: 5 * time.Second, Usage: "`TIME` between two figures"},
			&cli.BoolFlag{Name: "stats", Usage: "print usage once and exit"},
		},
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			every := ctx.Duration("interval")
			if every <= 0 {
				return fmt.Errorf("read --interval: %s is not above 0", every)
			}
			if ctx.Bool("stats") {
				every = 0
			}
			enc := json.NewEncoder(ctx.App.Writer)
			return r.Events(ctx.Args().First(), every, func(e container.Event) error { return enc.Encode(e) })
		}),
	}
}

func specCommand() *cli.Command {
	return &cli.Command{
		Name: "spec", Usage: "write a config.json to begin with",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of the bundle (default: the current directory)"},
			&cli.BoolFlag{Name: "rootless", Usage: "for a user without root"},
		},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			spec := specconv.Example()
			if ctx.Bool("rootless") {
				specconv.ToRootless(spec)
			}
			b, err := json.MarshalIndent(spec, "", "\t")
			if err != nil {
				return err
			}
			if dir := ctx.String("bundle"); dir != "" {
				if err := os.Chdir(dir); err != nil {
					return fmt.Errorf("enter bundle: %w", err)
				}
			}
			return writeNew("config.json", append(b, '\n'))
		}),
	}
}

// writeNew never overwrites.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("write %s: it exists; remove it first", path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

func featuresCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "features", Usage: "print what a hardened container can have, as JSON",
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			f, err := r.Features(version, commit)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(ctx.App.Writer)
			enc.SetIndent("", "    ")
			return enc.Encode(f)
		}),
	}
}

// printVersion has the lines that dockerd and podman parse.
func printVersion(ctx *cli.Context) {
	w := ctx.App.Writer
	fmt.Fprintln(w, "bulkhead version", version)
	if commit != "" {
		fmt.Fprintln(w, "commit:", commit)
	}
	fmt.Fprintln(w, "spec:", specs.Version)
	fmt.Fprintln(w, "go:", runtime.Version())
	fmt.Fprintln(w, "libseccomp:", container.LibseccompVersion())
}
