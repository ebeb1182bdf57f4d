package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFindContainerByTwoNames: /var/run is a link to /run on most hosts, and engines name their state by either.
func TestFindContainerByTwoNames(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "run")
	for _, id := range []string{"web1", "web2"} {
		if err := os.MkdirAll(filepath.Join(root, id), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, id, "record.json"), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	roots := []string{root, link, filepath.Join(dir, "none")}
	found, err := findContainer(roots, "web1")
	if err != nil || found.id != "web1" || found.runtime.Root != root {
		t.Errorf("got %v: %v", found, err)
	}
	want := `find container "web": more than one begins so (` + root + "/web1, " + root + "/web2); write more of it or use --root"
	if _, err := findContainer(roots, "web"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
