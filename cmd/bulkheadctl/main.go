// bulkheadctl is the operator's tool of bulkhead: it installs the runtime, explains what it decided, tries it, and tells
// what this host can do. It has no service of its own.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// version and commit are set by the build.
var (
	version = "0.1.0-dev"
	commit  = ""
)

const description = `bulkheadctl works with the container runtime bulkhead(8) on this machine.

   bulkheadctl try                  a hardened sandbox of this machine's own files, to see what it does
   bulkheadctl doctor               what this machine can and cannot do for containers
   bulkheadctl install docker       make Docker know the runtime
   bulkheadctl explain CONTAINER    what was changed, and why
   bulkheadctl explain --refusals   what was refused lately, and what to do about it`

// A statusError ends the program with a status. Without an error nothing is printed: the reason is on the screen already.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

func main() {
	err := newApp().Run(os.Args)
	if err == nil {
		return
	}
	status := 1
	var exit *statusError
	if errors.As(err, &exit) {
		status, err = exit.status, exit.err
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bulkheadctl:", err)
	}
	os.Exit(status)
}

func newApp() *cli.App {
	app := &cli.App{
		Name:            "bulkheadctl",
		Usage:           "install, explain, try and examine the container runtime bulkhead",
		Description:     description,
		Version:         version,
		HideHelpCommand: true,
		ExitErrHandler:  func(*cli.Context, error) {},
		Commands: []*cli.Command{
			installCommand(), uninstallCommand(), explainCommand(), tryCommand(), doctorCommand(), profileCommand(),
			leasesCommand(), rulesCommand(), statsCommand(), viewsCommand(), seccompCommand(), versionCommand(), demoCommand(), launcherCommand(), insideCommand(),
		},
		CommandNotFound: func(ctx *cli.Context, name string) {
			fmt.Fprintf(ctx.App.ErrWriter, "bulkheadctl: find command %q: there is none of that name, see bulkheadctl --help\n", name)
			os.Exit(1)
		},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return fmt.Errorf("%w, see bulkheadctl --help", err) },
	}
	oneLine(app.Commands, "bulkheadctl")
	return app
}

// oneLine has every command say in one line which of its options is wrong, where the library prints its whole help.
func oneLine(commands []*cli.Command, above string) {
	for _, c := range commands {
		name := above + " " + c.Name
		say := c.OnUsageError
		c.OnUsageError = func(ctx *cli.Context, err error, sub bool) error {
			err = fmt.Errorf("%w, see %s --help", err, name)
			if say != nil {
				return say(ctx, err, sub)
			}
			return err
		}
		oneLine(c.Subcommands, name)
	}
}

// withArgs bounds the number of arguments. most -1 is any number.
func withArgs(least, most int, action cli.ActionFunc) cli.ActionFunc {
	return func(ctx *cli.Context) error {
		if n := ctx.NArg(); n < least || most >= 0 && n > most {
			return fmt.Errorf("read arguments of %s: got %d, see bulkheadctl %s --help", ctx.Command.FullName(), n, ctx.Command.FullName())
		}
		return action(ctx)
	}
}

func jsonFlag() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }

// show prints v as JSON when the operator wants that, else what text writes.
func show(ctx *cli.Context, v any, text func(io.Writer)) error {
	if !ctx.Bool("json") {
		text(ctx.App.Writer)
		return nil
	}
	enc := json.NewEncoder(ctx.App.Writer)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func loadConfig() (profiles.Config, error) {
	c, err := profiles.LoadConfig(profiles.ConfigPath)
	if err != nil {
		return c, err
	}
	return container.PlaceForUser(c)
}

type versions struct {
	Version    string `json:"version"`
	Commit     string `json:"commit,omitempty"`
	Spec       string `json:"runtimeSpec"`
	Go         string `json:"go"`
	Libseccomp string `json:"libseccomp"`
}

func versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the versions of the program and of what is built into it", Flags: []cli.Flag{jsonFlag()},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			v := versions{version, commit, specs.Version, runtime.Version(), container.LibseccompVersion()}
			return show(ctx, v, func(w io.Writer) {
				table(w, outputWidth(), [][2]string{{"bulkheadctl", v.Version}, {"commit", v.Commit}, {"runtime-spec", v.Spec}, {"go", v.Go}, {"libseccomp", v.Libseccomp}})
			})
		}),
	}
}
