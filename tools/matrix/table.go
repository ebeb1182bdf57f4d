package main

import (
	"fmt"
	"slices"
	"strings"
)

// families are the tests whose engines share a list of scenarios, by the title of their table and in its order.
var families = []struct{ test, title string }{
	{"TestDocker", docker}, {"TestDockerEngines", docker},
	{"TestDockerCopyLife", "docker cp on a running container"}, {"TestDockerCopyEngines", "docker cp on a running container"},
	{"TestContainerd", "containerd"}, {"TestCRI", "Kubernetes pods through containerd"}, {"TestPodman", podman},
	{"TestPodmanEngines", podman}, {"TestPodmanUnits", podman}, {"TestPodmanCopy", podman},
	{"TestRootlessDocker", rootless}, {"TestRootlessPodman", rootless},
	{"TestCLI", "The command line, called as engines call it"}, {"TestSystemdCgroup", "Cgroups made by systemd"},
	{"TestLSM", "AppArmor and SELinux profiles"}, {"", "Others"},
}

const (
	docker   = "Docker"
	podman   = "podman"
	rootless = "Rootless engines"
)

// A table is one family: a column for each engine on one kernel, with what is known of it, and the cells.
type table struct {
	title string
	// columns has the engine line of each column, which can be empty.
	columns map[string]string
	cells   map[cell]*outcome
}

// A cell is a scenario in a column, under one runtime.
type cell struct{ column, scenario, runtime string }

// A figure is what a test measured.
type figure struct{ column, runtime, text string }

// A report is what the page says.
type report struct {
	tables  map[string]*table
	figures []figure
}

func (r *report) table(title string) *table {
	if r.tables[title] == nil {
		r.tables[title] = &table{title: title, columns: map[string]string{}, cells: map[cell]*outcome{}}
	}
	return r.tables[title]
}

// place says in which family the tests of an engine stand, and in which column. A guest may have several works: what follows a dash
// in its name says which.
func place(engine, line string) (family, column string) {
	where, test := "this kernel", engine
	if rest, ok := strings.CutPrefix(engine, "TestGuest/"); ok {
		var guest string
		guest, test, _ = strings.Cut(rest, "/")
		guest, _, _ = strings.Cut(guest, "-")
		where = "guest " + guest
	}
	first, version, _ := strings.Cut(test, "/")
	family, column = "Others", strings.TrimSpace(strings.TrimPrefix(first, "Test")+" "+version)
	for _, f := range families {
		if f.test == first {
			family, column = f.title, version
		}
	}
	if number := strings.SplitN(strings.TrimPrefix(line, "podman "), ".", 3); family == podman && version == "" && len(number) == 3 {
		column = number[0] + "." + number[1]
	}
	if family == rootless {
		column = strings.TrimSpace(strings.TrimPrefix(first, "TestRootless") + " " + version)
	}
	if family == docker && line != "" {
		column, _, _ = strings.Cut(strings.TrimPrefix(line, "Docker "), ",")
		column, _, _ = strings.Cut(column, "+")
	}
	return family, strings.TrimPrefix(column+", "+where, ", ")
}

// report puts the outcomes into tables. Of two for one cell the one that began later counts.
func (r *results) report() *report {
	r.finish()
	p := &report{tables: map[string]*table{}}
	for k, o := range r.outcomes {
		family, column := place(k.engine, r.engines[k.engine])
		t := p.table(family)
		// What stands alone in a column of scenarios may run with other settings.
		if line := r.engines[k.engine]; line != "" && k.scenario != "" {
			t.columns[column] = line
		}
		c := cell{column, whole(k), k.runtime}
		if old := t.cells[c]; old == nil || old.begun < o.begun {
			t.cells[c] = o
		}
		for _, text := range o.measured {
			p.figures = append(p.figures, figure{column, k.runtime, text})
		}
	}
	return p
}

// whole names a scenario, and a test without any: by its own name in a table of scenarios. The testing package writes spaces as underscores.
func whole(k key) string {
	if k.scenario == "" {
		if test := k.engine[strings.LastIndexByte(k.engine, '/')+1:]; test == "TestPodman" || test == "TestPodmanCopy" {
			return test
		}
		return "all of it"
	}
	return strings.ReplaceAll(k.scenario, "_", " ")
}

func (r *report) markdown() string {
	var b strings.Builder
	for i, f := range families {
		if t := r.tables[f.title]; t != nil && (i == 0 || families[i-1].title != f.title) {
			t.write(&b)
		}
	}
	r.writeFigures(&b)
	return b.String()
}

// write writes what ran, the rows, and a line for each cell that is not a plain success.
func (t *table) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n\n", t.title)
	columns, scenarios := t.axes()
	for _, c := range columns {
		if line := t.columns[c]; line != "" {
			fmt.Fprintf(b, "* **%s**: %s\n", c, line)
		}
	}
	b.WriteString("\n| Scenario |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	var gaps []string
	for _, s := range scenarios {
		fmt.Fprintf(b, "| `%s` |", s)
		for _, c := range columns {
			ours, theirs := cell{c, s, "bulkhead"}, cell{c, s, "runc"}
			fmt.Fprintf(b, " %s / %s |", t.cells[ours].word(), t.cells[theirs].word())
			gaps = append(gaps, t.gap(ours)...)
			gaps = append(gaps, t.gap(theirs)...)
		}
		b.WriteString("\n")
	}
	if len(gaps) > 0 {
		b.WriteString("\nGaps:\n\n" + strings.Join(gaps, ""))
	}
}

// axes are the columns, this kernel's engines and guests of a version side by side, and the scenarios.
func (t *table) axes() (columns, scenarios []string) {
	for c := range t.cells {
		columns, scenarios = append(columns, c.column), append(scenarios, c.scenario)
	}
	slices.Sort(columns)
	slices.Sort(scenarios)
	return slices.Compact(columns), slices.Compact(scenarios)
}

// words are how a cell says what became of a test.
var words = map[string]string{"pass": "yes", "fail": "**no**", "skip": "skipped"}

func (o *outcome) word() string {
	if o == nil {
		return "·"
	}
	return words[o.action]
}

func (t *table) gap(c cell) []string {
	o := t.cells[c]
	if o == nil || o.action == "pass" {
		return nil
	}
	said := strings.Join(o.said, " ")
	if len(said) > 300 {
		said = strings.ToValidUTF8(said[:300], "") + "..."
	}
	return []string{fmt.Sprintf("* `%s`, %s, %s: %s: %s\n", c.scenario, c.column, c.runtime, o.word(), said)}
}

// writeFigures lists what tests measured.
func (r *report) writeFigures(b *strings.Builder) {
	if len(r.figures) == 0 {
		return
	}
	b.WriteString("\n## Measured\n\n| Engine | Runtime | Figures |\n|---|---|---|\n")
	var lines []string
	for _, f := range r.figures {
		lines = append(lines, fmt.Sprintf("| %s | %s | %s |\n", f.column, f.runtime, f.text))
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(slices.Compact(lines), ""))
}
