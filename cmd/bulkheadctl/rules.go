package main

import (
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

type ruleLine struct {
	ID      string   `json:"id"`
	Summary string   `json:"summary"`
	Fields  []string `json:"fields"`
}

func rulesCommand() *cli.Command {
	return &cli.Command{
		Name: "rules", Usage: "print the rule table: what bulkhead decides about every container", Flags: []cli.Flag{jsonFlag()},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			lines := ruleLines()
			return show(ctx, lines, func(w io.Writer) { writeRules(w, outputWidth(), lines) })
		}),
	}
}

func ruleLines() []ruleLine {
	lines := make([]ruleLine, 0, len(harden.Rules))
	for _, r := range harden.Rules {
		lines = append(lines, ruleLine{r.ID, r.Summary, r.Fields})
	}
	return lines
}

func writeRules(w io.Writer, width int, lines []ruleLine) {
	for _, r := range lines {
		entry(w, width, "", "", r.ID)
		entry(w, width, "    ", "", r.Summary)
		entry(w, width, "    ", "decides ", strings.Join(r.Fields, ", "))
	}
}
