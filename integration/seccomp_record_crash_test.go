package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCrashWalkRecording kills a recording create at each state-changing call, as TestCrashWalk does without a recorder. Recorders
// that were in place end with the container that delete kills, and leave no file.
func TestCrashWalkRecording(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	before := bulkheadPrograms(t)
	files := t.TempDir()
	n := 0
	w := walk{name: "create", command: func(b *bundle) []string {
		n++
		return append([]string{"--record", "--record-file", filepath.Join(files, fmt.Sprint(n))}, createArgs(b)...)
	}}
	w.run(t, crash{})
	eventually(t, "the recorders to end", func() error {
		left, err := os.ReadDir(files)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d files are left, such as %s", len(left), left[0].Name())
		}
		return err
	})
	entries, err := filepath.Glob("/run/bulkhead/recorders/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if text, err := os.ReadFile(e); err == nil && strings.Contains(string(text), files) {
			t.Errorf("the entry of a recorder is left: %s", text)
		}
	}
	noNewPrograms(t, before)
}
