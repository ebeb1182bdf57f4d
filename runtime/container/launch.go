package container

import (
	"errors"
	"fmt"
	"os"
	"slices"

	mobyuserns "github.com/moby/sys/userns"
	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

// prepare turns the staged spec into libcontainer's configuration and makes libcontainer's state directory.
func (c *creation) prepare() (err error) {
	c.notify = newNotifySocket(c.dir, os.Getenv("NOTIFY_SOCKET"))
	if c.notify != nil {
		if err := c.stageNotify(); err != nil {
			return err
		}
	}
	if err := c.watch(); err != nil {
		return err
	}
	c.joinNamespaces()
	c.coverDev()
	if err := c.setEngineParameters(c.launched.Linux); err != nil {
		return err
	}
	rootless, err := rootlessCgroups(c.Rootless)
	if err != nil {
		return err
	}
	o := &specconv.CreateOpts{
		CgroupName:       c.o.ID,
		UseSystemdCgroup: c.SystemdCgroup,
		Spec:             c.launched,
		RootlessEUID:     os.Geteuid() != 0,
		RootlessCgroups:  rootless,
	}
	if rootless {
		if err := c.delegate(o); err != nil {
			return fmt.Errorf("create %q: %w", c.o.ID, err)
		}
	}
	config, err := specconv.CreateLibcontainerConfig(o)
	if err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	// libcontainer ignores errors of cgroups only where there is none: else an exec could stay outside of it.
	config.RootlessCgroups = c.rec.Delegation.None != ""
	if config.RootlessCgroups {
		noCgroup(config, c.o.ID)
	} else if err := stripDeviceRules(config, c.hardened); err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	if c.container, err = libcontainer.Create(c.dir, c.o.ID, config); err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	// From here on the cgroup is ours: libcontainer has checked that it holds no process.
	c.rec.Cgroup = cgroupName(config.Cgroups)
	return writeRecord(c.dir, c.rec)
}

// stripDeviceRules takes out the access rules that libcontainer adds to every container and that no hardened one needs: mknod
// of any node, and /dev/net/tun (10:200), which is a way to the host's network stack. What the hardened spec allows stays.
func stripDeviceRules(config *configs.Config, hardened *specs.Spec) error {
	if config.Cgroups == nil || config.Cgroups.Resources == nil {
		return errors.New("BUG: a hardened spec without limits")
	}
	r := config.Cgroups.Resources
	r.Devices = slices.DeleteFunc(r.Devices, func(d *devices.Rule) bool {
		wildcard := d.Major == devices.Wildcard && d.Permissions == "m"
		tun := d.Type == devices.CharDevice && d.Major == 10 && d.Minor == 200
		return d.Allow && (wildcard || tun) && !allowedByRule(hardened.Linux.Resources.Devices, d)
	})
	return nil
}

func allowedByRule(rules []specs.LinuxDeviceCgroup, d *devices.Rule) bool {
	return slices.ContainsFunc(rules, func(r specs.LinuxDeviceCgroup) bool {
		return r.Allow && r.Type == string(d.Type) && r.Major != nil && *r.Major == d.Major && r.Minor != nil && *r.Minor == d.Minor
	})
}

// joinNamespaces points every namespace path at the descriptor that was judged. The container's init opens it through
// this process, which waits for it.
func (c *creation) joinNamespaces() {
	linux := *c.launched.Linux
	linux.Namespaces = slices.Clone(linux.Namespaces)
	for i := range linux.Namespaces {
		n := &linux.Namespaces[i]
		if n.Path == "" {
			continue
		}
		f := c.namespaceFile(n.Type)
		if f == nil {
			// Judge has seen every path resolved, so this cannot be; an unusable path makes libcontainer fail.
			n.Path = "/proc/self/fd/-1"
			continue
		}
		n.Path = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
		if n.Type == specs.UserNamespace {
			// libcontainer reads the mapping from the namespace; verify compares it with the range. It takes whatever begins with
			// /proc/PID for /proc/PID/ns/user, and would read this process's own mapping.
			n.Path = fmt.Sprintf("/proc/./%d/fd/%d", os.Getpid(), f.Fd())
			linux.UIDMappings, linux.GIDMappings = nil, nil
		}
	}
	c.launched.Linux = &linux
}

func (c *creation) namespaceFile(kind specs.LinuxNamespaceType) *os.File {
	if kind == specs.UserNamespace && c.joined != nil {
		return c.joined
	}
	for i, n := range c.asked.Linux.Namespaces {
		if n.Type == kind {
			return c.resolved.Namespace(i)
		}
	}
	return nil
}

// cgroupName keeps what finds the cgroup again, without the limits.
func cgroupName(c *cgroups.Cgroup) *cgroups.Cgroup {
	return &cgroups.Cgroup{
		Name: c.Name, Parent: c.Parent, Path: c.Path, ScopePrefix: c.ScopePrefix, Systemd: c.Systemd,
		Rootless: c.Rootless, OwnerUID: c.OwnerUID, Resources: &cgroups.Resources{},
	}
}

// launch starts the container's init. When it returns, init has set up everything, its filter is loaded, and it waits
// at the exec fifo.
func (c *creation) launch() (err error) {
	c.process, err = newProcess(c.launched.Process, c.LogLevel)
	if err != nil {
		return err
	}
	c.process.Init = true
	if err := passDescriptors(c.process, c.o.PreserveFDs, c.Inherited, true); err != nil {
		return err
	}
	if c.joined == nil { // a sibling's belongs to this user
		if err := inheritLimits(c.process, c.namespaceFile(specs.UserNamespace), c.policy.Facts); err != nil {
			return fmt.Errorf("create %q: %w", c.o.ID, err)
		}
	}
	config := c.container.Config()
	owner := owner{config: &config, user: c.hardened.Process.User}
	if c.console, err = setupIO(c.process, owner, ioOptions{
		terminal: c.hardened.Process.Terminal, detach: c.o.Detach, consoleSocket: c.o.ConsoleSocket, pidfdSocket: c.o.PidfdSocket,
	}); err != nil {
		return err
	}
	// Files that the container's init makes have the mode that they ask for; a caller's umask is not inherited.
	unix.Umask(0o022)
	c.rec.Policy = c.policy
	c.rec.Policy.Seccomp = nil // the hardened spec has the intersection, which is the ceiling from now on
	c.rec.Spec = c.hardened
	c.decision = beside(func() ([]byte, error) { return plainjson.Marshal(&c.rec.Decision, usualDecision) })
	c.listening = catchOthers(c.signals)
	start := func() error { return c.container.Start(c.process) }
	if l := config.Seccomp; l != nil && l.ListenerPath != c.hardened.Linux.Seccomp.ListenerPath { // a recorder's, not an agent's
		start = func() error { return startServed(l.ListenerPath, func() error { return c.container.Start(c.process) }) }
	}
	if err := start(); err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	c.unstage()
	if err := c.console.started(); err != nil {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	return nil
}

// newProcess turns runtime-spec's process into libcontainer's.
func newProcess(p *specs.Process, logLevel string) (*libcontainer.Process, error) {
	lp := &libcontainer.Process{
		Args: p.Args, Env: slices.Clone(p.Env), Cwd: p.Cwd,
		UID: int(p.User.UID), GID: int(p.User.GID),
		Label: p.SelinuxLabel, AppArmorProfile: p.ApparmorProfile,
		NoNewPrivileges: &p.NoNewPrivileges,
		Scheduler:       p.Scheduler, IOPriority: p.IOPriority,
		LogLevel: logLevel,
	}
	for _, g := range p.User.AdditionalGids {
		lp.AdditionalGroups = append(lp.AdditionalGroups, int(g))
	}
	if p.ConsoleSize != nil {
		lp.ConsoleWidth, lp.ConsoleHeight = uint16(p.ConsoleSize.Width), uint16(p.ConsoleSize.Height)
	}
	if k := p.Capabilities; k != nil {
		lp.Capabilities = &configs.Capabilities{
			Bounding: k.Bounding, Effective: k.Effective, Inheritable: k.Inheritable, Permitted: k.Permitted, Ambient: k.Ambient,
		}
	} else {
		// A nil set would fall back to the container's configuration. Nothing asked is nothing given.
		lp.Capabilities = &configs.Capabilities{}
	}
	var err error
	if lp.Rlimits, err = rlimits(p.Rlimits); err != nil {
		return nil, err
	}
	if lp.CPUAffinity, err = configs.ConvertCPUAffinity(p.ExecCPUAffinity); err != nil {
		return nil, fmt.Errorf("read process.execCPUAffinity: %w", err)
	}
	return lp, nil
}

// rlimitTypes are the resource limits of setrlimit(2) by runtime-spec's names.
func rlimitType(name string) (int, bool) {
	switch name {
	case "RLIMIT_CPU":
		return unix.RLIMIT_CPU, true
	case "RLIMIT_FSIZE":
		return unix.RLIMIT_FSIZE, true
	case "RLIMIT_DATA":
		return unix.RLIMIT_DATA, true
	case "RLIMIT_STACK":
		return unix.RLIMIT_STACK, true
	case "RLIMIT_CORE":
		return unix.RLIMIT_CORE, true
	case "RLIMIT_RSS":
		return unix.RLIMIT_RSS, true
	case "RLIMIT_NPROC":
		return unix.RLIMIT_NPROC, true
	case "RLIMIT_NOFILE":
		return unix.RLIMIT_NOFILE, true
	case "RLIMIT_MEMLOCK":
		return unix.RLIMIT_MEMLOCK, true
	case "RLIMIT_AS":
		return unix.RLIMIT_AS, true
	case "RLIMIT_LOCKS":
		return unix.RLIMIT_LOCKS, true
	case "RLIMIT_SIGPENDING":
		return unix.RLIMIT_SIGPENDING, true
	case "RLIMIT_MSGQUEUE":
		return unix.RLIMIT_MSGQUEUE, true
	case "RLIMIT_NICE":
		return unix.RLIMIT_NICE, true
	case "RLIMIT_RTPRIO":
		return unix.RLIMIT_RTPRIO, true
	case "RLIMIT_RTTIME":
		return unix.RLIMIT_RTTIME, true
	}
	return 0, false
}

func rlimits(in []specs.POSIXRlimit) ([]configs.Rlimit, error) {
	out := make([]configs.Rlimit, 0, len(in))
	for _, l := range in {
		t, ok := rlimitType(l.Type)
		if !ok {
			return nil, fmt.Errorf("read process.rlimits: unknown type %q", l.Type)
		}
		out = append(out, configs.Rlimit{Type: t, Hard: l.Hard, Soft: l.Soft})
	}
	return out, nil
}

// rootlessCgroups decodes --rootless: whether cgroup errors are ignored. Inside a user namespace or without root there may be
// no cgroup to write. The host's own root has one, and nothing makes a container of its go without: an error that is
// ignored is a process outside the limits.
func rootlessCgroups(flag string) (bool, error) {
	switch flag {
	case "false", "0":
		return false, nil
	case "true", "1", "", "auto":
		return os.Geteuid() != 0 || mobyuserns.RunningInUserNS(), nil
	}
	return false, fmt.Errorf("read --rootless: %q is not one of true, false, auto", flag)
}
