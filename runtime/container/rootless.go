package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// PlaceForUser is the configuration for an unprivileged user's engine, where the host's state directory cannot be written:
// the state lies in the user's own runtime directory then, as other runtimes have it. On the host itself, and where a
// configuration file names another directory, nothing changes.
func PlaceForUser(c profiles.Config) (profiles.Config, error) {
	uids, _, err := bundle.OwnIDs()
	if err != nil || uids == nil || c.StateDir != profiles.DefaultConfig().StateDir {
		return c, err
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if !filepath.IsAbs(dir) {
		return c, errors.New("find the state directory: XDG_RUNTIME_DIR is not set, and this user cannot write " + c.StateDir)
	}
	if c.RefusalLog.Path == filepath.Join(c.StateDir, filepath.Base(c.RefusalLog.Path)) {
		c.RefusalLog.Path = filepath.Join(dir, "bulkhead", filepath.Base(c.RefusalLog.Path))
	}
	c.StateDir = filepath.Join(dir, "bulkhead")
	return c, nil
}

// mayWriteCgroup tells whether an unprivileged user's engine can make the container's cgroup: by the user's own systemd, or
// because the nearest cgroup that there is was delegated to the user (cgroups(7), "Cgroups delegation"). libcontainer takes no
// limits for a container that it cannot give a cgroup.
func (c *creation) mayWriteCgroup() bool {
	if c.SystemdCgroup {
		_, err := os.Stat(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus"))
		return err == nil || os.Getenv("DBUS_SESSION_BUS_ADDRESS") != ""
	}
	top := "/sys/fs/cgroup"
	if _, err := os.Stat(top + "/cgroup.controllers"); err != nil {
		top += "/memory" // version 1: one tree stands for all
	}
	dir := filepath.Join(top, c.hardened.Linux.CgroupsPath)
	for dir != top && unix.Access(dir, unix.F_OK) != nil {
		dir = filepath.Dir(dir)
	}
	return unix.Access(dir, unix.W_OK|unix.X_OK) == nil && unix.Access(dir+"/cgroup.procs", unix.W_OK) == nil
}

// verifyLimits reads the cgroup back. An unprivileged user's engine may have no cgroup to write, and libcontainer passes over
// that: then the record says which limit does not hold, for explain to tell.
func (c *creation) verifyLimits(pid int) error {
	err := cgroups.Verify(pid, cgroups.Want(c.hardened.Linux.Resources))
	if err == nil || len(c.policy.Facts.OwnUIDs) == 0 {
		return err
	}
	if ignored, _ := rootlessCgroups(c.Rootless); !ignored {
		return err
	}
	c.rec.Changes = append(c.rec.Changes, harden.Change{Rule: "limits", Field: "linux.resources", From: "asked", To: "not enforced", Note: true,
		Why: fmt.Sprintf("rootless: this user may not write the cgroup (%v)", err)})
	c.decision = beside(func() ([]byte, error) { return encodeJSON(&c.rec.Decision) })
	return nil
}
