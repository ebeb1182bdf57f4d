package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

const findHelp = `The container is searched by its ID, or the beginning of it where that is unique, in bulkhead's own state and in the
state that Docker, containerd and podman keep for their runtimes, for a user without root in that user's. --root names another directory.`

func rootFlag() cli.Flag {
	return &cli.StringFlag{Name: "root", Usage: "look for the container in `DIR` only (the --root that the engine gives its runtime)"}
}

// rootPatterns are where the engines have their runtimes keep state: dockerd (exec-root/runtime-runc/NAMESPACE, and
// runtime-NAME for others), containerd's shim (/run/containerd/runc/NAMESPACE), podman and CRI-O (/run/NAME).
var rootPatterns = []string{
	container.DefaultRoot,
	"/run/docker/runtime-*/*",
	"/run/containerd/runc/*",
	"/run/runc",
	"/run/crun",
	"/run/bulkhead-*",
}

// searchRoots are the directories to look in: the one that the operator named, else all that exist.
func searchRoots(named string) []string {
	if named != "" {
		return []string{named}
	}
	if patterns := userPatterns(); patterns != nil {
		return existing(patterns)
	}
	roots := existing(rootPatterns)
	return append(roots, leasedRoots(roots)...)
}

func existing(patterns []string) (dirs []string) {
	for _, p := range patterns {
		found, _ := filepath.Glob(p)
		dirs = append(dirs, found...)
	}
	return dirs
}

// userPatterns are where the engines of the user who runs this keep it: podman has the runtime choose, rootless Docker does not.
func userPatterns() []string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if own, _, err := bundle.OwnIDs(); err != nil || own == nil && os.Geteuid() == 0 || !filepath.IsAbs(dir) {
		return nil
	}
	var patterns []string
	for _, p := range []string{"bulkhead/containers", "docker/runtime-*/*", "runc", "crun", "bulkhead-*"} {
		patterns = append(patterns, filepath.Join(dir, p))
	}
	return patterns
}

// leasedRoots are those that holders of ID ranges name: an engine with directories of its own is found by them.
func leasedRoots(known []string) []string {
	report, err := readLeases(filepath.Join(profiles.DefaultConfig().StateDir, "leases"), false)
	if report == nil || err != nil && len(report.Leases) == 0 {
		return nil
	}
	var roots []string
	for _, l := range report.Leases {
		for _, h := range l.Holders {
			if !slices.Contains(known, h.Root) && !slices.Contains(roots, h.Root) {
				roots = append(roots, h.Root)
			}
		}
	}
	return roots
}

// A foundContainer is a container and the runtime state that it was found in.
type foundContainer struct {
	runtime *container.Runtime
	id      string
}

// errNotFound tells that no container has the ID.
var errNotFound = errors.New("no container of bulkhead has this ID")

// distinct leaves out other names of a directory: /var/run is a link to /run on most hosts, and engines use either.
func distinct(dirs []string) []string {
	var names []string
	var seen []os.FileInfo
	for _, d := range dirs {
		info, err := os.Stat(d)
		if err == nil && slices.ContainsFunc(seen, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
			continue
		}
		if err == nil {
			seen = append(seen, info)
		}
		names = append(names, d)
	}
	return names
}

// findContainer finds the one container whose ID is, or begins with, id.
func findContainer(roots []string, id string) (*foundContainer, error) {
	if id == "" || strings.ContainsRune(id, '/') {
		return nil, fmt.Errorf("find container %q: %w", id, errNotFound)
	}
	cfg, err := loadConfig()
	if err != nil {
		return nil, err
	}
	var exact, begins []*foundContainer
	for _, root := range distinct(roots) {
		entries, err := os.ReadDir(root)
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("find container %q: %w", id, err)
		}
		for _, e := range entries {
			if _, err := os.Lstat(filepath.Join(root, e.Name(), "record.json")); err != nil {
				continue
			}
			f := &foundContainer{&container.Runtime{Root: root, Config: cfg}, e.Name()}
			switch {
			case e.Name() == id:
				exact = append(exact, f)
			case strings.HasPrefix(e.Name(), id):
				begins = append(begins, f)
			}
		}
	}
	if len(exact) > 0 {
		begins = exact
	}
	switch len(begins) {
	case 0:
		return nil, fmt.Errorf("find container %q: %w", id, errNotFound)
	case 1:
		return begins[0], nil
	}
	names := make([]string, 0, len(begins))
	for _, f := range begins {
		names = append(names, filepath.Join(f.runtime.Root, f.id))
	}
	return nil, fmt.Errorf("find container %q: more than one begins so (%s); write more of it or use --root", id, strings.Join(names, ", "))
}
