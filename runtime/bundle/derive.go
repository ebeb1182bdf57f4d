package bundle

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// listed are the names of the symbolic links in a directory, or all its names.
func listed(dir string, all bool) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if all || e.Type()&os.ModeSymlink != 0 {
			names = append(names, e.Name())
		}
	}
	return names
}

func ownState(dir string) []ProtectedPath {
	if dir == "" {
		return nil
	}
	return []ProtectedPath{{Path: dir, Class: "refused", Why: "bulkhead's own state"}}
}

// An enginePattern finds an engine's root from a path that the engine made below it: it is what stands before these
// elements, of which "*" is any one.
type enginePattern struct{ elements, why string }

// engineRoots derives the state roots of the engine that made a bundle: from the bundle's path, the root's path and the
// upper directory of the root's overlay. Where an engine keeps its state is configuration that a runtime is not told.
func engineRoots(dir string, root Source, upper string) []ProtectedPath {
	patterns := []enginePattern{
		{"overlay2/*/diff", "Docker's data root"},
		{"overlay2/*/merged", "Docker's data root"},
		{"rootfs/overlayfs/*", "Docker's data root"},
		{"containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs", "Docker's data root"},
		{"vfs/dir/*", "an engine's data root"},
		{"btrfs/subvolumes/*", "an engine's data root"},
		{"zfs/graph/*", "an engine's data root"},
		{"fuse-overlayfs/*/merged", "an engine's data root"},
		{"overlay/*/diff", "podman's or CRI-O's storage"},
		{"overlay/*/merged", "podman's or CRI-O's storage"},
		{"overlay-containers/*/userdata", "podman's or CRI-O's storage"},
		{"io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs", "containerd's data root"},
		{"io.containerd.runtime.v2.task/*/*", "containerd's state"},
		{"io.containerd.runtime.v2.task/*/*/rootfs", "containerd's state"},
	}
	var found []ProtectedPath
	seen := map[string]bool{}
	for _, from := range []string{path.Clean(dir), path.Clean(root.Path), root.Real, upper} {
		for _, p := range patterns {
			base, ok := p.base(from)
			if ok && !seen[base] {
				seen[base] = true
				found = append(found, ProtectedPath{Path: base, Class: "engine", Why: p.why})
			}
		}
	}
	return found
}

// base is the path above the elements. The host's root is no engine's.
func (p enginePattern) base(path string) (string, bool) {
	want := strings.Split(p.elements, "/")
	for i := len(want) - 1; i >= 0; i-- {
		at := strings.LastIndexByte(path, '/')
		if at < 0 || want[i] != "*" && want[i] != path[at+1:] {
			return "", false
		}
		path = path[:at]
	}
	return path, path != "" && path[0] == '/'
}

// overlayUpper is the upper directory of the overlay that holds an open file; empty when it is none.
func (r *resolver) overlayUpper(h handle) string {
	if h.file == nil {
		return ""
	}
	_, id, err := statFile(int(h.file.Fd()))
	if err != nil {
		return ""
	}
	m, ok := r.mounts.mount(id)
	if !ok || m.fsType != "overlay" {
		return ""
	}
	for o := range strings.SplitSeq(m.options, ",") {
		if upper, ok := strings.CutPrefix(o, "upperdir="); ok {
			return unescape(upper)
		}
	}
	return ""
}

// exists tells that a path leads somewhere.
func exists(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil
}
