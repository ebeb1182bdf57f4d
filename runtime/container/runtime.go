// Package container carries a hardened spec out: it creates, starts, execs into, updates and deletes containers.
//
// It is the only package that calls libcontainer. What it asks of the kernel it reads back ([Runtime.Create] verifies
// before the workload runs), and every effect on the host is undone on failure or by the next delete.
package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// DefaultRoot is where containers are kept when the caller gives no --root.
const DefaultRoot = "/run/bulkhead/containers"

// A Runtime is one invocation of the runtime: whose containers, under which profile.
type Runtime struct {
	// Root is the directory of the containers' state, absolute.
	Root string
	// SystemdCgroup selects the systemd cgroup driver: linux.cgroupsPath is slice:prefix:name then.
	SystemdCgroup bool
	// Rootless ignores cgroup errors, "true", "false" or "auto" as with runc, but never those of the host's own root.
	Rootless string
	// Profile is the --profile flag: the name of a hardening profile, or empty.
	Profile string
	// Program is the name that the runtime was called by: "bulkhead-restricted" selects a profile.
	Program string
	// Config is the host's configuration file.
	Config profiles.Config
	// OwnMounts tells whether this whole process has a mount namespace of its own, which create needs: nil, or why not.
	OwnMounts func() error
	// HostMounts is the caller's mount namespace where this process has one of its own; nil where it is in the caller's.
	HostMounts *os.File
	// Inherited is how many descriptors from 3 on the caller passed: see [Inherited].
	Inherited int
	// RequireGenerated refuses containers whose filter is not within a registered seccomp profile, whatever the profile says.
	RequireGenerated bool
	// Record has the containers recorded; nil for none.
	Record *RecordOptions
	// Watch has a program outside asked about the containers' system calls; nil for none.
	Watch *Watch
	// LogLevel is logrus' number, passed on to the container's init.
	LogLevel string
}

// ErrExist tells that the ID is taken, by a container of bulkhead or of another runtime that shares the root.
var ErrExist = libcontainer.ErrExist

// ErrNotExist tells that there is no container of that ID. Its text is the one that engines look for.
var ErrNotExist = libcontainer.ErrNotExist

// errEmptyID is runc's own wording.
var errEmptyID = errors.New("container id cannot be empty")

// dir is the container's directory. Everything of one container lives in it: the record, the lock, libcontainer's state
// (in a directory of the same name below), the notify socket.
func (r *Runtime) dir(id string) (string, error) {
	if err := checkID(id); err != nil {
		return "", err
	}
	return filepath.Join(r.Root, id), nil
}

// checkID accepts the IDs that libcontainer accepts, and none longer than a file name.
func checkID(id string) error {
	if id == "" {
		return errEmptyID
	}
	if id == "." || id == ".." || len(id) > 255 {
		return fmt.Errorf("check container ID %q: %w", id, libcontainer.ErrInvalidID)
	}
	for _, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '_' && c != '+' && c != '-' && c != '.' {
			return fmt.Errorf("check container ID %q: %w", id, libcontainer.ErrInvalidID)
		}
	}
	return nil
}

// leases opens the store of ID ranges, which is one for the whole host whatever the roots are.
func (r *Runtime) leases() (*userns.Store, error) {
	if err := r.makeStateDir(); err != nil {
		return nil, err
	}
	return userns.OpenStore(filepath.Join(r.Config.StateDir, "leases"))
}

// makeStateDir makes bulkhead's own directory. It is searchable by everybody, because a container's root has to walk
// through it to its staged file system; what is inside is closed one by one.
func (r *Runtime) makeStateDir() error {
	if _, err := os.Lstat(r.Config.StateDir); err == nil {
		return nil
	}
	if err := os.MkdirAll(r.Config.StateDir, 0o711); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	// The caller's umask may have closed it.
	if err := os.Chmod(r.Config.StateDir, 0o711); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	return nil
}
