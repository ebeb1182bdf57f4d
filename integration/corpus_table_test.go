package integration

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// A corpusResult is what an image did under one runtime.
type corpusResult struct {
	runtime      string
	works        bool
	made, denied callTally
}

// A corpusRow is what an image did under all runtimes.
type corpusRow struct {
	image   corpusImage
	missing string
	results []corpusResult
}

func (r corpusRow) under(runtime string) (corpusResult, bool) {
	i := slices.IndexFunc(r.results, func(c corpusResult) bool { return c.runtime == runtime })
	if i < 0 {
		return corpusResult{}, false
	}
	return r.results[i], true
}

// A corpusTable is the result of a run.
type corpusTable struct {
	rows    []corpusRow
	counted bool
}

// publish shows the table, and writes it to the file that BULKHEAD_CORPUS_TABLE names.
func (c *corpusTable) publish(t *testing.T) {
	t.Helper()
	text := c.overview()
	if c.counted {
		text += "\n" + c.denials() + "\n" + c.unused(t)
	}
	t.Log("\n" + text)
	if path := os.Getenv("BULKHEAD_CORPUS_TABLE"); path != "" {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a report
			t.Fatal(err)
		}
	}
}

func (c *corpusTable) overview() string {
	var b strings.Builder
	b.WriteString("| image | work load | runc + Docker's profile | bulkhead default | bulkhead restricted | calls used |\n|---|---|---|---|---|---|\n")
	for _, r := range c.rows {
		used := "not counted"
		if host, ok := r.under("runc"); ok && c.counted {
			used = fmt.Sprint(len(host.made))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.image.name, r.image.what, r.verdict("runc"), r.verdict("bulkhead"), r.verdict("bulkhead-restricted"), used)
	}
	return b.String()
}

func (r corpusRow) verdict(runtime string) string {
	result, ok := r.under(runtime)
	switch {
	case !ok && r.missing != "":
		return "not run: " + r.missing
	case !ok:
		return "not run: " + r.image.unfit
	case result.works:
		return "works"
	}
	return "fails"
}

// denials lists the calls that a filter denied while the work was done, with their number.
func (c *corpusTable) denials() string {
	var b strings.Builder
	b.WriteString("| image | denied by Docker's profile | denied by default | denied by restricted |\n|---|---|---|---|\n")
	for _, r := range c.rows {
		fmt.Fprintf(&b, "| %s |", r.image.name)
		for _, runtime := range []string{"runc", "bulkhead", "bulkhead-restricted"} {
			result, _ := r.under(runtime)
			var list []string
			for _, name := range result.denied.names() {
				list = append(list, fmt.Sprintf("%s %d", name, result.denied[name]))
			}
			fmt.Fprintf(&b, " %s |", strings.Join(list, ", "))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// unused lists, for each profile, the calls that it permits whatever their arguments and that no image made under runc, and
// then those that few made.
func (c *corpusTable) unused(t *testing.T) string {
	users := map[string][]string{}
	for _, r := range c.rows {
		for _, result := range r.results {
			for name := range result.made {
				if !slices.Contains(users[name], r.image.name) {
					users[name] = append(users[name], r.image.name)
				}
			}
		}
	}
	var b strings.Builder
	for _, profile := range []string{"default", "restricted"} {
		s, err := profiles.SeccompProfile(profile)
		if err != nil {
			t.Fatal(err)
		}
		p, err := seccomp.FromOCI(s, runtime.GOARCH)
		if err != nil {
			t.Fatal(err)
		}
		var none, few []string
		for _, call := range p.Calls {
			switch by := users[call.Name]; {
			case len(call.Rules[0].Conds) > 0 || !call.Rules[0].Verdict.Action.Permits():
			case len(by) == 0:
				none = append(none, call.Name)
			case len(by) == 1:
				few = append(few, call.Name+" ("+by[0]+")")
			}
		}
		free, conditional := p.Reachable()
		fmt.Fprintf(&b, "%s permits %d calls whatever their arguments and %d for some. Of the former, no image made %d: %s. One image made: %s.\n\n",
			profile, free, conditional, len(none), strings.Join(none, ", "), strings.Join(few, ", "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}
