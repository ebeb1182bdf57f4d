package container

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/fs2"
	"github.com/opencontainers/cgroups/manager"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// A Delegation is what an unprivileged user's engine cannot give a container of its limits, because the host's root did not
// delegate it to the user (cgroups(7), "Cgroups delegation"). It is empty where all limits hold.
type Delegation struct {
	// None is why the container has no cgroup of its own, so that none of its limits holds.
	None string `json:"none,omitempty"`
	// Missing are the controllers whose limits do not hold.
	Missing []string `json:"missing,omitempty"`
}

// limiting are the controllers of version 2 that limits need, with the property that has them.
var limiting = []struct{ controller, property string }{
	{"cpu", "linux.resources.cpu"},
	{"cpuset", "linux.resources.cpu.cpus"},
	{"hugetlb", "linux.resources.hugepageLimits"},
	{"io", "linux.resources.blockIO"},
	{"memory", "linux.resources.memory"},
	{"pids", "linux.resources.pids"},
	{"rdma", "linux.resources.rdma"},
}

// delegationOf asks the kernel what this user may do with a cgroup, which need not exist yet. The place is that of
// libcontainer, the one writer of cgroups.
func delegationOf(c *cgroups.Cgroup) (Delegation, error) {
	m, err := manager.New(c)
	if err != nil {
		return Delegation{}, fmt.Errorf("find cgroup: %w", err)
	}
	if cgroups.IsCgroup2UnifiedMode() {
		return delegatedBelow(m.Path(""), fs2.UnifiedMountpoint)
	}
	dir := m.Path("memory") // version 1: one tree stands for all
	if dir == "" {
		return Delegation{None: "the controller memory is not mounted"}, nil
	}
	_, d := nearestCgroup(dir)
	return d, nil
}

// nearestCgroup is the cgroup in which dir would have to be made, and whether this user may do that.
func nearestCgroup(dir string) (string, Delegation) {
	for dir != "/" && unix.Access(dir, unix.F_OK) != nil {
		dir = filepath.Dir(dir)
	}
	if !mayWriteCgroup(dir) {
		return dir, Delegation{None: fmt.Sprintf("this user may not write a cgroup at %q", dir)}
	}
	return dir, Delegation{}
}

func mayWriteCgroup(dir string) bool {
	return unix.Access(dir, unix.W_OK|unix.X_OK) == nil && unix.Access(dir+"/cgroup.procs", unix.W_OK) == nil
}

// delegatedBelow finds the controllers of a cgroup of version 2. Those that are off in the nearest one are switched on by
// libcontainer or systemd as far as the user may write the cgroups above, so the highest of these counts.
func delegatedBelow(dir, top string) (Delegation, error) {
	dir, d := nearestCgroup(dir)
	if d.None != "" {
		return d, nil
	}
	for dir != top {
		above := filepath.Dir(dir)
		if !mayWriteCgroup(above) || unix.Access(above+"/cgroup.subtree_control", unix.W_OK) != nil {
			break
		}
		dir = above
	}
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return d, fmt.Errorf("read the delegated controllers: %w", err)
	}
	have := strings.Fields(string(text))
	for _, l := range limiting {
		if !slices.Contains(have, l.controller) {
			d.Missing = append(d.Missing, l.controller)
		}
	}
	return d, nil
}

// enforced are the limits that hold.
func (d Delegation) enforced(r *specs.LinuxResources) *specs.LinuxResources {
	if r == nil || d.None != "" {
		return &specs.LinuxResources{}
	}
	for _, controller := range d.Missing {
		r, _ = without(controller, r)
	}
	return r
}

// notes are for the record: each limit that does not hold, and why.
func (d Delegation) notes(r *specs.LinuxResources) []harden.Change {
	note := func(field, why string) harden.Change {
		return harden.Change{Rule: "limits", Field: field, From: "asked", To: "not enforced", Note: true, Why: "rootless: " + why}
	}
	if d.None != "" {
		return []harden.Change{note("linux.resources", "no limit of this container holds: "+d.None)}
	}
	var notes []harden.Change
	for _, l := range limiting {
		if _, asked := without(l.controller, r); asked && slices.Contains(d.Missing, l.controller) {
			notes = append(notes, note(l.property, fmt.Sprintf("the controller %s is not delegated to this user (Delegate= of user@.service, systemd.resource-control(5))", l.controller)))
		}
	}
	return append(notes, harden.Change{Rule: "devices", Field: "linux.resources.devices", From: "asked", To: "not enforced", Note: true,
		Why: "rootless: only the host's root can have a cgroup refuse devices; the container has those of its /dev, and can make no other"})
}

// refuse objects to an update that asks for what cannot be set: it would be lost without a word.
func (d Delegation) refuse(asked *specs.LinuxResources) error {
	if asked == nil {
		return nil
	}
	for _, l := range limiting {
		if _, asks := without(l.controller, asked); !asks {
			continue
		}
		if d.None != "" {
			return fmt.Errorf("change %s: the container has no cgroup: %s", l.property, d.None)
		}
		if slices.Contains(d.Missing, l.controller) {
			return fmt.Errorf("change %s: the controller %s is not delegated to this user", l.property, l.controller)
		}
	}
	return nil
}

// without gives a copy of r without the limits of a controller, and tells whether there were any. 0 and empty are how
// engines spell "not set".
func without(controller string, r *specs.LinuxResources) (*specs.LinuxResources, bool) {
	rest, asked := *r, false
	take := func(v any) { asked = asked || !unset(reflect.ValueOf(v)) }
	switch controller {
	case "cpu":
		if r.CPU != nil {
			take(specs.LinuxCPU{Shares: r.CPU.Shares, Quota: r.CPU.Quota, Burst: r.CPU.Burst, Period: r.CPU.Period, Idle: r.CPU.Idle,
				RealtimePeriod: r.CPU.RealtimePeriod, RealtimeRuntime: r.CPU.RealtimeRuntime})
			rest.CPU = &specs.LinuxCPU{Cpus: r.CPU.Cpus, Mems: r.CPU.Mems}
		}
	case "cpuset":
		if r.CPU != nil {
			take(r.CPU.Cpus + r.CPU.Mems)
			cpu := *r.CPU
			cpu.Cpus, cpu.Mems = "", ""
			rest.CPU = &cpu
		}
	case "hugetlb":
		take(r.HugepageLimits)
		rest.HugepageLimits = nil
	case "io":
		take(r.BlockIO)
		rest.BlockIO = nil
	case "memory":
		take(r.Memory)
		rest.Memory = nil
	case "pids":
		take(r.Pids)
		rest.Pids = nil
	case "rdma":
		take(r.Rdma)
		rest.Rdma = nil
	}
	rest.Unified = nil
	for file, value := range r.Unified {
		if c, _, _ := strings.Cut(file, "."); c == controller {
			asked = true
			continue
		}
		if rest.Unified == nil {
			rest.Unified = map[string]string{}
		}
		rest.Unified[file] = value
	}
	return &rest, asked
}

// unset tells whether nothing below a value is set.
func unset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || unset(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !unset(v.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return v.IsZero()
}
