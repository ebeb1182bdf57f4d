// Command testsum runs `go test -json ...` (its arguments), shows the output of what failed, lists what was skipped and
// why, and ends with one line "N passed, N failed, N skipped" that counts the tests and subtests of all packages.
//
// It exits with 1 when a test or a package failed, when the command failed, or when no test ran.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// An event is one line of `go test -json`, see `go doc test2json`.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// A tally counts outcomes and keeps what people need to read about them.
type tally struct {
	passed, failed, skipped int
	badPackages             int
	skips                   []string
	output                  map[string][]string
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: testsum go test -json PACKAGES")
		os.Exit(2)
	}
	os.Exit(run(os.Args[1:], os.Stdout))
}

func run(command []string, w io.Writer) int {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // the caller's own command is the purpose
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintf(w, "start %q: %v\n", command[0], err)
		return 1
	}
	t := tally{output: map[string][]string{}}
	readErr := t.read(stdout, w)
	waitErr := cmd.Wait()
	for _, err := range []error{readErr, waitErr} {
		if err != nil {
			fmt.Fprintf(w, "run %q: %v\n", strings.Join(command, " "), err)
		}
	}
	t.report(w)
	if readErr != nil || waitErr != nil || t.failed+t.badPackages > 0 || t.passed == 0 {
		return 1
	}
	return 0
}

func (t *tally) read(r io.Reader, w io.Writer) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			t.line(line, w)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read test output: %w", err)
		}
	}
}

func (t *tally) line(line []byte, w io.Writer) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		_, _ = w.Write(line)
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(w, e.Output)
	case "output":
		t.output[key] = append(t.output[key], e.Output)
	case "pass", "fail", "skip":
		t.count(e, key, w)
		delete(t.output, key)
	}
}

func (t *tally) count(e event, key string, w io.Writer) {
	if e.Test == "" {
		t.countPackage(e, key, w)
		return
	}
	switch e.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
		fmt.Fprintf(w, "%s", strings.Join(t.output[key], ""))
	case "skip":
		t.skipped++
		t.skips = append(t.skips, fmt.Sprintf("%s.%s: %s", e.Package, e.Test, reason(t.output[key])))
	}
}

func (t *tally) countPackage(e event, key string, w io.Writer) {
	if e.Action == "fail" {
		t.badPackages++
		fmt.Fprintf(w, "%s", strings.Join(t.output[key], ""))
	}
	if e.Action != "skip" {
		fmt.Fprintf(w, "%-4s %s (%.1f s)\n", e.Action, e.Package, e.Elapsed)
	}
}

// reason is what a test said before it was skipped, on one line.
func reason(output []string) string {
	var words []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			words = append(words, line)
		}
	}
	return strings.Join(words, " ")
}

func (t *tally) report(w io.Writer) {
	if len(t.skips) > 0 {
		fmt.Fprintln(w, "skipped:")
		for _, s := range t.skips {
			fmt.Fprintln(w, "  "+s)
		}
	}
	if t.badPackages > 0 {
		fmt.Fprintf(w, "packages that failed: %d\n", t.badPackages)
	}
	fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
}
