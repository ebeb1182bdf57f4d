package container

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWritePidFile(t *testing.T) {
	for name, write := range map[string]func(string, []byte) error{"link": linkFile, "rename": renameFile} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			victim, path := filepath.Join(dir, "victim"), filepath.Join(dir, "pid")
			for _, prepare := range []func() error{
				func() error { return nil },
				func() error { return os.WriteFile(path, []byte("an older and longer one"), 0o600) },
				func() error { return os.Remove(path) },
				func() error { return os.WriteFile(victim, []byte("untouched"), 0o600) },
				func() error { _ = os.Remove(path); return os.Symlink(victim, path) },
				// What a killed process of an older version left at the temporary name.
				func() error { return os.Symlink(victim, filepath.Join(dir, ".pid")) },
			} {
				if err := prepare(); err != nil {
					t.Fatal(err)
				}
				if err := write(path, []byte("4711")); err != nil {
					t.Fatal(err)
				}
				if data, err := os.ReadFile(path); err != nil || string(data) != "4711" {
					t.Errorf("pid file has %q: %v", data, err)
				}
				if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
					t.Errorf("pid file is %v: %v", info, err)
				}
			}
			if data, err := os.ReadFile(victim); err != nil || string(data) != "untouched" {
				t.Errorf("what a symbolic link named has %q: %v", data, err)
			}
		})
	}
}
