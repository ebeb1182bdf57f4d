package bundle

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// probeKernel asks the kernel for what rules must know.
func probeKernel(spec *specs.Spec) Kernel {
	apparmor := firstByte("/sys/module/apparmor/parameters/enabled") == 'Y' && exists("/sys/kernel/security/apparmor")
	return Kernel{
		AppArmor:       apparmor,
		AppArmorMode:   apparmorModeOf(spec, apparmor),
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
