package integration

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A guestTest is a test of a guest: what it wrote, how it ended, and the tests below it in their order.
type guestTest struct {
	name string
	// outcome is PASS, FAIL, SKIP, or empty while it runs or waits.
	outcome string
	// waits says that it is to run beside others and was not continued.
	waits  bool
	output strings.Builder
	below  []*guestTest
}

// A guestOutput reads what a test program writes with -test.v=test2json, line by line.
type guestOutput struct {
	tests map[string]*guestTest
	// current is the test that plain lines belong to; nil before the first and after the last.
	current *guestTest
	// stray has the lines that belong to no test: what a test program says that ends badly.
	stray strings.Builder
}

// With test2json a line about a test begins with this character (ASCII SYN), whatever a test has written before it.
const guestMark = "\x16"

var (
	guestChange = regexp.MustCompile(`^=== (RUN|NAME|PAUSE|CONT) +(.*)$`)
	guestEnd    = regexp.MustCompile(`^ *--- (PASS|FAIL|SKIP): (.*) \([0-9.]+s\)$`)
)

// read reads to the end and calls done with each test that has none above it, when it has ended.
func (g *guestOutput) read(r io.Reader, done func(*guestTest)) error {
	g.tests = map[string]*guestTest{}
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if t := g.line(strings.TrimRight(line, "\r\n")); t != nil {
			done(t)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line, and gives the test without one above it that has ended with it.
func (g *guestOutput) line(line string) *guestTest {
	if text, marked, ok := strings.Cut(line, guestMark); ok {
		g.write(text)
		if m := guestChange.FindStringSubmatch(marked); m != nil {
			g.current = g.test(m[2])
			if g.current != nil && m[1] != "NAME" {
				g.current.waits = m[1] == "PAUSE"
			}
			return nil
		}
		if m := guestEnd.FindStringSubmatch(marked); m != nil {
			t := g.test(m[2])
			t.outcome = m[1]
			g.current = t
			if !strings.Contains(t.name, "/") {
				g.current = nil
				return t
			}
			return nil
		}
		line = marked
	}
	g.write(line)
	return nil
}

func (g *guestOutput) write(text string) {
	switch {
	case text == "":
	case g.current != nil:
		g.current.output.WriteString(text + "\n")
	case !slices.Contains([]string{"PASS", "FAIL", "booted", "the tests ended with exit status 1"}, text):
		g.stray.WriteString(text + "\n")
	}
}

// test finds a test by its name, or adds it below its parent.
func (g *guestOutput) test(name string) *guestTest {
	if name == "" {
		return nil
	}
	if t := g.tests[name]; t != nil {
		return t
	}
	t := &guestTest{name: name}
	g.tests[name] = t
	// A subtest's own name may have slashes: its parent is the longest name that there is.
	for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
		if parent := g.tests[name[:i]]; parent != nil {
			parent.below = append(parent.below, t)
			break
		}
	}
	return t
}

// unfinished are the tests that have begun and not ended, those with none above them.
func (g *guestOutput) unfinished() []*guestTest {
	var list []*guestTest
	for _, t := range g.tests {
		if t.outcome == "" && !strings.Contains(t.name, "/") {
			list = append(list, t)
		}
	}
	return list
}

// replay gives a guest's test, and all below it, as subtests of t with the same names, output and outcomes.
func (gt *guestTest) replay(t *testing.T, above string) {
	t.Helper()
	t.Run(strings.TrimPrefix(gt.name, above), func(t *testing.T) {
		for _, b := range gt.below {
			b.replay(t, gt.name+"/")
		}
		if text := gt.output.String(); strings.TrimSpace(text) != "" {
			t.Log("in the guest:\n" + text)
		}
		switch {
		case gt.outcome == "" && gt.waits:
			t.Error("the guest has ended before it was tried") // tools/matrix knows these words
		case gt.outcome == "":
			t.Error("it began in the guest and has not ended")
		case gt.outcome == "SKIP":
			t.SkipNow() // the output has why
		case gt.outcome == "FAIL" && !t.Failed():
			t.Error("it failed in the guest")
		}
	})
}

// A program that mixes its tests' lines, skips, fails below, writes without a newline, and ends in the middle.
func TestGuestOutput(t *testing.T) {
	const text = "hello\n" +
		"\x16=== RUN   TestA\n\x16=== RUN   TestA/b/c\n\x16=== PAUSE TestA/b/c\n\x16=== RUN   TestA/d\n    x_test.go:1: of d\n" +
		"\x16=== NAME  TestA/b/c\n    of c\nno newline\x16=== NAME  TestA/d\n    of d again\n" +
		"\x16--- FAIL: TestA/d (0.50s)\n\x16=== NAME  TestA\n\x16=== CONT  TestA/b/c\n    x_test.go:3: why\n" +
		"\x16--- SKIP: TestA/b/c (0.00s)\n\x16--- FAIL: TestA (1.00s)\n" +
		"\x16=== NAME  \n\x16=== RUN   TestE\n\x16--- PASS: TestE (0.00s)\n\x16=== NAME  \n\x16=== RUN   TestF\n" +
		"\x16=== RUN   TestF/a\n\x16=== PAUSE TestF/a\n\x16=== RUN   TestF/b\n\x16=== PAUSE TestF/b\n\x16=== CONT  TestF/b\n\x16=== NAME  TestF\npanic: oh\n"
	var g guestOutput
	var ended []string
	if err := g.read(strings.NewReader(text), func(t *guestTest) { ended = append(ended, t.name) }); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, name := range []string{"TestA", "TestA/b/c", "TestA/d", "TestE", "TestF", "TestF/a", "TestF/b"} {
		gt := g.tests[name]
		fmt.Fprintf(&got, "%s %q %q %d %v\n", name, gt.outcome, gt.output.String(), len(gt.below), gt.waits)
	}
	equal(t, "tests", got.String(), `TestA "FAIL" "" 2 false
TestA/b/c "SKIP" "    of c\nno newline\n    x_test.go:3: why\n" 0 false
TestA/d "FAIL" "    x_test.go:1: of d\n    of d again\n" 0 false
TestE "PASS" "" 0 false
TestF "" "panic: oh\n" 2 false
TestF/a "" "" 0 true
TestF/b "" "" 0 false
`)
	equal(t, "ended", strings.Join(ended, " "), "TestA TestE")
	equal(t, "unfinished", len(g.unfinished()), 1)
	equal(t, "stray", g.stray.String(), "hello\n")
}
