package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A status is what /proc/PID/status says of a process: the kernel's view, whatever was asked.
type status map[string]string

func parseStatus(text string) status {
	s := status{}
	for _, line := range strings.Split(text, "\n") {
		if key, value, ok := strings.Cut(line, ":"); ok {
			s[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	return s
}

func statusOf(t testing.TB, pid int) status {
	t.Helper()
	return parseStatus(procFile(t, pid, "status"))
}

func procFile(t testing.TB, pid int, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// caps is a capability set as a bit mask.
func (s status) caps(t testing.TB, set string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s[set], 16, 64)
	if err != nil {
		t.Fatalf("%s is %q: %v", set, s[set], err)
	}
	return v
}

// allowedCaps is the ceiling of the default profile, by number (capabilities(7), linux/capability.h): CHOWN,
// DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, SYS_CHROOT. It stands here a second
// time on purpose: a change of the profile's data must not change what the tests want.
const allowedCaps uint64 = 1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<18

// checkConfined asserts what no container process may have, from its status file.
func checkConfined(t testing.TB, who string, s status) {
	t.Helper()
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if extra := s.caps(t, set) &^ allowedCaps; extra != 0 {
			t.Errorf("%s: %s has %#x beyond the ceiling", who, set, extra)
		}
	}
	equal(t, who+": NoNewPrivs", s["NoNewPrivs"], "1")
	equal(t, who+": Seccomp", s["Seccomp"], "2")
}

// checkHardened asserts everything that holds for the first process of each container under the default profile.
func checkHardened(t testing.TB, pid int) {
	t.Helper()
	checkConfined(t, "container process", statusOf(t, pid))
	for _, file := range []string{"uid_map", "gid_map"} {
		base, size, err := onlyMapping(procFile(t, pid, file))
		if err != nil || base < 65536 || size != 65536 {
			t.Errorf("%s of the container process is %q, want 65536 IDs from 65536 or above: %v", file, procFile(t, pid, file), err)
		}
	}
	for _, ns := range []string{"user", "pid", "mnt", "net", "ipc", "uts", "cgroup"} {
		if namespaceOf(t, strconv.Itoa(pid), ns) == namespaceOf(t, "thread-self", ns) {
			t.Errorf("the container process has the host's %s namespace", ns)
		}
	}
	checkBounded(t, pid)
}

// onlyMapping parses an ID map that must have one line and begin with ID 0.
func onlyMapping(text string) (base, size int64, err error) {
	var first int64
	if n, err := fmt.Sscan(text, &first, &base, &size); n != 3 {
		return 0, 0, err
	}
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 1 || first != 0 {
		return 0, 0, fmt.Errorf("not one mapping from 0: %q", text)
	}
	return base, size, nil
}

// namespaceOf is a namespace of a process. Of the tests' own it is that of this thread: the first one of the process may have
// gone into a daemon's network for good.
func namespaceOf(t testing.TB, process, ns string) string {
	t.Helper()
	link, err := os.Readlink("/proc/" + process + "/ns/" + ns)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func unified() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

func memoryLimitFile() string {
	if unified() {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// cgroupValue reads a file of the cgroup that a process is in.
func cgroupValue(t testing.TB, pid int, controller, file string) string {
	t.Helper()
	for _, line := range strings.Split(procFile(t, pid, "cgroup"), "\n") {
		f := strings.SplitN(line, ":", 3)
		if len(f) != 3 {
			continue
		}
		dir := ""
		for _, c := range strings.Split(f[1], ",") {
			if c == controller {
				dir = filepath.Join("/sys/fs/cgroup", f[1], f[2])
			}
		}
		if f[0] == "0" && unified() {
			dir = filepath.Join("/sys/fs/cgroup", f[2])
		}
		if dir == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(data))
	}
	t.Fatalf("process %d is in no cgroup of %s", pid, controller)
	return ""
}

// hostMemory is the host's memory in bytes.
func hostMemory(t testing.TB) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	var kib int64
	if _, err := fmt.Sscanf(string(data), "MemTotal: %d kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib * 1024
}

// processState is the state letter of a process (proc_pid_stat(5)), empty when there is none.
func processState(pid string) string {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return rest[:min(1, len(rest))]
}

func trimmed(s string) string { return strings.TrimSpace(s) }

// limitOf is the rest of the line of /proc/PID/limits that begins with name: soft limit, hard limit, unit.
func limitOf(limits, name string) string {
	for _, line := range strings.Split(limits, "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return ""
}

// checkBounded asserts the ceilings of the default profile in the kernel's own files.
func checkBounded(t testing.TB, pid int) {
	t.Helper()
	number := func(controller, file string) int64 {
		got := cgroupValue(t, pid, controller, file)
		n, err := strconv.ParseInt(got, 10, 64)
		if err != nil || n <= 0 {
			t.Errorf("%s is %q, want a bound", file, got)
		}
		return n
	}
	if n := number("pids", "pids.max"); n > 32768 {
		t.Errorf("pids.max is %d, want at most 32768", n)
	}
	if n := number("memory", memoryLimitFile()); n > hostMemory(t) {
		t.Errorf("%s is %d, above the host's memory", memoryLimitFile(), n)
	}
	if unified() {
		if got := cgroupValue(t, pid, "cpu", "cpu.max"); strings.HasPrefix(got, "max") {
			t.Errorf("cpu.max is %q, want a bound", got)
		}
		return
	}
	number("cpu", "cpu.cfs_quota_us")
	if n := number("cpu", "cpu.shares"); n > 65536 {
		t.Errorf("cpu.shares is %d, want at most 65536", n)
	}
}
