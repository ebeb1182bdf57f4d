package container

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// TestRefusalLogIsBounded: the newest refusals are there, and the two files together never exceed twice the bound.
func TestRefusalLogIsBounded(t *testing.T) {
	const bound = 4096
	path := filepath.Join(t.TempDir(), "refusals.log")
	r := &Runtime{Config: profiles.Config{RefusalLog: profiles.RefusalLog{Path: path, MaxBytes: bound}}}
	for i := range 100 {
		refusal := &harden.Refusal{Profile: "default", Violations: []harden.Violation{{Rule: "mounts", Field: "mounts[0].source", Got: `"/"`, Want: "another"}}}
		r.logRefusal("create", fmt.Sprintf("c%d", i), "/bundle", fmt.Errorf("create: %w", refusal))
		for _, p := range []string{path, path + ".1"} {
			if info, err := os.Stat(p); err == nil && (info.Size() > bound || info.Mode().Perm() != 0o600) {
				t.Fatalf("%s has %d bytes and mode %v, want at most %d and 0600", p, info.Size(), info.Mode().Perm(), bound)
			}
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	var last LoggedRefusal
	if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.ID != "c99" || last.Door != "create" || len(last.Refusal.Violations) != 1 {
		t.Errorf("the last line is %s: %v", lines[len(lines)-1], err)
	}
}

// TestRefusalLogTakesRefusalsOnly: errors of the host are not the request's fault.
func TestRefusalLogTakesRefusalsOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "refusals.log")
	r := &Runtime{Config: profiles.Config{RefusalLog: profiles.RefusalLog{Path: path, MaxBytes: 4096}}}
	r.logRefusal("create", "c1", "/bundle", errors.New("prepare root filesystem"))
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an error of the host made a log: %v", err)
	}
}

func TestRefusalLogFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "refusals.log")
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	if err := appendBounded(path, []byte("line\n"), 4096); err == nil {
		t.Error("the log follows a symbolic link")
	}
	if _, err := os.Stat(victim); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a symbolic link named was made: %v", err)
	}
}
