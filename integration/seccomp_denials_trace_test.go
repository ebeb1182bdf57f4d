package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A denialsTrace is strace, which follows a process and its children.
type denialsTrace struct {
	cmd  *exec.Cmd
	file string
}

func straceOf(t *testing.T, pid int) *denialsTrace {
	t.Helper()
	s := &denialsTrace{file: filepath.Join(t.TempDir(), "trace")}
	s.cmd = exec.Command("strace", "-f", "-o", s.file, "-p", fmt.Sprint(pid))
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	eventually(t, "strace", func() error {
		if tracer := statusOf(t, pid)["TracerPid"]; tracer != fmt.Sprint(s.cmd.Process.Pid) {
			return fmt.Errorf("tracer is %s", tracer)
		}
		return nil
	})
	return s
}

// failedCall is the end of a line about a call that failed.
var failedCall = regexp.MustCompile(`\) += -1 (E[A-Z0-9]+) `)

// failed counts by name and error what strace saw of calls that are in like.
func (s *denialsTrace) failed(t *testing.T, like map[string]uint64) map[string]uint64 {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	data, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]uint64{}
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		end := failedCall.FindStringSubmatch(line)
		if end == nil || len(words) < 3 {
			continue
		}
		name, _, _ := strings.Cut(words[1], "(")
		if words[1] == "<..." {
			name = words[2]
		}
		if name == "syscall_0x3e8" {
			name = "system call 1000"
		}
		if key := name + " " + end[1]; like[key] > 0 {
			out[key]++
		}
	}
	return out
}
