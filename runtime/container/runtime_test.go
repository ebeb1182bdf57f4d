package container

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// TestStateDirIsSearchable: a container's root walks through the state directory to its staged file system, whoever makes
// that directory first and with whatever umask.
func TestStateDirIsSearchable(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "bulkhead")
	r := &Runtime{Root: filepath.Join(dir, "containers"), Config: profiles.Config{StateDir: dir}}
	c := &creation{Runtime: r, o: CreateOptions{ID: "c1"}}
	if err := c.reserve(); err != nil {
		t.Fatal(err)
	}
	c.unlock()
	for path, want := range map[string]os.FileMode{dir: 0o711, r.Root: 0o700} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v: %v", path, info.Mode().Perm(), want, err)
		}
	}
}
