package main

import (
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

const bundleHelp = `The bundle is a directory with a specification file named "config.json" and a root filesystem. The specification is
judged and narrowed by the hardening profile before anything is made; a refusal names the property and the rule.`

func createFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of the bundle (default: the current directory)"},
		&cli.StringFlag{Name: "console-socket", Usage: "AF_UNIX socket at `PATH` that receives the terminal's master"},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "AF_UNIX socket at `PATH` that receives a pidfd of the first process"},
		&cli.StringFlag{Name: "pid-file", Usage: "write the first process's ID to `FILE`, last of all"},
		&cli.BoolFlag{Name: "no-pivot", Usage: "refused: a chroot can be left, and a ramdisk root needs none of it"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "accepted and not obeyed: the container gets a session keyring of its own"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` more descriptors (stdio, LISTEN_FDS and N in total)"},
	}
}

func createOptions(ctx *cli.Context) (container.CreateOptions, error) {
	if err := refuseNoPivot(ctx); err != nil {
		return container.CreateOptions{}, err
	}
	return container.CreateOptions{
		ID:            ctx.Args().First(),
		Bundle:        ctx.String("bundle"),
		ConsoleSocket: ctx.String("console-socket"),
		PidfdSocket:   ctx.String("pidfd-socket"),
		PidFile:       ctx.String("pid-file"),
		PreserveFDs:   ctx.Int("preserve-fds"),
	}, nil
}

func createCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "create a container", ArgsUsage: "ID", Description: bundleHelp,
		Flags: createFlags(),
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			o, err := createOptions(ctx)
			if err != nil {
				return err
			}
			return r.Create(o)
		}),
	}
}

func runCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "create, start and wait for a container", ArgsUsage: "ID", Description: bundleHelp,
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the container"},
			&cli.BoolFlag{Name: "keep", Usage: "do not delete the container after it has ended"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not adopt the orphans of the container"},
		),
		Action: withArgs(1, 1, func(ctx *cli.Context) error {
			o, err := createOptions(ctx)
			if err != nil {
				return err
			}
			o.Detach, o.Keep, o.Subreaper = ctx.Bool("detach"), ctx.Bool("keep"), !ctx.Bool("no-subreaper")
			return exitWith(r.Run(o))
		}),
	}
}

func startCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "start the process of a created container", ArgsUsage: "ID",
		Action: withArgs(1, 1, func(ctx *cli.Context) error { return r.Start(ctx.Args().First()) }),
	}
}
