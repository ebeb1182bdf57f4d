package integration

import (
	"os/exec"
	"strings"
	"testing"
)

// TestWordsOfTheCommandLine: create and run find their mount namespace whatever else the command line says, because the
// runtime looks for their names before it has parsed anything.
func TestWordsOfTheCommandLine(t *testing.T) {
	b := newBundle(t, "bulkhead", args("true"))
	long := strings.Repeat("./", 1500)
	for _, words := range [][]string{
		{"--root", "init"},
		{"--root=state", "--log", "create"},
		{"--root", long + "a", "--log", long + "log", "--log-format=json"},
	} {
		cmd := exec.Command(b.program, append(words, "run", "--bundle", b.dir, b.id)...)
		cmd.Dir = b.dir
		must(t, run(t, cmd))
	}
}
