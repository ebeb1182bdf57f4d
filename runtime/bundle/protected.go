package bundle

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openPaths are protected paths with their open files.
type openPaths struct {
	paths   []ProtectedPath
	handles []handle
}

// openProtected opens the paths of the table that this host has.
func openProtected(table []ProtectedPath) openPaths {
	var o openPaths
	for _, p := range table {
		fd, err := openRetry(p.Path, unix.O_PATH|unix.O_CLOEXEC)
		if err == unix.ENOENT || err == unix.ENOTDIR {
			continue
		}
		h := handle{path: p.Path, err: err}
		if err == nil {
			h.file = os.NewFile(uintptr(fd), p.Path)
		}
		o.paths = append(o.paths, p)
		o.handles = append(o.handles, h)
	}
	return o
}

func (o openPaths) close() {
	for _, h := range o.handles {
		if h.file != nil {
			_ = h.file.Close()
		}
	}
}

// describe locates the open paths. One that cannot be located keeps its name: it is still compared by path.
func (o openPaths) describe(mounts *mountTable) []ProtectedPath {
	for i, h := range o.handles {
		s, err := h.inspect(mounts)
		if err != nil {
			continue
		}
		p := &o.paths[i]
		p.FSDev, p.FSPath, p.Dev, p.Inode = s.FSDev, s.FSPath, s.Dev, s.Inode
	}
	return o.paths
}

func ownState(dir string) []ProtectedPath {
	if dir == "" {
		return nil
	}
	return []ProtectedPath{{Path: dir, Class: "refused", Why: "bulkhead's own state"}}
}

// An enginePattern finds an engine's root from a path that the engine made below it: what stands in front of the
// elements, where "*" is any one element.
type enginePattern struct {
	elements string
	why      string
}

// engineRoots derives the state roots of the engine that made a bundle: from the bundle's path, the root's path and the
// upper directory of the root's overlay. Where an engine keeps its state is configuration that a runtime is not told.
func engineRoots(dir string, root Source, upper string) []ProtectedPath {
	patterns := []enginePattern{
		{"overlay2/*/diff", "Docker's data root"},
		{"overlay2/*/merged", "Docker's data root"},
		{"rootfs/overlayfs/*", "Docker's data root"},
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
	for _, path := range []string{filepath.Clean(dir), root.Path, root.Real, upper} {
		for _, p := range patterns {
			base, ok := p.base(path)
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
func overlayUpper(mounts *mountTable, h handle) string {
	if h.file == nil {
		return ""
	}
	_, id, err := statFile(int(h.file.Fd()))
	if err != nil {
		return ""
	}
	m, ok := mounts.mount(id)
	if !ok || m.fsType != "overlay" {
		return ""
	}
	for o := range strings.SplitSeq(m.options, ",") {
		if upper, ok := strings.CutPrefix(o, "upperdir="); ok {
			return upper
		}
	}
	return ""
}
