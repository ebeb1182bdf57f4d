// Command matrix makes the tables of docs/compatibility.md from what tests wrote.
//
//	matrix [-keep] -o docs/compatibility.md FILE...
//
// Each FILE has the output of `go test -json`. A test counts when its name has a runtime as an element, as in
// TestDocker/bulkhead/run/output: what is before it stands for the engine, what follows is the scenario. A test that
// writes "engine: VERSIONS" names the engine, and "measured: FIGURES" lines are listed. What stands between the two markers of the
// page is replaced; the rest is left as it is. Of results of one test the last one counts, so a long matrix can be made in
// pieces: give the files of all of them, or, with -keep, the new ones only: what they say nothing of stays as the page has it.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

const (
	begin = "<!-- made by make matrix: begin -->\n"
	end   = "<!-- made by make matrix: end -->\n"
)

func main() {
	page := flag.String("o", "docs/compatibility.md", "the page to rewrite")
	keep := flag.Bool("keep", false, "keep what the page says of engines and scenarios that the files do not speak of")
	flag.Parse()
	if err := run(*page, *keep, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func run(page string, keep bool, files []string) error {
	r := newResults()
	for _, name := range files {
		if err := r.readFile(name); err != nil {
			return err
		}
	}
	if len(r.outcomes) == 0 {
		return fmt.Errorf("read results: no test of an engine in %q", files)
	}
	old, err := os.ReadFile(page)
	if err != nil {
		return fmt.Errorf("read page: %w", err)
	}
	made := r.report()
	if keep {
		_, rest, _ := strings.Cut(string(old), begin)
		was, _, _ := strings.Cut(rest, end)
		made.keep(parsePage(was))
	}
	text, err := replace(string(old), made.markdown())
	if err != nil {
		return fmt.Errorf("rewrite %q: %w", page, err)
	}
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil { //nolint:gosec // a page of the documentation
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// replace puts text between the markers.
func replace(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("want the lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + text + end + after, nil
}
