package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// A result is what a command printed and how it ended.
type result struct {
	args           []string
	stdout, stderr string
	code           int
}

func (r result) String() string {
	return fmt.Sprintf("%s\nexit status %d\nstdout: %s\nstderr: %s", strings.Join(r.args, " "), r.code, r.stdout, r.stderr)
}

// run runs a command to its end. Only a command that cannot be started or that never ends fails the test.
func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*deadline)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !stop() {
		t.Fatalf("%s has not ended after %v", strings.Join(cmd.Args, " "), 2*deadline)
	}
	r := result{args: cmd.Args, stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", r, err)
	}
	return r
}

// must fails the test unless the command succeeded, and gives its output without the last newline.
func must(t testing.TB, r result) string {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("run %s", r)
	}
	return strings.TrimRight(r.stdout, "\r\n")
}

// refused fails the test unless the command failed with a message that contains all words.
func refused(t testing.TB, r result, words ...string) {
	t.Helper()
	if r.code == 0 {
		t.Fatalf("want a refusal: %s", r)
	}
	for _, w := range words {
		if !strings.Contains(r.stderr+r.stdout, w) {
			t.Errorf("want %q in the message: %s", w, r)
		}
	}
}

// equal compares what was found with what was expected.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, fmt.Sprint(got), fmt.Sprint(want))
	}
}
