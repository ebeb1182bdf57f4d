package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

func seccompShowCommand() *cli.Command {
	oci := &cli.BoolFlag{Name: "oci", Usage: "print the canonical OCI form only: profiles of one meaning give the same bytes"}
	return seccompSub("show", "print a profile by group, with the reasons of bulkhead's table", "PROFILE", 1, 1, func(ctx *cli.Context) error {
		in, err := readSeccomp(ctx, ctx.Args().First())
		if err != nil {
			return err
		}
		canonical, notes := algebra.Canonical(in[0].Profile)
		if ctx.Bool("oci") {
			return printOCI(ctx.App.Writer, canonical.ToOCI())
		}
		rows, err := profiles.SeccompTable()
		if err != nil {
			return err
		}
		v := seccompView(in[0], canonical, rows)
		v.Notes = append(v.Notes, notes...)
		return show(ctx, v, func(w io.Writer) { writeSeccomp(w, outputWidth(), v) })
	}, oci)
}

type seccompProfileView struct {
	Name        string              `json:"name"`
	Arch        string              `json:"arch"`
	Default     string              `json:"default"`
	Flags       []string            `json:"flags,omitempty"`
	Listener    string              `json:"listener,omitempty"`
	Allowed     int                 `json:"allowed"`
	Conditional int                 `json:"conditional"`
	Groups      []seccompGroup      `json:"groups"`
	Entries     []seccompEntry      `json:"conditionalEntries,omitempty"`
	Notes       []string            `json:"notes,omitempty"`
	OCI         *specs.LinuxSeccomp `json:"oci"`
}

// A seccompGroup is what the profile says about the calls of one group of the table.
type seccompGroup struct {
	Group       string            `json:"group"`
	Allow       []string          `json:"allow,omitempty"`
	Conditional []seccompCallView `json:"conditional,omitempty"`
	Deny        []seccompDenial   `json:"deny,omitempty"`
	Reasons     []string          `json:"reasons,omitempty"`
}

type seccompCallView struct {
	Name  string   `json:"name"`
	Rules []string `json:"rules"`
}

type seccompDenial struct {
	Verdict string   `json:"verdict"`
	Names   []string `json:"names"`
}

// A seccompEntry is an entry of Docker's form that does not hold for every container.
type seccompEntry struct {
	Line  int      `json:"line"`
	When  string   `json:"when"`
	Holds bool     `json:"holds"`
	Names []string `json:"names"`
}

// otherGroup has the calls that bulkhead's table does not name.
const otherGroup = "other"

func seccompView(in seccompInput, p seccomp.Profile, rows []profiles.SeccompRow) seccompProfileView {
	v := seccompProfileView{Name: in.name, Arch: p.Arch, Default: p.Default.String(), Listener: p.ListenerPath, OCI: p.ToOCI(), Notes: slices.Clone(in.Profile.Notes)}
	for _, f := range p.Flags {
		v.Flags = append(v.Flags, string(f))
	}
	groupOf := map[string]string{}
	var order []string
	for _, r := range rows {
		for _, n := range r.Names {
			if groupOf[n] == "" {
				groupOf[n] = r.Group
			}
		}
		if !slices.Contains(order, r.Group) {
			order = append(order, r.Group)
		}
	}
	groups := map[string]*seccompGroup{}
	for _, c := range p.Calls {
		name := groupOf[c.Name]
		if name == "" {
			name = otherGroup
		}
		if groups[name] == nil {
			groups[name] = &seccompGroup{Group: name, Reasons: reasons(rows, name, p)}
		}
		v.count(c, p.Default)
		groups[name].add(p, c)
	}
	for _, name := range append(order, otherGroup) {
		if g := groups[name]; g != nil {
			v.Groups = append(v.Groups, *g)
		}
	}
	for _, e := range in.Entries {
		if e.When != "" {
			v.Entries = append(v.Entries, seccompEntry{e.Line, e.When, e.Holds, e.Syscall.Names})
		}
	}
	return v
}

