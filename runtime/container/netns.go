package container

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// A network namespace that the engine made (a pod's, podman's) belongs to the host's user namespace. From inside the
// container's own one neither can sysfs be mounted there nor a network parameter be set, so both are done from here,
// before the container begins, in the namespace that was judged. The same holds for an IPC namespace that the engine made
// (CRI-O's) and its message queues.

// engineNamespace is the namespace of that kind that the engine made for the container; nil when it has another.
func (c *creation) engineNamespace(kind specs.LinuxNamespaceType) *os.File {
	for i, n := range c.asked.Linux.Namespaces {
		facts := c.policy.Facts.Namespaces
		if n.Type == kind && i < len(facts) && n.Path != "" && facts[i].OwnerIsHost && !facts[i].Host {
			return c.resolved.Namespace(i)
		}
	}
	return nil
}

// foreignNetwork is the network namespace whose sysfs the container cannot mount by itself: the engine's, or the host's own, which
// a site's profile may give it. It is nil when the container makes its own, or joins a sibling's. The caller closes what is
// not the creation's.
func (c *creation) foreignNetwork() (_ *os.File, done func(), err error) {
	if network := c.engineNamespace(specs.NetworkNamespace); network != nil {
		return network, func() {}, nil
	}
	i := slices.IndexFunc(c.asked.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	if i >= 0 && (i >= len(c.policy.Facts.Namespaces) || !c.policy.Facts.Namespaces[i].Host) {
		return nil, func() {}, nil
	}
	host, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, func() {}, fmt.Errorf("open own network namespace: %w", err)
	}
	return host, func() { _ = host.Close() }, nil
}

// within runs f in a namespace of the kind, network or ipc, and comes back. A thread that cannot come back stays locked, so that
// nothing else ever runs on it.
//
// An unprivileged user's engine has its own network and IPC namespaces of the host, which no process of the user's may enter (setns(2)).
// There f runs on a thread that ends with it.
func within(kind specs.LinuxNamespaceType, ns *os.File, f func() error) error {
	own, _, err := bundle.OwnIDs()
	if err != nil {
		return err
	}
	if own != nil {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // never unlocked: Go then ends the thread with the goroutine
			err := enter(kind, ns)
			if err == nil {
				err = f()
			}
			done <- err
		}()
		return <-done
	}
	runtime.LockOSThread()
	back, err := os.Open("/proc/thread-self/ns/" + namespaceFileName(kind))
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own %s namespace: %w", kind, err)
	}
	defer back.Close()
	if err := enter(kind, ns); err != nil {
		runtime.UnlockOSThread()
		return err
	}
	done := f()
	if err := enter(kind, back); err != nil {
		return fmt.Errorf("come back: %w", err)
	}
	runtime.UnlockOSThread()
	return done
}

// enter has this thread enter a namespace of the kind, network or ipc.
func enter(kind specs.LinuxNamespaceType, ns *os.File) error {
	flag := unix.CLONE_NEWNET
	if kind == specs.IPCNamespace {
		flag = unix.CLONE_NEWIPC
	}
	if err := unix.Setns(int(ns.Fd()), flag); err != nil {
		return fmt.Errorf("enter %s namespace: %w", kind, err)
	}
	return nil
}

func namespaceFileName(kind specs.LinuxNamespaceType) string {
	if kind == specs.IPCNamespace {
		return "ipc"
	}
	return "net"
}

