package integration

import (
	"fmt"
	"os"
	"testing"
)

// A walk kills one command of the runtime at each of its calls, one after another.
type walk struct {
	name string
	// args are the container's command.
	args []string
	// before brings the container into the state that the command wants.
	before func(*testing.T, *bundle)
	// command is the runtime's command.
	command func(*bundle) []string
	// after asserts what must hold right after the crash, before the clean-up.
	after func(*testing.T, *bundle, crashed)
}

func createArgs(b *bundle) []string {
	return []string{"create", "--bundle", b.dir, "--pid-file", b.dir + "/pid", b.id}
}

func created(t *testing.T, b *bundle) { must(t, b.create(t)) }
func started(t *testing.T, b *bundle) { b.running(t) }

// stillRuns asserts that a killed command of somebody else did the container no harm.
func stillRuns(t *testing.T, b *bundle, c crashed) {
	if got := b.status(t); got != "running" {
		t.Errorf("%s: status is %q, want running", c, got)
	}
	equal(t, c.String()+": exec", b.do(t, "exec", b.id, "echo", "fine"), "fine")
	checkBounded(t, b.pid(t))
}

var walks = []walk{
	{name: "create", command: createArgs},
	{name: "start", before: created, command: func(b *bundle) []string { return []string{"start", b.id} }},
	{name: "run", args: []string{"true"}, command: func(b *bundle) []string {
		return []string{"run", "--bundle", b.dir, "--pid-file", b.dir + "/pid", b.id}
	}},
	{name: "exec", before: started, after: stillRuns, command: func(b *bundle) []string {
		return []string{"exec", "--pid-file", b.dir + "/exec-pid", b.id, "true"}
	}},
	{name: "update", before: started, after: stillRuns, command: func(b *bundle) []string {
		return []string{"update", "--pids-limit", "77", b.id}
	}},
	{name: "kill", before: started, command: func(b *bundle) []string { return []string{"kill", b.id, "KILL"} }},
	{name: "delete", before: started, command: func(b *bundle) []string { return []string{"delete", "--force", b.id} }},
}

// TestCrashWalk kills the runtime with SIGKILL at each state-changing call of create, start, run, exec, update, kill and
// delete. After each crash `delete --force` succeeds and nothing is left. BULKHEAD_TEST_FULL=1 also counts the calls of
// the runtime's children, and kills children and whole process groups.
func TestCrashWalk(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	modes := map[string]crash{"runtime": {}}
	if os.Getenv("BULKHEAD_TEST_FULL") != "" {
		modes["at-any-call"] = crash{everybody: true}
		modes["caller"] = crash{everybody: true, caller: true}
		modes["group"] = crash{everybody: true, group: true}
	}
	for mode, c := range modes {
		for _, w := range walks {
			t.Run(w.name+"/"+mode, func(t *testing.T) { w.run(t, c) })
		}
	}
}

func (w walk) run(t *testing.T, c crash) {
	command := w.args
	if command == nil {
		command = []string{"sleep", "1000"}
	}
	b := newBundle(t, "bulkhead", args(command...))
	b.onOverlay(t)
	watch := newWatch(t, b)
	for c.at = 1; ; c.at++ {
		if w.before != nil {
			w.before(t, b)
		}
		got := c.run(t, watch.command(t, w.command(b)...))
		if !got.hit {
			if status := got.status.ExitStatus(); status != 0 {
				t.Errorf("exit status of a walk to the end is %d: %s", status, b.output(t, "stderr"))
			}
		}
		if got.hit && w.after != nil {
			w.after(t, b, got)
		}
		after := fmt.Sprintf("%s %s", w.name, got)
		if r := b.try(t, "delete", "--force", b.id); r.code != 0 {
			t.Fatalf("after %s: %s", after, r)
		}
		watch.gone(t, after)
		if !got.hit {
			t.Logf("%d calls", c.at-1)
			return
		}
	}
}