// count has only calls that the architecture has.
func (v *seccompProfileView) count(c seccomp.Call, def seccomp.Verdict) {
	if _, ok := syscalls.Number(v.Arch, c.Name); !ok {
		return
	}
	switch {
	case unconditional(c):
		if c.Rules[0].Verdict.Action.Permits() {
			v.Allowed++
		}
	case def.Action.Permits() || slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() }):
		v.Conditional++
	}
}

func unconditional(c seccomp.Call) bool { return len(c.Rules) == 1 && len(c.Rules[0].Conds) == 0 }

func (g *seccompGroup) add(p seccomp.Profile, c seccomp.Call) {
	if !unconditional(c) {
		call := seccompCallView{Name: c.Name}
		for _, part := range algebra.Parts(p, c.Name) {
			call.Rules = append(call.Rules, partText(part)...)
		}
		g.Conditional = append(g.Conditional, call)
		return
	}
	v := c.Rules[0].Verdict
	if v.Action == seccomp.Allow {
		g.Allow = append(g.Allow, c.Name)
		return
	}
	i := slices.IndexFunc(g.Deny, func(d seccompDenial) bool { return d.Verdict == v.String() })
	if i < 0 {
		g.Deny = append(g.Deny, seccompDenial{Verdict: v.String()})
		i = len(g.Deny) - 1
	}
	g.Deny[i].Names = append(g.Deny[i].Names, c.Name)
}

// partText has one line for each list of conditions, or a line with the exceptions.
func partText(part algebra.Part) []string {
	lists := conditionText(part.Conds)
	switch {
	case part.Cut:
		return []string{part.Verdict.String() + " for some arguments: the conditions are too many to print"}
	case part.Except:
		return []string{part.Verdict.String() + " except if " + strings.Join(lists, " or ")}
	}
	for i := range lists {
		lists[i] = part.Verdict.String() + " if " + lists[i]
	}
	return lists
}

// reasons are those of the table's rows that say of a call what the profile says.
func reasons(rows []profiles.SeccompRow, group string, p seccomp.Profile) []string {
	var out []string
	for _, r := range rows {
		agrees := func(name string) bool {
			c := p.Call(name)
			permits := p.Default.Action.Permits() || slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() })
			return len(c.Rules) > 0 && permits == (r.Action == "allow")
		}
		if text := r.Action + ": " + r.Reason; r.Group == group && slices.ContainsFunc(r.Names, agrees) && !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

func writeSeccomp(w io.Writer, width int, v seccompProfileView) {
	table(w, width, [][2]string{
		{"profile", v.Name}, {"architecture", v.Arch}, {"default", v.Default}, {"flags", strings.Join(v.Flags, ", ")}, {"listener", v.Listener},
		{"reachable", fmt.Sprintf("%s with any arguments, %d with some", count(v.Allowed, "call"), v.Conditional)},
	})
	for _, g := range v.Groups {
		fmt.Fprintf(w, "\n%s\n", g.Group)
		if len(g.Allow) > 0 {
			entry(w, width, "  ", "allow  ", strings.Join(g.Allow, " "))
		}
		for _, c := range g.Conditional {
			for i, r := range c.Rules {
				label := fmt.Sprintf("%-*s  ", len(c.Name), c.Name)
				if i > 0 {
					label = strings.Repeat(" ", len(label))
				}
				entry(w, width, "  ", "some   "+label, r)
			}
		}
		for _, d := range g.Deny {
			entry(w, width, "  ", d.Verdict+"  ", strings.Join(d.Names, " "))
		}
		for _, r := range g.Reasons {
			entry(w, width, "  ", "why    ", r)
		}
	}
	if len(v.Entries) > 0 {
		fmt.Fprintln(w, "\nentries that not every container gets")
	}
	for _, e := range v.Entries {
		state := "out  "
		if e.Holds {
			state = "in   "
		}
		entry(w, width, "  ", state, fmt.Sprintf("%s: %s", e.When, strings.Join(e.Names, " ")))
	}
	for i, n := range v.Notes {
		if i == 0 {
			fmt.Fprintln(w, "\nnotes")
		}
		entry(w, width, "  ", "", n)
	}
}
