package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
)

const seccompGenerateHelp = `Makes the smallest profile that permits what RECORDINGs of seccomp record saw. It goes to --output, or to standard output. What
is in it and why, what was left out, and how complete the recordings are goes to --report, or to standard error.

The profile also has what the runtime itself calls under the filter, and ENOSYS for what C libraries try first. It never
permits more than the filter of the hardening profile. It names the native architecture, and its filter is proven before it is
written. The same recordings give the same profile, in any order.

   bulkheadctl seccomp generate -o web.json web-1.json web-2.json
   docker run --security-opt seccomp=web.json nginx

The exit status is 0 when the profile was made, 2 when it could not be. Whether the recordings were enough is another question: see
seccomp evidence.`

func seccompGenerateCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the profile to `FILE`"},
		&cli.StringFlag{Name: "report", Usage: "write the report to `FILE`, - for standard error (default: standard error)", Value: "-", DefaultText: "standard error"},
		&cli.StringFlag{Name: "name", Usage: "call the profile `NAME` in its comment"},
		&cli.BoolFlag{Name: "compat", Usage: "name recorded compat architectures in the profile, for other runtimes; bulkhead loads the native part"},
	}, generateFlags()...)
	c := seccompSub("generate", "make the smallest profile of recordings", "RECORDING...", 0, -1, withTrailingFlags(seccompGenerate), flags...)
	c.Description = seccompGenerateHelp
	return c
}

// generateFlags are those of generate and evidence.
func generateFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "argument-rules", Usage: "permit calls with the recorded arguments only"},
		&cli.StringFlag{Name: "margin", Usage: "add groups of sibling calls: all, or some `NAMES` separated by commas (see --list-margins)"},
		&cli.BoolFlag{Name: "list-margins", Usage: "print the groups of sibling calls with their reasons"},
		&cli.StringFlag{Name: "base", Usage: "add what the profile `FILE` permits"},
		&cli.StringFlag{Name: "profile", Usage: "stay within the hardening profile `NAME`", Value: profiles.DefaultName},
		&cli.BoolFlag{Name: "any-start", Usage: "permit what the runtime needs without no_new_privs, too, though the hardening profile sets it"},
	}
}

// withTrailingFlags reads flags that stand behind the arguments, too, where people put -o.
func withTrailingFlags(run func(*cli.Context, []string) error) func(*cli.Context) error {
	return func(ctx *cli.Context) error {
		var args []string
		rest := ctx.Args().Slice()
		for len(rest) > 0 {
			word := rest[0]
			rest = rest[1:]
			if word == "--" {
				args = append(args, rest...)
				break
			}
			if !strings.HasPrefix(word, "-") || word == "-" {
				args = append(args, word)
				continue
			}
			var err error
			if rest, err = trailingFlag(ctx, word, rest); err != nil {
				return err
			}
		}
		return run(ctx, args)
	}
}

