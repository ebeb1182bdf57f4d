package bundle

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// missingSysctls lists the spec's sysctls that a new container does not have, sorted: those that this kernel does not
// have at all, and those that it has only for its first namespaces (net.core.rmem_max on most kernels).
func missingSysctls(spec *specs.Spec) []string {
	if spec.Linux == nil {
		return nil
	}
	var missing, unsure, paths []string
	for name := range spec.Linux.Sysctl {
		path, ok := sysctlPath(name)
		switch {
		case !ok || perInterface(name):
		case everyNamespaceHas(path), joinsNetwork(spec) && engineNamespaceHas(path):
			if !exists(path) {
				missing = append(missing, name)
			}
		default:
			unsure, paths = append(unsure, name), append(paths, path)
		}
	}
	for i, has := range inNewNamespaces(paths) {
		if !has {
			missing = append(missing, unsure[i])
		}
	}
	slices.Sort(missing)
	return missing
}

// everyNamespaceHas tells that a kernel which has this sysctl has it for each namespace. These are what engines set
// themselves or users set most; the others cost a process that looks from inside.
func everyNamespaceHas(path string) bool {
	name, _ := strings.CutPrefix(path, "/proc/sys/")
	switch name {
	case "net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range", "net/ipv4/ip_forward",
		"net/ipv4/ip_local_port_range", "net/ipv4/tcp_syncookies",
		"kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
		"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/hostname", "kernel/domainname":
		return true
	}
	return strings.HasPrefix(name, "fs/mqueue/")
}

// engineNamespaceHas tells that a kernel which has this sysctl has it for each network namespace that the host's user namespace owns,
// such as a pod's. Linux 6.1 keeps it from those that another user namespace owns, newer kernels do not.
func engineNamespaceHas(path string) bool { return path == "/proc/sys/net/core/somaxconn" }

// joinsNetwork tells that the container gets a network namespace that there is already.
func joinsNetwork(spec *specs.Spec) bool {
	return slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool {
		return ns.Type == specs.NetworkNamespace && ns.Path != ""
	})
}

// sysctlPath is the file of a sysctl. Both "net.ipv4.ip_forward" and "net/ipv4/ip_forward" are names: the first
// separator decides, and the other character stands for itself (sysctl(8)). ok is false for a name that leaves /proc/sys.
func sysctlPath(name string) (string, bool) {
	path := name
	if at := strings.IndexAny(name, "./"); at >= 0 && name[at] == '.' {
		path = strings.NewReplacer(".", "/", "/", ".").Replace(name)
	}
	for element := range strings.SplitSeq(path, "/") {
		if element == "" || element == "." || element == ".." {
			return "", false
		}
	}
	return "/proc/sys/" + path, true
}

// perInterface tells that a sysctl belongs to a network interface: the container's interfaces are not the host's, and
// they come later than this probe.
func perInterface(name string) bool {
	part := strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '/' })
	if len(part) < 4 || part[0] != "net" || part[2] != "conf" && part[2] != "neigh" {
		return false
	}
	return part[3] != "all" && part[3] != "default"
}
