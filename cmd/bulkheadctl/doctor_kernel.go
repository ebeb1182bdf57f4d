package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// resourceCheck looks for CAP_SYS_RESOURCE, which raises limits.
func resourceCheck() check {
	c := check{Name: "CAP_SYS_RESOURCE", State: stateOK, Found: "effective"}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil || !hasCapability(string(status), unix.CAP_SYS_RESOURCE) {
		c.State, c.Found = stateLimited, "not effective"
		c.Means = "a container gets no more open files or processes than this shell may have, and no lower OOM score"
		c.Do = "run the engine with all capabilities (its service file, or the container that it runs in)"
	}
	return c
}

// hasCapability reads the effective set of /proc/PID/status.
func hasCapability(status string, capability int) bool {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && set&(1<<uint(capability)) != 0
		}
	}
	return false
}

// seccompCheck asks the kernel for the action that the filters of containers use (seccomp(2), SECCOMP_GET_ACTION_AVAIL).
func seccompCheck() check {
	c := check{Name: "system call filters", State: stateOK, Needed: true, Found: "work; libseccomp " + container.LibseccompVersion() + " is built in"}
	const getActionAvail, retErrno = 2, uint32(0x00050000)
	action := retErrno
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptr(unsafe.Pointer(&action))); errno != 0 {
		c.State, c.Found = stateMissing, fmt.Sprintf("seccomp: %v", errno)
		c.Means, c.Do = "no container can start: each has a filter", "use a kernel with CONFIG_SECCOMP_FILTER"
	}
	return c
}

// filterDumpCheck tells whether the kernel shows a loaded filter (ptrace(2), PTRACE_SECCOMP_GET_FILTER). That needs
// CONFIG_CHECKPOINT_RESTORE, as does PR_SET_MM_MAP_SIZE (prctl(2)), which can be asked without a traced process.
func filterDumpCheck() check {
	c := check{Name: "reading filters back", State: stateOK, Found: "PTRACE_SECCOMP_GET_FILTER is there"}
	const mapSize = 15
	var size uint32
	if err := unix.Prctl(unix.PR_SET_MM, mapSize, uintptr(unsafe.Pointer(&size)), 0, 0); err != nil {
		c.State, c.Found = stateLimited, "the kernel has no CONFIG_CHECKPOINT_RESTORE"
		c.Means = "that a filter is loaded is verified, its program cannot be read back"
	}
	return c
}

// neededControllers bound what a container uses.
var neededControllers = []string{"cpu", "memory", "pids"}

func cgroupCheck() check { return judgeCgroups(cgroups.Probe("", false)) }

func judgeCgroups(have cgroups.Capacity, err error) check {
	c := check{Name: "cgroups", State: stateOK, Needed: true}
	if err != nil {
		c.State, c.Found = stateMissing, err.Error()
		c.Means, c.Do = "no container can start: each has limits", "mount cgroup2 on /sys/fs/cgroup"
		return c
	}
	c.Found = fmt.Sprintf("version %d with %s", have.Version, strings.Join(have.Controllers, ", "))
	var absent []string
	for _, name := range neededControllers {
		if !slices.Contains(have.Controllers, name) {
			absent = append(absent, name)
		}
	}
	switch {
	case len(absent) > 0:
		c.State = stateMissing
		c.Found += "; without " + strings.Join(absent, ", ")
		c.Means = "no container can start: these limits could not be set"
		c.Do = "boot without cgroup_disable=, on a small board with cgroup_enable=memory; in version 2 enable them in cgroup.subtree_control"
	case !have.SwapAccounting:
		c.State = stateLimited
		c.Found += "; swap is not accounted"
		c.Means, c.Do = "a container above its memory limit may swap, if this machine has swap", "boot with swapaccount=1, or turn swap off"
	case have.Version == 1:
		c.State = stateLimited
		c.Means, c.Do = "limits hold; version 1 has no pressure figures and engines are giving it up", "boot with systemd.unified_cgroup_hierarchy=1"
	}
	return c
}

func lsmCheck() check {
	c := check{Name: "AppArmor or SELinux", State: stateOK}
	apparmor, _ := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	_, noSELinux := os.Stat("/sys/fs/selinux/enforce")
	switch {
	case strings.HasPrefix(string(apparmor), "Y"):
		c.Found = "AppArmor is active"
	case noSELinux == nil:
		c.Found = "SELinux is active"
	default:
		c.State, c.Found = stateLimited, "neither is active"
		c.Means = "one wall less; user namespace, filter and capabilities hold without it"
		c.Do = "boot with lsm=...,apparmor (Debian, Ubuntu, SUSE) or selinux=1 (Fedora, RHEL)"
	}
	return c
}

// unprivilegedCheck is about users of the host, not about containers: bulkhead makes user namespaces as root.
func unprivilegedCheck() check {
	c := check{Name: "user namespaces of users", State: stateOK}
	clone, _ := os.ReadFile("/proc/sys/kernel/unprivileged_userns_clone")
	restrict, _ := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	c.Found = judgeUnprivileged(strings.TrimSpace(string(clone)), strings.TrimSpace(string(restrict)))
	return c
}

func judgeUnprivileged(clone, restrict string) string {
	switch {
	case clone == "0":
		return "off (kernel.unprivileged_userns_clone=0); bulkhead needs them only as root"
	case restrict == "1":
		return "restricted by AppArmor (kernel.apparmor_restrict_unprivileged_userns=1); bulkhead needs them only as root"
	}
	return "allowed; bulkhead needs them only as root, so kernel.unprivileged_userns_clone=0 or AppArmor may forbid them"
}

func btfCheck() check {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil {
		return check{Name: "kernel type information (BTF)", State: stateOK, Found: "/sys/kernel/btf/vmlinux is there"}
	}
	return check{Name: "kernel type information (BTF)", State: stateLimited, Found: "there is no /sys/kernel/btf/vmlinux",
		Means: "containers do not need it; recording a workload's system calls by BPF does", Do: "use a kernel with CONFIG_DEBUG_INFO_BTF"}
}
