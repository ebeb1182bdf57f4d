package main

import (
	"flag"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/cmd/internal/manual"
)

var update = flag.Bool("update", false, "write the manual page")

// TestManual holds bulkheadctl(8) to the definitions of the commands.
func TestManual(t *testing.T) {
	page, err := manual.Program(newApp())
	if err != nil {
		t.Fatal(err)
	}
	if err := manual.Compare("../../man/bulkheadctl.8", page, *update); err != nil {
		t.Error(err)
	}
}
