package bundle

import (
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// probeKernel asks the kernel for what rules must know.
func probeKernel(spec *specs.Spec) Kernel {
	return Kernel{
		AppArmor:       firstByte("/sys/module/apparmor/parameters/enabled") == 'Y' && exists("/sys/kernel/security/apparmor"),
		SELinux:        exists("/sys/fs/selinux/enforce"),
		MissingSysctls: missingSysctls(spec),
		Arch:           seccompArch(runtime.GOARCH),
		TimeNamespace:  exists("/proc/thread-self/ns/time"),
		LastCap:        lastCap(),
		HardLimits:     hardLimits(),
		OOMScoreAdjMin: oomScoreAdjMin(),
	}
}

func firstByte(path string) byte {
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return 0
	}
	return data[0]
}

func lastCap() int {
	data, err := os.ReadFile("/proc/sys/kernel/cap_last_cap")
	if err != nil {
		return unix.CAP_LAST_CAP
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return unix.CAP_LAST_CAP
	}
	return n
}

// missingSysctls lists the spec's sysctls that this kernel does not have, sorted.
func missingSysctls(spec *specs.Spec) []string {
	if spec.Linux == nil {
		return nil
	}
	var missing []string
	for name := range spec.Linux.Sysctl {
		if path, ok := sysctlPath(name); ok && !exists(path) && !perInterface(name) {
			missing = append(missing, name)
		}
	}
	sort.Strings(missing)
	return missing
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

// seccompArch is the native architecture in the notation of the runtime-spec; empty when seccomp has none for it.
func seccompArch(goarch string) string {
	switch goarch {
	case "amd64":
		return "SCMP_ARCH_X86_64"
	case "arm64":
		return "SCMP_ARCH_AARCH64"
	case "arm":
		return "SCMP_ARCH_ARM"
	case "386":
		return "SCMP_ARCH_X86"
	case "ppc64le":
		return "SCMP_ARCH_PPC64LE"
	case "s390x":
		return "SCMP_ARCH_S390X"
	case "riscv64":
		return "SCMP_ARCH_RISCV64"
	}
	return ""
}

// NativeArch is this machine's architecture in the notation of runtime-spec's linux.seccomp; empty when it has none.
func NativeArch() string { return seccompArch(runtime.GOARCH) }
