package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	limits "github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// PlaceForUser is the configuration for an unprivileged user's engine, where the host's state directory cannot be written:
// the state lies in the user's own runtime directory then, as other runtimes have it. On the host itself, and where a
// configuration file names another directory, nothing changes. A user who looks from outside of the engine's namespaces finds it
// there, too.
//
// A caller that passes no PATH (podman's delete) gets the usual one: libcontainer asks busctl(1) for the user's bus.
func PlaceForUser(c profiles.Config) (profiles.Config, error) {
	uids, _, err := bundle.OwnIDs()
	if err == nil && uids != nil && os.Getenv("PATH") == "" {
		err = os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	outside := uids == nil && (os.Geteuid() == 0 || !filepath.IsAbs(dir))
	if err != nil || outside || c.StateDir != profiles.DefaultConfig().StateDir {
		return c, err
	}
	if !filepath.IsAbs(dir) {
		return c, errors.New("find the state directory: XDG_RUNTIME_DIR is not set, and this user cannot write " + c.StateDir)
	}
	// rootlesskit makes /run a directory of links; libcontainer takes no root below one.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if c.RefusalLog.Path == filepath.Join(c.StateDir, filepath.Base(c.RefusalLog.Path)) {
		c.RefusalLog.Path = filepath.Join(dir, "bulkhead", filepath.Base(c.RefusalLog.Path))
	}
	c.StateDir = filepath.Join(dir, "bulkhead")
	return c, nil
}

// delegate finds out what an unprivileged user's engine can give of the limits. What it cannot is left out of what libcontainer
// gets, and on record.
func (c *creation) delegate(o *specconv.CreateOpts) error {
	cgroup, err := specconv.CreateCgroupConfig(o, nil)
	if err != nil {
		return err
	}
	if c.rec.Delegation, err = delegationOf(cgroup); err != nil {
		return err
	}
	c.rec.Changes = append(c.rec.Changes, c.rec.Delegation.notes(c.hardened.Linux.Resources)...)
	linux := *c.launched.Linux
	linux.Resources = c.rec.Delegation.enforced(linux.Resources)
	c.launched.Linux = &linux
	return nil
}

// UserCgroup finds the cgroup below which the engine of an unprivileged user can make those of its containers, and what of it was
// delegated to the user: that of the user's systemd, or the one above this process's own, whichever the user may write. user is
// the host's user ID.
func UserCgroup(user uint32) (string, Delegation, error) {
	own, err := cgroups.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return "", Delegation{}, fmt.Errorf("find the cgroup of this process: %w", err)
	}
	if !cgroups.IsCgroup2UnifiedMode() {
		dir := filepath.Join("/sys/fs/cgroup/memory", own["memory"])
		_, d := nearestCgroup(dir)
		return dir, d, nil
	}
	service := fmt.Sprintf("user@%d.service", user)
	manager := fmt.Sprintf("/user.slice/user-%d.slice/%s", user, service)
	if above, _, inside := strings.Cut(own[""]+"/", "/"+service+"/"); inside {
		manager = above + "/" + service
	}
	var d Delegation
	for _, dir := range []string{filepath.Dir(own[""]), manager} {
		dir = filepath.Join(fs2.UnifiedMountpoint, dir)
		if d, err = delegatedBelow(dir, fs2.UnifiedMountpoint); err != nil || d.None == "" {
			return dir, d, err
		}
	}
	return filepath.Join(fs2.UnifiedMountpoint, manager), d, nil
}

// noCgroup takes the cgroup out of a configuration. The place that libcontainer then looks at is one of a name that nobody else
// uses and that does not exist: without a name it would be the cgroup above the engine's, whose processes delete would end.
func noCgroup(config *configs.Config, id string) {
	config.Cgroups = &cgroups.Cgroup{Name: "bulkhead-without-" + id, Rootless: true, Resources: &cgroups.Resources{}}
}

// verifyLimits reads the cgroup back. What could not be delegated is on record, so whatever differs is an error.
func (c *creation) verifyLimits(pid int) error {
	return c.rec.verifyLimits(pid, c.hardened.Linux.Resources)
}

func (h *Holding) verifyLimits(pid int, r *specs.LinuxResources) error {
	return limits.Verify(pid, limits.Want(h.Delegation.enforced(r)))
}
