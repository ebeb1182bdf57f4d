package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"
)

// run does what cli.App.Run does for this program's definitions, without its help templates: text/template calls methods
// by name, which makes the linker keep every exported method of every package. That is a fifth of the program, and
// each container start loads the program three times.
//
// Unlike cli's own, a list flag's value is taken as it is: a comma in --env NAME=a,b separates nothing.
func run(app *cli.App, args []string) error {
	set, err := parse(append(slices.Clone(app.Flags), versionFlag), args[1:], false)
	if errors.Is(err, flag.ErrHelp) {
		return printHelp(app)
	}
	if err != nil {
		return err
	}
	ctx := cli.NewContext(app, set, nil)
	if ctx.Bool(versionFlag.Name) {
		printVersion(ctx)
		return nil
	}
	name := ctx.Args().First()
	if name == "" {
		return printHelp(app)
	}
	command := app.Command(name)
	if command == nil {
		return fmt.Errorf("unknown command %q; see bulkhead --help", name)
	}
	return runCommandLine(ctx, command, ctx.Args().Tail())
}

var versionFlag = &cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"}

func runCommandLine(above *cli.Context, c *cli.Command, args []string) error {
	if c.SkipFlagParsing {
		if len(args) > 0 && (args[0] == "-h" || args[0] == "--help") {
			return printCommandHelp(above.App, c)
		}
		args = append([]string{"--"}, args...)
	}
	// As with runc, options may stand behind the arguments, but where those are a command line of their own.
	set, err := parse(c.Flags, args, c.Name != "exec" && c.Name != "ps")
	if errors.Is(err, flag.ErrHelp) {
		return printCommandHelp(above.App, c)
	}
	if err != nil {
		return fmt.Errorf("bulkhead %s: %w", c.Name, err)
	}
	if err := above.App.Before(above); err != nil {
		return err
	}
	ctx := cli.NewContext(above.App, set, above)
	ctx.Command = c
	return c.Action(ctx)
}

// isGiven tells whether the command line has the flag. cli.Context.IsSet does, too, but runs a regular expression over the name of each flag.
func isGiven(ctx *cli.Context, name string) bool { return slices.Contains(ctx.LocalFlagNames(), name) }

// A given is what the command line says for one flag, under all of its names.
type given struct {
	flag   cli.Flag
	values []string
}

// String is for flag.Value; nothing shows it.
func (g *given) String() string { return "" }

// Set is called for each use of the flag.
func (g *given) Set(v string) error {
	g.values = append(g.values, v)
	return nil
}

// IsBoolFlag tells package flag that the flag needs no value.
func (g *given) IsBoolFlag() bool {
	_, ok := g.flag.(*cli.BoolFlag)
	return ok
}

// parse reads the flags that args begins with and, with anywhere, those between and behind the arguments, up to "--". The
// arguments stay in the set.
func parse(flags []cli.Flag, args []string, anywhere bool) (*flag.FlagSet, error) {
	in := flag.NewFlagSet("", flag.ContinueOnError)
	in.SetOutput(io.Discard)
	in.Usage = func() {}
	all := make([]*given, 0, len(flags))
	for _, f := range flags {
		g := &given{flag: f}
		all = append(all, g)
		for _, name := range namesOf(f) {
			in.Var(g, name, "")
		}
	}
	words, err := parseWords(in, args, anywhere)
	if err != nil {
		return nil, err
	}
	out := flag.NewFlagSet("", flag.ContinueOnError)
	out.SetOutput(io.Discard)
	for _, g := range all {
		if err := g.apply(out); err != nil {
			return nil, fmt.Errorf("read --%s: %w", namesOf(g.flag)[0], err)
		}
	}
	return out, out.Parse(append([]string{"--"}, words...))
}

// define defines the flag in the set, under all of its names and with its default.
func define(f cli.Flag, set *flag.FlagSet) error {
	for _, name := range namesOf(f) {
		switch f := f.(type) {
		case *cli.BoolFlag:
			set.Bool(name, f.Value, "")
		case *cli.StringFlag:
			set.String(name, f.Value, "")
		case *cli.IntFlag:
			set.Int(name, f.Value, "")
		case *cli.DurationFlag:
			set.Duration(name, f.Value, "")
		default:
			return f.Apply(set) // under all of its names
		}
	}
	return nil
}

// namesOf is a flag's name and its aliases. cli's own Names, which Apply calls, runs a regular expression over each for spaces, of
// which this program's have none.
func namesOf(f cli.Flag) []string {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.StringFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.IntFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.DurationFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.StringSliceFlag:
		return append([]string{f.Name}, f.Aliases...)
	case *cli.Int64SliceFlag:
		return append([]string{f.Name}, f.Aliases...)
	}
	return f.Names()
}

// parseWords gives the arguments that are no flags.
func parseWords(in *flag.FlagSet, args []string, anywhere bool) (words []string, err error) {
	for {
		if err := in.Parse(args); err != nil {
			return nil, err
		}
		rest := in.Args()
		read := len(args) - len(rest)
		ended := read > 0 && args[read-1] == "--"
		if !anywhere || ended || len(rest) == 0 {
			return append(words, rest...), nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}

// apply defines the flag in the set that [cli.Context] reads, with what was given. Of several values the last counts, but
// for lists.
func (g *given) apply(set *flag.FlagSet) error {
	switch f := g.flag.(type) {
	case *cli.StringSliceFlag:
		for _, name := range namesOf(f) {
			set.Var(cli.NewStringSlice(g.values...), name, "")
		}
		return nil
	case *cli.Int64SliceFlag:
		list := make([]int64, 0, len(g.values))
		for _, v := range g.values {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no number", v)
			}
			list = append(list, n)
		}
		for _, name := range namesOf(f) {
			set.Var(cli.NewInt64Slice(list...), name, "")
		}
		return nil
	}
	if err := define(g.flag, set); err != nil || len(g.values) == 0 {
		return err
	}
	last := g.values[len(g.values)-1]
	for _, name := range namesOf(g.flag) {
		if err := set.Set(name, last); err != nil {
			return fmt.Errorf("%q: %w", last, err)
		}
	}
	return nil
}
