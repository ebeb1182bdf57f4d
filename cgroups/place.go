package cgroups

import (
	"fmt"
	"path"
	"strings"
)

// A place is the linux.cgroupsPath of a spec, as libcontainer's managers read it.
type place struct {
	// slice is the systemd slice as a path ("/system.slice"), or "" for the cgroupfs driver.
	slice string
	// parent is the directory above the container's cgroup, below the tree's mount when it is absolute.
	parent   string
	absolute bool
}

// parsePlace reads linux.cgroupsPath: "slice:prefix:name" for systemd, else a path. An empty one is a cgroup beside or below
// the caller's own, or one in system.slice.
func parsePlace(cgroupsPath string, systemd bool) (place, error) {
	if !systemd {
		parent := path.Dir(path.Clean("/" + cgroupsPath))
		return place{parent: parent, absolute: strings.HasPrefix(cgroupsPath, "/")}, nil
	}
	slice := "system.slice"
	if cgroupsPath != "" {
		parts := strings.Split(cgroupsPath, ":")
		if len(parts) != 3 {
			return place{}, fmt.Errorf("read linux.cgroupsPath %q: want slice:prefix:name for the systemd driver", cgroupsPath)
		}
		if parts[0] != "" {
			slice = parts[0]
		}
	}
	full, err := expandSlice(slice)
	if err != nil {
		return place{}, fmt.Errorf("read linux.cgroupsPath %q: %w", cgroupsPath, err)
	}
	return place{slice: full}, nil
}

// expandSlice turns "a-b.slice" into "/a.slice/a-b.slice": a dash in a slice's name is a level of the tree (systemd.slice(5)).
func expandSlice(name string) (string, error) {
	base, ok := strings.CutSuffix(name, ".slice")
	if base == "-" && ok {
		return "/", nil
	}
	if !ok || base == "" || strings.Contains(base, "/") {
		return "", fmt.Errorf("%q is no slice name", name)
	}
	full, prefix := "", ""
	for _, part := range strings.Split(base, "-") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("%q is no slice name", name)
		}
		full += "/" + prefix + part + ".slice"
		prefix += part + "-"
	}
	return full, nil
}

// above lists the directories of the cgroups above the container's, from the nearest to the tree's mount point.
//
// own and first are the cgroups of the caller and of process 1 in that tree. An absolute path counts from the mount point, as
// libcontainer counts it; a relative one is below the caller's cgroup in version 1 and beside it in version 2, where a
// cgroup with processes cannot have children with limits. Slices are below systemd's own cgroup in version 1.
func (p place) above(t hierarchy, own, first string) []string {
	start := path.Join(t.point, p.parent)
	switch {
	case p.slice != "" && t.version == 1:
		base, ok := t.dir(path.Clean("/" + strings.TrimSuffix(first, "init.scope")))
		if !ok {
			base = t.point
		}
		start = path.Join(base, p.slice)
	case p.slice != "":
		start = path.Join(t.point, p.slice)
	case !p.absolute:
		if t.version == 2 {
			own = path.Dir(own)
		}
		base, ok := t.dir(own)
		if !ok {
			base = t.point
		}
		start = path.Join(base, p.parent)
	}
	var dirs []string
	for dir := start; dir != t.point && strings.HasPrefix(dir, t.point); dir = path.Dir(dir) {
		dirs = append(dirs, dir)
	}
	return append(dirs, t.point)
}
