// Command matrix makes the tables of docs/compatibility.md from what tests wrote.
//
//	matrix -o docs/compatibility.md FILE...
//
// Each FILE has the output of `go test -json`. A test counts when its name has a runtime as an element, as in
// TestDocker/bulkhead/run/output: what is before it stands for the engine, what follows is the scenario. A test that
// writes "engine: VERSIONS" names the engine, and "measured: FIGURES" lines are listed. What stands between the two markers of the
// page is replaced; the rest is left as it is.
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
	flag.Parse()
	if err := run(*page, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
		os.Exit(1)
	}
}

func run(page string, files []string) error {
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
	text, err := replace(string(old), r.markdown())
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
