package integration

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsNameRealTests: a promise that names a test which is not there is an empty one.
func TestDocsNameRealTests(t *testing.T) {
	functions := testFunctions(t)
	text := readDoc(t, filepath.Join("..", "docs", "threat-model.md"))
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w+(\.\.\.)?`).FindAllString(text, -1) {
		stem, any := strings.CutSuffix(name, "...")
		if !slices.ContainsFunc(functions, func(f string) bool { return f == stem || any && strings.HasPrefix(f, stem) }) {
			t.Errorf("docs/threat-model.md names %s, and there is no test of that name", name)
		}
	}
	known := scenarioNames(t)
	lists := regexp.MustCompile("(Docker|CLI) ((?:`[^`]+`(?:, )?)+)").FindAllStringSubmatch(text, -1)
	if len(lists) == 0 {
		t.Error("docs/threat-model.md names no scenario")
	}
	for _, l := range lists {
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(l[2], -1) {
			if !slices.Contains(known[l[1]], name[1]) {
				t.Errorf("docs/threat-model.md names the scenario %s %q, and there is none of that name", l[1], name[1])
			}
		}
	}
}

// scenarioNames are the names of the scenarios that drive Docker and of the cases that drive the command line.
func scenarioNames(t *testing.T) map[string][]string {
	t.Helper()
	names := map[string][]string{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`(?m)^\t\{"([^"]+)", (?:true|false), func\(t \*testing\.T, (d \*docker|runtime string)\)`)
	for _, f := range files {
		for _, m := range entry.FindAllStringSubmatch(readDoc(t, f), -1) {
			door := map[string]string{"d *docker": "Docker", "runtime string": "CLI"}[m[2]]
			names[door] = append(names[door], m[1])
		}
	}
	return names
}

// testFunctions are the names of all tests and fuzz targets of the module.
func testFunctions(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(readDoc(t, path), -1) {
			names = append(names, m[1])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDocsLinks: links within the repository lead somewhere.
func TestDocsLinks(t *testing.T) {
	pages, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"../docs/*.md", "../docs/*/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	for _, page := range pages {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(readDoc(t, page), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, link[1], err)
			}
		}
	}
}

func readDoc(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
