package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A hierarchy is one mounted cgroup tree, see cgroups(7).
type hierarchy struct {
	version int
	// point is where it is mounted, and top is the cgroup that is seen there: "/", or a subtree in a container.
	point, top string
}

// A host is the root directory of the files that are read: "/", or a tree of a test.
type host string

// read reads a file of the kernel's without surrounding space. It makes the system calls itself: create reads some thirty, and
// package os asks the kernel about each whether it can be waited for.
func (h host) read(name string) (string, error) {
	name = filepath.Join(string(h), name)
	fd, err := ignoringEINTR(func() (int, error) { return unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if err != nil {
		return "", &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	text := make([]byte, 0, 1024)
	for {
		text = slices.Grow(text, 512)
		n, err := ignoringEINTR(func() (int, error) { return unix.Read(fd, text[len(text):cap(text)]) })
		if err != nil {
			return "", &fs.PathError{Op: "read", Path: name, Err: err}
		}
		if n == 0 {
			return strings.TrimSpace(string(text)), nil
		}
		text = text[:len(text)+n]
	}
}

func ignoringEINTR(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR { //nolint:errorlint // a bare errno
			return n, err
		}
	}
}

// exists counts an answer that cannot be had as yes: a read then tells the cause.
func (h host) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(string(h), name))
	return !errors.Is(err, fs.ErrNotExist)
}

// hierarchies finds the tree of each controller that is mounted. On a hybrid host each controller is in one of both
// versions: the kernel never has one in two.
func (h host) hierarchies() (map[string]hierarchy, error) {
	trees, unified := map[string]hierarchy{}, hierarchy{}
	if tree, ok := h.pure(); ok {
		unified = tree
	} else {
		mounts, err := h.read("/proc/thread-self/mountinfo")
		if err != nil {
			return nil, fmt.Errorf("read cgroup mounts: %w", err)
		}
		if trees, unified = parseMounts(mounts); unified.version == 0 {
			return trees, nil
		}
	}
	controllers, err := h.read(path.Join(unified.point, "cgroup.controllers"))
	if err != nil {
		return nil, fmt.Errorf("read cgroup mounts: %w", err)
	}
	for _, c := range strings.Fields(controllers) {
		if _, ok := trees[c]; !ok {
			trees[c] = unified
		}
	}
	if _, ok := trees["devices"]; !ok {
		// Version 2 has no such controller: a BPF program on any cgroup does its work.
		trees["devices"] = unified
	}
	return trees, nil
}

// pure tells whether version 2 is mounted where everybody expects it and shows the caller's own cgroup. That spares a look
// at all mounts, which are thousands on a busy host.
func (h host) pure() (hierarchy, bool) {
	tree := hierarchy{version: 2, point: "/sys/fs/cgroup", top: "/"}
	var st unix.Statfs_t
	if err := unix.Statfs(filepath.Join(string(h), tree.point), &st); err != nil || st.Type != unix.CGROUP2_SUPER_MAGIC {
		return tree, false
	}
	own, err := h.membership("self")
	if err != nil {
		return tree, false
	}
	dir, ok := tree.dir(own[""])
	return tree, ok && h.exists(dir)
}

// parseMounts reads proc_pid_mountinfo(5): the version 1 trees by controller, and the version 2 tree (version 0 if there is
// none). The first mount that shows a whole tree counts, else the first.
func parseMounts(mountinfo string) (trees map[string]hierarchy, unified hierarchy) {
	trees = map[string]hierarchy{}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		if !ok || !strings.HasPrefix(after, "cgroup") {
			continue
		}
		left, right := strings.Fields(before), strings.Fields(after)
		if len(left) < 5 || len(right) < 3 {
			continue
		}
		tree := hierarchy{point: unescape(left[4]), top: unescape(left[3])}
		switch right[0] {
		case "cgroup2":
			tree.version = 2
			if unified.version == 0 || unified.top != "/" && tree.top == "/" {
				unified = tree
			}
		case "cgroup":
			tree.version = 1
			for _, o := range strings.Split(right[2], ",") {
				if old, ok := trees[o]; isController1(o) && (!ok || old.top != "/" && tree.top == "/") {
					trees[o] = tree
				}
			}
		}
	}
	return trees, unified
}

// isController1 tells the version 1 controllers from the other words among the mount's options, like "rw".
func isController1(option string) bool {
	switch option {
	case "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc", "net_cls", "net_prio", "perf_event", "pids", "rdma":
		return true
	}
	return false
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// membership reads /proc/PID/cgroup: the cgroup of a process by controller; "" is the version 2 tree.
func (h host) membership(process string) (map[string]string, error) {
	text, err := h.read("/proc/" + process + "/cgroup")
	if err != nil {
		return nil, fmt.Errorf("read cgroups of process %s: %w", process, err)
	}
	return parseMembership(text), nil
}

func parseMembership(text string) map[string]string {
	in := map[string]string{}
	for line := range strings.Lines(text) {
		// hierarchy-ID:controllers:path, and the path may contain colons.
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, c := range strings.Split(parts[1], ",") {
			in[c] = parts[2]
		}
	}
	return in
}

// member is the process's cgroup in the tree of a controller.
func member(in map[string]string, tree hierarchy, controller string) (string, bool) {
	if tree.version == 2 {
		controller = ""
	}
	cgroup, ok := in[controller]
	return cgroup, ok
}

// dir is where a cgroup of the tree is seen; false when it lies outside of the mounted part.
func (t hierarchy) dir(cgroup string) (string, bool) {
	if t.top == "/" {
		return path.Join(t.point, cgroup), strings.HasPrefix(cgroup, "/") && !strings.HasPrefix(cgroup, "/..")
	}
	rest, ok := strings.CutPrefix(cgroup, t.top)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Join(t.point, rest), true
}
