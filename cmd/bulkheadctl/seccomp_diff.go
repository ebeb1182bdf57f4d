package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

func seccompDiffCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "both", Usage: "print also what B allows that A does not"},
		&cli.BoolFlag{Name: "verdicts", Usage: "print every difference, also between two ways to allow or to deny"},
	}
	return seccompSub("diff", "print exactly what A allows that B does not", "A B", 2, 2, func(ctx *cli.Context) error {
		in, err := readSeccomp(ctx, ctx.Args().Slice()...)
		if err != nil {
			return err
		}
		v := seccompDifference{A: in[0].name, B: in[1].name, OnlyA: []seccompChange{}}
		for _, c := range algebra.Changes(in[0].Profile, in[1].Profile) {
			if _, ok := syscalls.Number(in[0].Profile.Arch, c.Name); !ok && syscalls.Known(c.Name) {
				continue // another architecture's call
			}
			line := seccompChange{Name: c.Name, When: conditionText(c.Conds), Except: c.Except, Cut: c.Cut, A: c.A.String(), B: c.B.String()}
			switch {
			case c.Widens():
				v.OnlyA = append(v.OnlyA, line)
			case c.Narrows():
				if ctx.Bool("both") || ctx.Bool("verdicts") {
					v.OnlyB = append(v.OnlyB, line)
				}
			case ctx.Bool("verdicts"):
				v.Otherwise = append(v.Otherwise, line)
			}
		}
		if err := show(ctx, v, func(w io.Writer) { v.write(w, outputWidth()) }); err != nil {
			return err
		}
		if len(v.OnlyA)+len(v.OnlyB)+len(v.Otherwise) > 0 {
			return &statusError{status: 1}
		}
		return nil
	}, flags...)
}

type seccompDifference struct {
	A         string          `json:"a"`
	B         string          `json:"b"`
	OnlyA     []seccompChange `json:"onlyA"`
	OnlyB     []seccompChange `json:"onlyB,omitempty"`
	Otherwise []seccompChange `json:"otherwise,omitempty"`
}

// A seccompChange is a part of a call; without a name, the calls that neither profile names. When has one text for each list of
// conditions, an empty one for all arguments.
type seccompChange struct {
	Name string   `json:"name,omitempty"`
	When []string `json:"when"`
	// Except: When is where the change does not hold.
	Except bool   `json:"except,omitempty"`
	Cut    bool   `json:"cut,omitempty"`
	A      string `json:"a"`
	B      string `json:"b"`
}

func (v seccompDifference) write(w io.Writer, width int) {
	sections := []struct {
		title string
		list  []seccompChange
	}{
		{fmt.Sprintf("%s allows, %s does not", v.A, v.B), v.OnlyA},
		{fmt.Sprintf("%s allows, %s does not", v.B, v.A), v.OnlyB},
		{"both allow or both deny, in another way", v.Otherwise},
	}
	if len(v.OnlyA)+len(v.OnlyB)+len(v.Otherwise) == 0 {
		fmt.Fprintf(w, "%s allows nothing that %s does not\n", v.A, v.B)
		return
	}
	for _, s := range sections {
		if len(s.list) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s (%s):\n", s.title, count(len(s.list), "difference"))
		writeSeccompChanges(w, width, s.list)
	}
}

// writeSeccompChanges puts the calls that differ as a whole, with the same verdicts, into one entry.
func writeSeccompChanges(w io.Writer, width int, list []seccompChange) {
	whole := map[string][]string{}
	var order []string
	for _, c := range list {
		if c.Name == "" || c.Cut || len(c.When) != 1 || c.When[0] != "" {
			continue
		}
		verdicts := c.A + ", not " + c.B
		if whole[verdicts] == nil {
			order = append(order, verdicts)
		}
		whole[verdicts] = append(whole[verdicts], c.Name)
	}
	for _, c := range list {
		if c.Name == "" {
			entry(w, width, "  ", "", fmt.Sprintf("every call that neither names: %s, not %s", c.A, c.B))
		}
	}
	for _, verdicts := range order {
		entry(w, width, "  ", "", verdicts+":")
		entry(w, width, "    ", "", strings.Join(whole[verdicts], " "))
	}
	for _, c := range list {
		if c.Name == "" || !c.Cut && len(c.When) == 1 && c.When[0] == "" {
			continue
		}
		word := "when"
		if c.Except {
			word = "except when"
		}
		entry(w, width, "  ", "", fmt.Sprintf("%s: %s, not %s, %s", c.Name, c.A, c.B, word))
		for i, when := range c.When {
			if i > 0 {
				when = "or " + when
			}
			entry(w, width, "    ", "", when)
		}
		if c.Cut {
			entry(w, width, "    ", "", "the conditions are too many to print")
		}
	}
}
