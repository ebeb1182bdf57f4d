package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// copyBundle makes a bundle that is another one with a seccomp profile in the place of its own. Relative paths become those
// of the other bundle. The files stay where they are.
func copyBundle(from string, filter *specs.LinuxSeccomp) (dir string, err error) {
	from, err = filepath.Abs(from)
	if err != nil {
		return "", fmt.Errorf("read bundle: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(from, "config.json"))
	if err != nil {
		return "", fmt.Errorf("read bundle: %w", err)
	}
	var spec specs.Spec
	if err := json.Unmarshal(text, &spec); err != nil {
		return "", fmt.Errorf("read bundle %q: %w", from, err)
	}
	if spec.Linux == nil || spec.Root == nil {
		return "", fmt.Errorf("read bundle %q: it has no linux or no root section", from)
	}
	spec.Linux.Seccomp = filter
	if !filepath.IsAbs(spec.Root.Path) {
		spec.Root.Path = filepath.Join(from, spec.Root.Path)
	}
	for i := range spec.Mounts {
		m := &spec.Mounts[i]
		if bindMount(*m) && !filepath.IsAbs(m.Source) {
			m.Source = filepath.Join(from, m.Source)
		}
	}
	if dir, err = os.MkdirTemp("", "bulkhead-bundle-"); err != nil {
		return "", fmt.Errorf("make bundle: %w", err)
	}
	if text, err = json.Marshal(spec); err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("make bundle: %w", errors.Join(err, os.RemoveAll(dir)))
	}
	return dir, nil
}

// bindMount tells mounts whose source is a path of the host.
func bindMount(m specs.Mount) bool {
	if m.Type == "bind" {
		return true
	}
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return false
}
