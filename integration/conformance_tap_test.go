package integration

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// A batsCase is the outcome of one case of the suite.
type batsCase struct {
	name    string
	passed  bool
	skipped string // why
	output  string // of a failed case
}

var (
	tapPlan = regexp.MustCompile(`(?m)^1\.\.(\d+)`)
	tapLine = regexp.MustCompile(`^(ok|not ok) (\d+) (.*?)(?: in \d+ms)?(?: # skip ?(.*?))?(?: in \d+ms)?$`)
	tapEnd  = regexp.MustCompile(`(?m)^(ok|not ok) \d+ `)
)

// parseTAP reads the output of bats --tap.
func parseTAP(out string) (cases []batsCase) {
	for _, line := range strings.Split(out, "\n") {
		m := tapLine.FindStringSubmatch(line)
		if m == nil {
			if n := len(cases); n > 0 && strings.HasPrefix(line, "#") {
				cases[n-1].output += line + "\n"
			}
			continue
		}
		c := batsCase{name: m[3], passed: m[1] == "ok", skipped: m[4]}
		if strings.Contains(line, "# skip") && c.skipped == "" {
			c.skipped = "no reason given"
		}
		cases = append(cases, c)
	}
	return cases
}

// tapEnded tells whether the last case that the plan names has been reported.
func tapEnded(out []byte) bool {
	plan := tapPlan.FindSubmatch(out)
	if plan == nil {
		return false
	}
	n, err := strconv.Atoi(string(plan[1]))
	return err == nil && len(tapEnd.FindAllIndex(out, -1)) >= n
}

// A deviation is why a case of the suite fails under bulkhead.
type deviation struct{ kind, why string }

// deviations are by file and name of the case.
type deviations map[string]map[string]*deviation

// take gives a case's deviation, nil when it is to pass, and takes it from the list.
func (d deviations) take(file, name string) *deviation {
	found := d[file][name]
	delete(d[file], name)
	return found
}

// left are the cases of a file that were not taken.
func (d deviations) left(file string) (names []string) {
	for name := range d[file] {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// conformanceList reads testdata/conformance.txt: lines of "file<TAB>case<TAB>kind<TAB>reason". The kind is "rule NAME" with a
// rule of the table, "design" for a decision that docs/decisions or the manual pages give, or "machine" for what the
// suite's own runtime fails at as well where these tests run.
func conformanceList(t *testing.T) deviations {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "conformance.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, r := range harden.Rules {
		rules = append(rules, r.ID)
	}
	list := deviations{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 4 || fields[3] == "" {
			t.Fatalf("conformance.txt:%d: want file, case, kind and reason with tabs between", n)
		}
		rule, isRule := strings.CutPrefix(fields[2], "rule ")
		if isRule && !slices.Contains(rules, rule) || !isRule && fields[2] != "design" && fields[2] != "machine" {
			t.Fatalf("conformance.txt:%d: %q is neither a rule of the table nor design nor machine", n, fields[2])
		}
		if list[fields[0]] == nil {
			list[fields[0]] = map[string]*deviation{}
		}
		if list[fields[0]][fields[1]] != nil {
			t.Fatalf("conformance.txt:%d: %q is listed twice", n, fields[1])
		}
		list[fields[0]][fields[1]] = &deviation{fields[2], fields[3]}
	}
	return list
}

// TestConformanceTAP holds the reader of the suite's output to what bats prints.
func TestConformanceTAP(t *testing.T) {
	const out = "1..4\nok 1 a # b in 12ms\nnot ok 2 c [d] in 3ms\n# why\n# more\nok 3 e in 5ms # skip test requires criu\nok 4 f # skip\n"
	got := parseTAP(out)
	want := []batsCase{
		{name: "a # b", passed: true},
		{name: "c [d]", output: "# why\n# more\n"},
		{name: "e", passed: true, skipped: "test requires criu"},
		{name: "f", passed: true, skipped: "no reason given"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if !tapEnded([]byte(out)) || tapEnded([]byte(out[:40])) {
		t.Error("the end is not where the plan says")
	}
}
