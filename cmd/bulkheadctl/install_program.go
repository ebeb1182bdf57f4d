package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// runtimeBinary finds the runtime: the one named, the one beside this program, the one in PATH.
func runtimeBinary(named string) (string, error) {
	path := named
	if path == "" {
		if self, err := os.Executable(); err == nil {
			path = filepath.Join(filepath.Dir(self), "bulkhead")
		}
		if _, err := os.Stat(path); err != nil {
			if path, err = exec.LookPath("bulkhead"); err != nil {
				return "", errors.New("find bulkhead: it is neither beside this program nor in PATH; name it with --binary")
			}
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find bulkhead: %w", err)
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find bulkhead: %w", err)
	}
	if !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return "", fmt.Errorf("find bulkhead: %s is no program", path)
	}
	return path, nil
}

func knownProfile(name string) error {
	if name == "" || slices.Contains(profiles.Names(), name) {
		return nil
	}
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	_, err = profiles.Load(name, cfg.ProfilesDir)
	return err
}

// linkProfile makes the link whose name selects the profile. One that is there and right stays.
func linkProfile(w io.Writer, binary, link string) error {
	target := filepath.Base(binary)
	err := os.Symlink(target, link)
	if errors.Is(err, fs.ErrExist) {
		if have, err := os.Readlink(link); err == nil && (have == target || have == binary) {
			return nil
		}
		return fmt.Errorf("link %s to %s: something else has this name", link, binary)
	}
	if err != nil {
		return fmt.Errorf("link %s to %s: %w", link, binary, err)
	}
	fmt.Fprintf(w, "%s is a link to %s.\n", link, target)
	return nil
}

// unlinkProfiles removes the links that install makes, and nothing that is not such a link.
func unlinkProfiles(w io.Writer, paths []string) {
	for _, p := range paths {
		target, err := os.Readlink(p)
		if err != nil || filepath.Base(target) != target || !strings.HasPrefix(target, "bulkhead") || filepath.Base(p) == target {
			continue
		}
		if err := os.Remove(p); err == nil {
			fmt.Fprintf(w, "%s is removed.\n", p)
		}
	}
}
