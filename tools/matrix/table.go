package main

import (
	"fmt"
	"slices"
	"strings"
)

// A column is one engine on one kernel, in the table of its family.
type column struct{ engine, family, title string }

// families are the tests whose engines share a list of scenarios, by the title of their table and in its order.
var families = []struct{ test, title string }{
	{"TestDocker", "Docker"}, {"TestDockerEngines", "Docker"}, {"TestContainerd", "containerd"}, {"TestCRI", "Kubernetes pods through containerd"},
	{"TestPodman", "podman"}, {"TestCLI", "The command line, called as engines call it"},
}

// place says in which table the tests of an engine stand, and as what.
func (r *results) place(engine string) column {
	where, test := "this kernel", engine
	if rest, ok := strings.CutPrefix(engine, "TestGuest/"); ok {
		var guest string
		guest, test, _ = strings.Cut(rest, "/")
		where = "guest " + guest
	}
	first, version, _ := strings.Cut(test, "/")
	c := column{engine: engine, family: "Others", title: strings.TrimSpace(strings.TrimPrefix(first, "Test") + " " + version + ", " + where)}
	for _, f := range families {
		if f.test == first {
			c.family, c.title = f.title, strings.TrimSpace(strings.TrimPrefix(version, "/")+", "+where)
		}
	}
	if line := r.engines[engine]; line != "" && c.family == "Docker" {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "Docker "), ",")
		name, _, _ = strings.Cut(name, "+")
		c.title = name + ", " + where
	}
	c.title = strings.TrimPrefix(c.title, ", ")
	return c
}

func (r *results) markdown() string {
	r.finish()
	tables := map[string][]column{}
	seen := map[string]bool{}
	for k := range r.outcomes {
		if !seen[k.engine] {
			c := r.place(k.engine)
			tables[c.family] = append(tables[c.family], c)
		}
		seen[k.engine] = true
	}
	var b strings.Builder
	done := map[string]bool{}
	for _, f := range append(families[:len(families):len(families)], struct{ test, title string }{"", "Others"}) {
		if columns := tables[f.title]; len(columns) > 0 && !done[f.title] {
			slices.SortFunc(columns, func(x, y column) int {
				return strings.Compare(strings.TrimPrefix(x.title, "guest"), strings.TrimPrefix(y.title, "guest"))
			})
			r.table(&b, f.title, columns)
			done[f.title] = true
		}
	}
	r.figures(&b)
	return b.String()
}

// table writes one family: what ran, its rows, and a line for each cell that is not a plain success.
func (r *results) table(b *strings.Builder, title string, columns []column) {
	fmt.Fprintf(b, "\n## %s\n\n", title)
	for _, c := range columns {
		if line := r.engines[c.engine]; line != "" {
			fmt.Fprintf(b, "* **%s**: %s\n", c.title, line)
		}
	}
	b.WriteString("\n| Scenario |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	var gaps []string
	for _, s := range r.scenarios(columns) {
		fmt.Fprintf(b, "| `%s` |", s)
		for _, c := range columns {
			ours, theirs := r.outcomes[key{c.engine, s, "bulkhead"}], r.outcomes[key{c.engine, s, "runc"}]
			fmt.Fprintf(b, " %s / %s |", word(ours), word(theirs))
			gaps = append(gaps, gap(c, s, "bulkhead", ours)...)
			gaps = append(gaps, gap(c, s, "runc", theirs)...)
		}
		b.WriteString("\n")
	}
	if len(gaps) > 0 {
		b.WriteString("\nGaps:\n\n" + strings.Join(gaps, ""))
	}
}

func (r *results) scenarios(columns []column) []string {
	var names []string
	for k := range r.outcomes {
		if slices.ContainsFunc(columns, func(c column) bool { return c.engine == k.engine }) {
			names = append(names, whole(k.scenario))
			if k.scenario == "" {
				r.outcomes[key{k.engine, whole(""), k.runtime}] = r.outcomes[k]
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// whole names a test without scenarios.
func whole(scenario string) string {
	if scenario == "" {
		return "all of it"
	}
	return scenario
}

func word(o *outcome) string {
	if o == nil {
		return "·"
	}
	return map[string]string{"pass": "yes", "fail": "**no**", "skip": "skipped"}[o.action]
}

func gap(c column, scenario, runtime string, o *outcome) []string {
	if o == nil || o.action == "pass" {
		return nil
	}
	said := strings.Join(o.said, " ")
	if len(said) > 300 {
		said = said[:300] + "..."
	}
	return []string{fmt.Sprintf("* `%s`, %s, %s: %s: %s\n", scenario, c.title, runtime, word(o), said)}
}

// figures lists what tests measured.
func (r *results) figures(b *strings.Builder) {
	if len(r.measured) == 0 {
		return
	}
	b.WriteString("\n## Measured\n\n| Engine | Runtime | Figures |\n|---|---|---|\n")
	slices.Sort(r.measured)
	for _, m := range slices.Compact(r.measured) {
		f := strings.SplitN(m, "\x00", 3)
		fmt.Fprintf(b, "| %s | %s | %s |\n", r.place(f[0]).title, f[1], f[2])
	}
}
