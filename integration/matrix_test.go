package integration

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMatrixHasEveryScenario: docs/compatibility.md has a row for each scenario of Docker, and no row of one that is gone. A
// new scenario is not done before `make matrix` has run with it.
func TestMatrixHasEveryScenario(t *testing.T) {
	page := readDoc(t, filepath.Join("..", "docs", "compatibility.md"))
	_, table, ok := strings.Cut(page, "\n## Docker\n")
	if !ok {
		t.Fatal("docs/compatibility.md has no table of Docker: run `make matrix`")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		rows = append(rows, row[1])
	}
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
		if !slices.Contains(rows, s.name) {
			t.Errorf("docs/compatibility.md has no row for the scenario %q: run `make matrix`", s.name)
		}
	}
	for _, row := range rows {
		if !slices.Contains(names, row) {
			t.Errorf("docs/compatibility.md has a row %q, and there is no scenario of that name: run `make matrix`", row)
		}
	}
}
