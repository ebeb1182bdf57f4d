package integration

import (
	"slices"
	"testing"
)

// A cve is a published flaw of a container runtime, with its precondition made real. docs/cves.md says which wall stops
// each one.
type cve struct {
	id  string
	run func(*testing.T)
}

// TestCVE attacks the runtime in the ways in which others were broken.
func TestCVE(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for _, c := range slices.Concat(programCVEs, mountCVEs, devCVEs) {
		t.Run(c.id, c.run)
	}
}