// stageMqueue mounts the message queues of an IPC namespace that the engine made (CRI-O's pods), and makes the container's mount
// a bind of it: mq_overview(7). What everybody may do there is what the container may.
func (c *creation) stageMqueue(place string, i int, m *specs.Mount) error {
	ipc := c.engineNamespace(specs.IPCNamespace)
	if ipc == nil {
		return nil
	}
	path := filepath.Join(place, strconv.Itoa(i))
	if err := makeTarget(path, true); err != nil {
		return err
	}
	err := within(specs.IPCNamespace, ipc, func() error {
		return unix.Mount("mqueue", path, "mqueue", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	})
	if err != nil {
		return err
	}
	options := []string{"bind", "nosuid", "nodev", "noexec"}
	if slices.Contains(m.Options, "ro") {
		options = append(options, "ro")
	}
	m.Type, m.Source, m.Options = "bind", path, options
	return nil
}

// stageSysfs mounts the sysfs of a network namespace that is not the container's, read-only, and makes the container's a
// bind of it. A container with a network namespace of its own mounts its own.
func (c *creation) stageSysfs(place string, i int, m *specs.Mount) error {
	network, done, err := c.foreignNetwork()
	if err != nil || network == nil {
		return err
	}
	defer done()
	path := filepath.Join(place, strconv.Itoa(i))
	if err := makeTarget(path, true); err != nil {
		return err
	}
	err = within(specs.NetworkNamespace, network, func() error {
		flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
		return unix.Mount("sysfs", path, "sysfs", flags, "")
	})
	if err != nil {
		return err
	}
	m.Type, m.Source, m.Options = "bind", path, []string{"bind", "ro", "nosuid", "nodev", "noexec"}
	return nil
}

// setEngineParameters writes the kernel parameters of the hardened spec that belong to namespaces that the engine made, and takes
// them from what libcontainer gets. /proc/sys shows the namespaces of the thread that opens it.
func (c *creation) setEngineParameters(linux *specs.Linux) error {
	if err := c.openLowPorts(linux); err != nil {
		return err
	}
	for _, kind := range []specs.LinuxNamespaceType{specs.NetworkNamespace, specs.IPCNamespace} {
		ns := c.engineNamespace(kind)
		if ns == nil || !slices.ContainsFunc(slices.Collect(maps.Keys(linux.Sysctl)), func(name string) bool { return parameterOf(name) == kind }) {
			continue
		}
		rest := maps.Clone(linux.Sysctl)
		err := within(kind, ns, func() error {
			for _, name := range slices.Sorted(maps.Keys(linux.Sysctl)) {
				if parameterOf(name) != kind {
					continue
				}
				value := linux.Sysctl[name]
				if name == "net.ipv4.ping_group_range" {
					value = hostGroups(value, linux.GIDMappings)
				}
				if err := writeSysctl(name, value); err != nil {
					return err
				}
				delete(rest, name)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("create %q: %w", c.o.ID, err)
		}
		linux.Sysctl = rest
	}
	return nil
}

const lowPorts = "net.ipv4.ip_unprivileged_port_start"

// openLowPorts lets the container listen on ports below 1024 in a network namespace that the engine made, when its hardened spec has
// the capability for that: there the capability does not count, because the namespace belongs to the host's user namespace
// (capabilities(7)). Docker and containerd's CRI ask for the parameter themselves, podman does not. A value that was asked for
// stays, and so does the network of another running container: who joins it has no say there.
func (c *creation) openLowPorts(linux *specs.Linux) error {
	caps := c.hardened.Process.Capabilities
	network := c.engineNamespace(specs.NetworkNamespace)
	if network == nil || c.joined != nil || caps == nil || !slices.Contains(caps.Bounding, "CAP_NET_BIND_SERVICE") {
		return nil
	}
	if _, asked := linux.Sysctl[lowPorts]; asked {
		return nil
	}
	own, err := network.Stat()
	if err != nil {
		return fmt.Errorf("look at the network namespace of %q: %w", c.o.ID, err)
	}
	other, err := c.runningWith(func(h *Holding) bool {
		theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", h.InitPID))
		return h.ID != c.o.ID && (err != nil || os.SameFile(own, theirs)) // what cannot be told apart is left alone
	})
	if err != nil || other != nil {
		return err
	}
	parameters := maps.Clone(linux.Sysctl)
	if parameters == nil {
		parameters = map[string]string{}
	}
	parameters[lowPorts] = "0"
	linux.Sysctl = parameters
	c.rec.Changes = append(c.rec.Changes, harden.Change{
		Rule: "sysctl", Field: fmt.Sprintf("linux.sysctl[%q]", lowPorts), From: "absent", To: "0",
		Why: "the engine's network namespace belongs to the host's user namespace, where the container's CAP_NET_BIND_SERVICE does not count",
	})
	return nil
}

// parameterOf is the kind of namespace, network or ipc, that a kernel parameter belongs to: network_namespaces(7),
// ipc_namespaces(7). Empty: another.
func parameterOf(name string) specs.LinuxNamespaceType {
	if strings.HasPrefix(name, "net.") {
		return specs.NetworkNamespace
	}
	for _, prefix := range []string{"fs.mqueue.", "kernel.msg", "kernel.sem", "kernel.shm"} {
		if strings.HasPrefix(name, prefix) {
			return specs.IPCNamespace
		}
	}
	return ""
}

// hostGroups puts a span of the container's group IDs into the host's: the kernel reads them as those of the process that
// writes (user_namespaces(7)), which is this one. What is no span, or lies outside of the first extent, stays as it is: the rule
// sysctl has fitted it, and "1 0" is nobody everywhere.
func hostGroups(value string, mapping []specs.LinuxIDMapping) string {
	var low, high uint32
	if n, err := fmt.Sscan(value, &low, &high); n != 2 || err != nil || low > high {
		return value
	}
	for _, m := range mapping {
		if low >= m.ContainerID && high-m.ContainerID < m.Size {
			return fmt.Sprintf("%d %d", m.HostID+low-m.ContainerID, m.HostID+high-m.ContainerID)
		}
	}
	return value
}

// writeSysctl sets one parameter. In its name a dot separates and a slash belongs to a component, as the sysctl rule left
// it; a component is never "..": the rule has seen to that, and os.Root stays below /proc/sys whatever comes.
func writeSysctl(name, value string) error {
	swapped := strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, name)
	root, err := os.OpenRoot("/proc/sys")
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	defer root.Close()
	f, err := root.OpenFile(swapped, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	defer f.Close()
	if _, err := f.WriteString(value); err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}
