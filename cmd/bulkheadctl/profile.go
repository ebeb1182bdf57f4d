package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// maxProfileFile bounds what is read of a file that is checked.
const maxProfileFile = 1 << 20

func profileCommand() *cli.Command {
	return &cli.Command{
		Name: "profile", Usage: "list, show and check hardening profiles", HideHelpCommand: true,
		Subcommands: []*cli.Command{
			{
				Name: "list", Usage: "list the built-in profiles and those of this site", Flags: []cli.Flag{jsonFlag()},
				Action: withArgs(0, 0, func(ctx *cli.Context) error {
					cfg, err := loadConfig()
					if err != nil {
						return err
					}
					lines := listProfiles(cfg)
					return show(ctx, lines, func(w io.Writer) { writeProfiles(w, outputWidth(), lines) })
				}),
			},
			{
				Name: "show", Usage: "print a profile: what a container may have, with the reasons", ArgsUsage: "NAME", Flags: []cli.Flag{jsonFlag()},
				Action: withArgs(1, 1, func(ctx *cli.Context) error {
					cfg, err := loadConfig()
					if err != nil {
						return err
					}
					p, err := profiles.Load(ctx.Args().First(), cfg.ProfilesDir)
					if err != nil {
						return err
					}
					return show(ctx, p, func(w io.Writer) { writeProfile(w, outputWidth(), p) })
				}),
			},
			{
				Name: "check", Usage: "tell whether a site's profile is valid, with file and line of the first fault", ArgsUsage: "FILE",
				Description: "The file may be anywhere and anybody's. To count, it has to be in the site's directory\n" +
					"(/etc/bulkhead/profiles.d) and only root may be able to write it and the directories above it.",
				Action: withArgs(1, 1, func(ctx *cli.Context) error { return checkProfile(ctx.App.Writer, ctx.Args().First()) }),
			},
		},
	}
}

// A profileLine is a profile in the list. Problem says why it cannot be used.
type profileLine struct {
	Name        string   `json:"name"`
	Description string   `json:"description,omitempty"`
	Base        string   `json:"base,omitempty"`
	Widened     []string `json:"widened,omitempty"`
	Selected    bool     `json:"selected,omitempty"`
	Problem     string   `json:"problem,omitempty"`
}

// listProfiles has the built-in profiles first, then the site's by name.
func listProfiles(cfg profiles.Config) []profileLine {
	names := profiles.Names()
	files, _ := filepath.Glob(filepath.Join(cfg.ProfilesDir, "*.json"))
	slices.Sort(files)
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	selected, _ := profiles.Select("", "bulkhead", cfg)
	lines := make([]profileLine, 0, len(names))
	for i, name := range names {
		line := profileLine{Name: name, Selected: name == selected}
		p, err := profiles.Load(name, cfg.ProfilesDir)
		switch {
		case err != nil:
			line.Problem = err.Error()
		case i >= len(profiles.Names()) && slices.Contains(profiles.Names(), name):
			line.Problem = "never used: a built-in profile has this name"
		default:
			line.Description, line.Base, line.Widened = p.Description, p.Base, widenedRules(p)
		}
		lines = append(lines, line)
	}
	return lines
}

func widenedRules(p profiles.Profile) []string {
	var rules []string
	for _, id := range profiles.RuleIDs() {
		if p.Widened[id] != "" {
			rules = append(rules, id)
		}
	}
	return rules
}

func writeProfiles(w io.Writer, width int, lines []profileLine) {
	rows := make([][2]string, 0, len(lines))
	for _, l := range lines {
		text := l.Description
		if l.Base != "" {
			text += " Based on " + l.Base + "."
		}
		if len(l.Widened) > 0 {
			text += " Wider than its base in: " + strings.Join(l.Widened, ", ") + "."
		}
		if l.Problem != "" {
			text = "cannot be used: " + l.Problem
		}
		if l.Selected {
			text += " (applies when nobody chooses)"
		}
		rows = append(rows, [2]string{l.Name, text})
	}
	table(w, width, rows)
}

func checkProfile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("check profile: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxProfileFile+1))
	if err != nil {
		return fmt.Errorf("check profile: %w", err)
	}
	name, isJSON := strings.CutSuffix(filepath.Base(path), ".json")
	if !isJSON {
		return fmt.Errorf("check profile: %s: is not called NAME.json", path)
	}
	p, err := profiles.Parse(name, data)
	if err != nil {
		return errors.New(atFileLine(path, err.Error()))
	}
	fmt.Fprintf(w, "%s: valid, profile %q based on %q\n", path, p.Name, p.Base)
	for _, id := range widenedRules(p) {
		fmt.Fprintf(w, "  wider than %s in %s: %s\n", p.Base, id, visible(p.Widened[id]))
	}
	return nil
}

// atFileLine turns "line 3: what" into "file:3: what", which editors jump to.
func atFileLine(path, text string) string {
	rest, ok := strings.CutPrefix(text, "line ")
	if !ok {
		return path + ": " + text
	}
	return path + ":" + rest
}