func trailingFlag(ctx *cli.Context, word string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	i := slices.IndexFunc(ctx.Command.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
	if i < 0 {
		return nil, fmt.Errorf("flag provided but not defined: -%s", name)
	}
	if _, isBool := ctx.Command.Flags[i].(*cli.BoolFlag); isBool && !given {
		value, given = "true", true
	}
	if !given {
		if len(rest) == 0 {
			return nil, fmt.Errorf("flag needs an argument: -%s", name)
		}
		value, rest = rest[0], rest[1:]
	}
	if err := ctx.Set(ctx.Command.Flags[i].Names()[0], value); err != nil {
		return nil, fmt.Errorf("read --%s: %w", name, err)
	}
	return rest, nil
}

// A seccompGenerated is what --json prints.
type seccompGenerated struct {
	Name    string              `json:"name,omitempty"`
	File    string              `json:"file,omitempty"`
	Profile *specs.LinuxSeccomp `json:"profile"`
	Report  generate.Report     `json:"report"`
}

// generateFrom reads the recordings and makes their profile, for the command of that name.
func generateFrom(ctx *cli.Context, command string, files []string) ([]*recording.Recording, *generate.Result, error) {
	if len(files) == 0 {
		return nil, nil, fmt.Errorf("read arguments of seccomp %s: got no recording, see bulkheadctl seccomp %s --help", command, command)
	}
	recordings, options, err := generateInput(ctx, files)
	if err != nil {
		return nil, nil, err
	}
	r, err := generate.Generate(recordings, options)
	return recordings, r, err
}

func seccompGenerate(ctx *cli.Context, files []string) error {
	if ctx.Bool("list-margins") {
		return listMargins(ctx)
	}
	recordings, r, err := generateFrom(ctx, "generate", files)
	if err != nil {
		return err
	}
	if err := compile.Verify(r.Profile); err != nil {
		return err
	}
	text, err := generate.Text(r.OCI, generate.OriginOf(ctx.String("name"), recordings))
	if err != nil {
		return err
	}
	v := seccompGenerated{ctx.String("name"), ctx.String("output"), r.OCI, r.Report}
	if v.File != "" {
		if err := replaceFile(v.File, text); err != nil {
			return fmt.Errorf("write seccomp profile: %w", err)
		}
	}
	if err := deliverReport(ctx, v); err != nil {
		return err
	}
	switch {
	case ctx.Bool("json"):
		return show(ctx, v, nil)
	case v.File == "":
		_, err = ctx.App.Writer.Write(text)
	}
	return err
}

// deliverReport writes the report for people, or as JSON into a file when --json is given. With --json and without a file it is
// part of what is printed.
func deliverReport(ctx *cli.Context, v seccompGenerated) error {
	file := ctx.String("report")
	if file == "-" {
		if !ctx.Bool("json") {
			writeGenerated(ctx.App.ErrWriter, outputWidth(), v)
		}
		return nil
	}
	var text strings.Builder
	if ctx.Bool("json") {
		data, err := json.MarshalIndent(v.Report, "", "  ")
		if err != nil {
			return err
		}
		text.Write(append(data, '\n'))
	} else {
		writeGenerated(&text, plainWidth, v)
	}
	if err := replaceFile(file, []byte(text.String())); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// generateInput reads the recordings, and what the flags name.
func generateInput(ctx *cli.Context, files []string) ([]*recording.Recording, generate.Options, error) {
	o := generate.Options{ArgumentRules: ctx.Bool("argument-rules"), Compat: ctx.Bool("compat")}
	var recordings []*recording.Recording
	for _, f := range files {
		r, err := recording.Read(f)
		if err != nil {
			return nil, o, err
		}
		recordings = append(recordings, r)
	}
	if !ctx.IsSet("arch") { // the base's conditional entries, and the ceiling, are for the recordings' architecture
		if err := ctx.Set("arch", recordings[0].GOARCH()); err != nil {
			return nil, o, err
		}
	}
	for m := range strings.SplitSeq(ctx.String("margin"), ",") {
		if m = strings.TrimSpace(m); m != "" {
			o.Margins = append(o.Margins, m)
		}
	}
	var err error
	if o.Ceiling, o.Starts, err = generateCeiling(ctx); err != nil {
		return nil, o, err
	}
	if ctx.String("base") != "" {
		in, err := readSeccomp(ctx, ctx.String("base"))
		if err != nil {
			return nil, o, err
		}
		o.Base = &in[0].Profile
	}
	return recordings, o, nil
}

// generateCeiling is the filter of the hardening profile, and how processes start under it.
func generateCeiling(ctx *cli.Context) (seccomp.Profile, starts.Start, error) {
	cfg, err := loadConfig()
	if err != nil {
		return seccomp.Profile{}, 0, err
	}
	p, err := profiles.Load(ctx.String("profile"), cfg.ProfilesDir)
	if err != nil {
		return seccomp.Profile{}, 0, err
	}
	s, err := profiles.SeccompProfileFor(p.Seccomp.Profile, ctx.String("arch"))
	if strings.HasPrefix(p.Seccomp.Profile, "/") {
		s, err = denialsCeiling(p.Seccomp.Profile)
	}
	if err != nil {
		return seccomp.Profile{}, 0, err
	}
	ceiling, err := seccomp.FromOCI(s, ctx.String("arch"))
	kinds := starts.CreateNoNewPrivs | starts.ExecNoNewPrivs
	if !p.NoNewPrivileges.On || ctx.Bool("any-start") {
		kinds |= starts.CreatePrivileged | starts.ExecPrivileged
	}
	return ceiling, kinds, err
}

func listMargins(ctx *cli.Context) error {
	groups := generate.Margins()
	return show(ctx, groups, func(w io.Writer) {
		for _, g := range groups {
			text := strings.Join(g.Calls, " ")
			if len(g.If) > 0 {
				text += ", when one of them or of " + strings.Join(g.If, " ") + " was recorded"
			}
			entry(w, outputWidth(), "", fmt.Sprintf("%-13s ", g.Name), text)
			entry(w, outputWidth(), strings.Repeat(" ", 14), "", g.Why)
		}
	})
}
