package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// runtimes are the elements of a test's name that make it one of the matrix.
var runtimes = []string{"bulkhead", "runc"}

// A key says what was tried: the tests of an engine, the scenario, and under which runtime.
type key struct{ engine, scenario, runtime string }

// An outcome is how a test ended: pass, fail or skip, and what it said.
type outcome struct {
	action         string
	said, measured []string
	// begun is its place among all that began.
	begun int
}

type results struct {
	outcomes map[key]*outcome
	// engines has the engine line of the tests of an engine.
	engines map[string]string
	begun   int
}

func newResults() *results {
	return &results{outcomes: map[key]*outcome{}, engines: map[string]string{}}
}

// parse takes a test's name apart. A test of an engine without scenarios is one scenario itself.
func parse(test string) (key, bool) {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		if i > 0 && slices.Contains(runtimes, p) {
			return key{strings.Join(parts[:i], "/"), strings.Join(parts[i+1:], "/"), p}, true
		}
	}
	return key{}, false
}

func (r *results) readFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	defer f.Close()
	if err := r.read(f); err != nil {
		return fmt.Errorf("read %q: %w", name, err)
	}
	return nil
}

func (r *results) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) == nil {
			if k, ok := parse(e.Test); ok {
				r.take(k, e.Action, e.Output)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *results) take(k key, action, output string) {
	o := r.outcomes[k]
	if o == nil {
		o = &outcome{}
		r.outcomes[k] = o
	}
	switch action {
	case "run":
		r.begun++
		*o = outcome{begun: r.begun} // a later file has a newer result
	case "pass", "fail", "skip":
		o.action = action
	case "output":
		r.said(k, o, strings.TrimSpace(output))
	}
}

// said takes a line that a test wrote. The testing package puts the place in front: "file_test.go:12: ".
func (r *results) said(k key, o *outcome, line string) {
	if line == "" || strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---") {
		return
	}
	if place, text, ok := strings.Cut(line, ": "); ok && strings.Contains(place, ".go:") {
		line = text
	}
	if line == "in the guest:" {
		return
	}
	if text, ok := strings.CutPrefix(line, "engine: "); ok {
		r.engines[k.engine] = text
		return
	}
	if text, ok := strings.CutPrefix(line, "measured: "); ok {
		o.measured = append(o.measured, text)
		return
	}
	o.said = append(o.said, line)
}

// untried is what the integration tests say of a guest's test that was still waiting for its turn when the guest ended.
const untried = "the guest has ended before it was tried"

// finish drops what is no row: groups of scenarios, parts of a scenario, tests that did not end, and those that were not tried. Each engine with
// scenarios also has a test around them, whose outcome says nothing of its own.
func (r *results) finish() {
	parts := map[key]bool{}
	for k := range r.outcomes {
		for p := k.scenario; p != ""; {
			p = parent(p)
			above := key{k.engine, p, k.runtime}
			if _, ok := r.outcomes[above]; ok && p != "" {
				parts[k] = true
			} else if ok {
				parts[above] = true
			}
		}
	}
	for k, o := range r.outcomes {
		if parts[k] || o.action == "" || slices.Contains(o.said, untried) {
			delete(r.outcomes, k)
		}
	}
}

func parent(scenario string) string {
	return scenario[:max(0, strings.LastIndexByte(scenario, '/'))]
}
