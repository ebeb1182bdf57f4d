package container

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// Update changes the container's limits, judged by the rules of its create: what is above the profile's ceiling is
// narrowed, an absent field changes nothing. The kernel is read back afterwards.
func (r *Runtime) Update(id string, asked *specs.LinuxResources) error {
	dir, err := r.dir(id)
	if err != nil {
		return err
	}
	if _, err := r.readHolding(id); err != nil {
		return err
	}
	l, err := lock(dir, id)
	if err != nil {
		return err
	}
	defer l.Close()
	rec, c, err := r.openRecord(id)
	if err != nil {
		return err
	}
	status, err := c.Status()
	if err != nil {
		return fmt.Errorf("update %q: %w", id, err)
	}
	if status == libcontainer.Stopped {
		return fmt.Errorf("update %q: %w", id, libcontainer.ErrNotRunning)
	}
	if err := rec.Delegation.refuse(asked); err != nil {
		return fmt.Errorf("update %q: %w", id, err)
	}
	hardened, changes, err := harden.Update(rec.Spec, asked, rec.policy())
	if err != nil {
		r.logRefusal("update", id, rec.Bundle, err)
		return err
	}
	if err := r.setLimits(c, rec.Delegation, hardened); err != nil {
		return fmt.Errorf("update %q: %w", id, err)
	}
	rec.Spec = hardened
	rec.Changes = replaceChanges(rec.Changes, changes)
	if err := writeRecord(dir, rec); err != nil {
		return err
	}
	return rec.verifyLimits(rec.InitPID, hardened.Linux.Resources)
}

// replaceChanges adds the changes of an update in place of what is on record about the same properties: callers update again
// and again (kubelet's CPU manager every ten seconds), and a record must not grow with each.
func replaceChanges(have, latest []harden.Change) []harden.Change {
	have = slices.DeleteFunc(slices.Clone(have), func(old harden.Change) bool {
		return slices.ContainsFunc(latest, func(c harden.Change) bool { return c.Rule == old.Rule && c.Field == old.Field })
	})
	return append(have, latest...)
}

// setLimits has libcontainer, the one writer of the cgroup, write all limits of the hardened spec that it can. Devices are left as
// create set them.
func (r *Runtime) setLimits(c *libcontainer.Container, d Delegation, hardened *specs.Spec) error {
	if d.None != "" {
		return nil // and nothing was asked, or it would have been refused
	}
	config, set, linux := c.Config(), *hardened, *hardened.Linux
	linux.Resources = d.enforced(linux.Resources)
	set.Linux = &linux
	wanted, err := specconv.CreateCgroupConfig(&specconv.CreateOpts{
		CgroupName: c.ID(), UseSystemdCgroup: r.SystemdCgroup, Spec: &set,
	}, nil)
	if err != nil {
		return err
	}
	if wanted.Resources == nil || config.Cgroups == nil {
		return errors.New("BUG: a hardened spec without limits")
	}
	devices := config.Cgroups.Devices
	cgroup := *config.Cgroups
	cgroup.Resources = wanted.Resources
	cgroup.Devices = devices
	cgroup.SkipDevices = true
	config.Cgroups = &cgroup
	return setWeight(c, config)
}

// setWeight writes the limits around cpu.idle: the kernel refuses a weight while the cgroup is idle
// (kernel/sched/fair.c, sched_group_set_shares), and libcontainer writes the weight first.
func setWeight(c *libcontainer.Container, config configs.Config) error {
	idle, shares, weight := config.Cgroups.CPUIdle, config.Cgroups.CpuShares, config.Cgroups.CpuWeight
	if idle == nil {
		return c.Set(config)
	}
	config.Cgroups.CpuShares, config.Cgroups.CpuWeight = 0, 0
	if err := c.Set(config); err != nil || *idle != 0 {
		return err
	}
	config.Cgroups.CpuShares, config.Cgroups.CpuWeight = shares, weight
	return c.Set(config)
}
