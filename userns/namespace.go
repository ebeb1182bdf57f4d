package userns

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// NewNamespace makes a user namespace that carries the mapping of r for users and groups, for MOUNT_ATTR_IDMAP
// (mount_setattr(2)). No process is in it when NewNamespace returns; it lives as long as the file, or a mount that uses it.
//
// A range that contains ID 0, or that is empty, is an error, never identity. Nothing is executed in the namespace and nobody is
// traced, so a host that allows no ptrace (Yama's ptrace_scope 3) is no obstacle. It needs no particular thread.
func NewNamespace(r Range) (*os.File, error) {
	if r.Start == 0 || r.Size == 0 || r.End() > math.MaxUint32 {
		return nil, fmt.Errorf("make user namespace for %s: the range must have IDs and must not have 0 or 4294967295", r)
	}
	ns, err := newNamespace(fmt.Sprintf("0 %d %d\n", r.Start, r.Size))
	if err != nil {
		return nil, fmt.Errorf("make user namespace for %s: %w", r, err)
	}
	return ns, nil
}

func newNamespace(mapping string) (*os.File, error) {
	var hold [2]int
	if err := unix.Pipe2(hold[:], unix.O_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	defer func() { _ = unix.Close(hold[0]) }()
	child, err := startHolder(hold)
	if err != nil {
		_ = unix.Close(hold[1])
		return nil, err
	}
	// The child is not reaped before this, so its ID cannot belong to another process.
	ns, err := mapNamespace(fmt.Sprintf("/proc/%d/", child.pid), mapping)
	_ = unix.Close(hold[1]) // the child reads the end of the pipe and exits
	child.reap()
	return ns, err
}

// mapNamespace writes the child's maps and opens its namespace.
func mapNamespace(proc, mapping string) (*os.File, error) {
	for _, name := range []string{"uid_map", "gid_map"} {
		f, err := os.OpenFile(proc+name, os.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteString(mapping)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return os.Open(proc + "ns/user")
}
