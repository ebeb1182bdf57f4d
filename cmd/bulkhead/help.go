package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"
)

// printHelp lists the commands and the global options.
func printHelp(app *cli.App) error {
	w := tabwriter.NewWriter(app.Writer, 1, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %s\n\nusage: %s [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n%s\n\ncommands:\n", app.Name, app.Usage, app.Name, app.Description)
	for _, c := range app.Commands {
		fmt.Fprintf(w, "   %s\t%s\n", c.Name, c.Usage)
	}
	fmt.Fprint(w, "\nglobal options:\n")
	printFlags(w, append(app.Flags[:len(app.Flags):len(app.Flags)], versionFlag))
	return w.Flush()
}

// printCommandHelp explains one command.
func printCommandHelp(app *cli.App, c *cli.Command) error {
	w := tabwriter.NewWriter(app.Writer, 1, 8, 2, ' ', 0)
	usage := strings.TrimSpace(c.Name + " [OPTIONS] " + c.ArgsUsage)
	fmt.Fprintf(w, "%s %s: %s\n\nusage: %s %s\n", app.Name, c.Name, c.Usage, app.Name, usage)
	if c.Description != "" {
		fmt.Fprintf(w, "\n%s\n", c.Description)
	}
	fmt.Fprint(w, "\noptions:\n")
	printFlags(w, c.Flags)
	return w.Flush()
}

// printFlags prints one line for each flag that is shown, names and usage in columns.
func printFlags(w io.Writer, flags []cli.Flag) {
	for _, f := range flags {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() {
			fmt.Fprintf(w, "   %s\n", f)
		}
	}
	fmt.Fprint(w, "   --help, -h\tshow this help\n")
}
