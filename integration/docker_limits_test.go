package integration

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

var limitScenarios = []scenario{
	{"limits/asked", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "busybox", "sleep", "1000")
		pid := d.pid(t, id)
		equal(t, "memory", cgroupValue(t, pid, "memory", memoryLimitFile()), "67108864")
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "50")
		equal(t, "cores", statusOf(t, pid)["Cpus_allowed_list"], "0")
		if unified() {
			equal(t, "cpu time", cgroupValue(t, pid, "cpu", "cpu.max"), "50000 100000")
			return
		}
		equal(t, "cpu time", cgroupValue(t, pid, "cpu", "cpu.cfs_quota_us"), "50000")
		equal(t, "cpu weight", cgroupValue(t, pid, "cpu", "cpu.shares"), "512")
	}},
	{"limits/pids-hold", false, func(t *testing.T, d *docker) {
		r := d.tryRun(t, "--pids-limit", "8", "busybox", "sh", "-c", "for i in $(seq 20); do sleep 3 & done; wait")
		refused(t, r, "can't fork")
	}},
	{"limits/update", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "64m", "--pids-limit", "50", "busybox", "sleep", "1000")
		d.do(t, "update", "-m", "96m", "--memory-swap", "96m", "--pids-limit", "70", "--cpus", "0.25", id)
		pid := d.pid(t, id)
		equal(t, "memory", cgroupValue(t, pid, "memory", memoryLimitFile()), "100663296")
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "70")
		d.do(t, "update", "--pids-limit", "60", id)
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "60")
		equal(t, "memory after an update of pids", cgroupValue(t, pid, "memory", memoryLimitFile()), "100663296")
	}},
	{"limits/ulimit", false, func(t *testing.T, d *docker) {
		out := d.run(t, "--ulimit", "nofile=100:200", "--ulimit", "stack=1048576:2097152", "busybox", "sh", "-c", "ulimit -n; ulimit -Hn; ulimit -s")
		equal(t, "limits", out, "100\n200\n1024")
	}},
	{"limits/sysctl", false, func(t *testing.T, d *docker) {
		out := d.run(t, "--sysctl", "net.core.somaxconn=777", "--sysctl", "kernel.shmmni=1234", "--sysctl", "net.ipv4.ip_forward=0",
			"busybox", "sh", "-c", "cd /proc/sys; cat kernel/shmmni net/ipv4/ip_forward; cat net/core/somaxconn || echo absent")
		// Linux 6.1 keeps this one from networks that belong to a user namespace: it is dropped there.
		want := "777"
		if d.runtime == "bulkhead" && !inUserNamespace(t, "/proc/sys/net/core/somaxconn") {
			want = "absent"
		}
		equal(t, "values", out, "1234\n0\n"+want)
	}},
	{"limits/ping-as-a-user", false, func(t *testing.T, d *docker) {
		d.image(t, "services")
		d.run(t, "services", "ping", "-c", "1", "127.0.0.1")
	}},
	{"limits/default", true, func(t *testing.T, d *docker) {
		pid := d.pid(t, d.container(t, "busybox", "sleep", "1000"))
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "4096")
		limits := procFile(t, pid, "limits")
		equal(t, "core", limitOf(limits, "Max core file size"), "1 1 bytes")
		var soft, hard int
		if n, err := fmt.Sscan(limitOf(limits, "Max open files"), &soft, &hard); n != 2 || soft > hard || hard > 1048576 {
			t.Errorf("open files are limited to %d, %d, want at most 1048576: %v", soft, hard, err)
		}
		checkBounded(t, pid)
	}},
	{"limits/beyond-the-ceiling", true, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "100000g", "--memory-swap", "-1", "--pids-limit", "-1", "--oom-score-adj", "-900", "--oom-kill-disable",
			"--cpu-shares", "262144", "--ulimit", "core=-1", "busybox", "sleep", "1000")
		pid := d.pid(t, id)
		checkBounded(t, pid)
		score, err := strconv.Atoi(trimmed(procFile(t, pid, "oom_score_adj")))
		if err != nil || score < 0 {
			t.Errorf("oom_score_adj is %d: %v, want 0 or above", score, err)
		}
		if !unified() {
			equal(t, "oom_kill_disable", cgroupValue(t, pid, "memory", "memory.oom_control")[:len("oom_kill_disable 0")], "oom_kill_disable 0")
		}
		equal(t, "core", limitOf(procFile(t, pid, "limits"), "Max core file size"), "1 1 bytes")
		// Unlimited in Docker's words, which is never one task, as 0 is for runc since 1.4.
		id = d.container(t, "--pids-limit", "0", "busybox", "sleep", "1000")
		unlimited := cgroupValue(t, d.pid(t, id), "pids", "pids.max")
		if unlimited != "4096" && unlimited != "32768" {
			t.Errorf("--pids-limit 0 gives %s tasks, want the profile's default or ceiling", unlimited)
		}
		d.do(t, "update", "--pids-limit", "60", id)
		d.do(t, "update", "--pids-limit", "0", id)
		want := "32768"
		if trimmed(d.do(t, "inspect", "-f", "{{.HostConfig.PidsLimit}}", id)) == "60" {
			want = "60" // the client sends nothing for 0
		}
		equal(t, "pids after an update to 0", cgroupValue(t, d.pid(t, id), "pids", "pids.max"), want)
	}},
	// As kubelet sets it: 1000 for a pod without requests, 2 to 999 by its share of the memory.
	{"limits/oom-score", false, func(t *testing.T, d *docker) {
		for _, score := range []string{"2", "936", "1000"} {
			equal(t, "score", d.run(t, "--oom-score-adj", score, "busybox", "cat", "/proc/self/oom_score_adj"), score)
		}
	}},
	// And for a pod with all it asks for. The floor is 0, or the engine's own score where the host may not lower it.
	{"limits/oom-score-of-guaranteed", true, func(t *testing.T, d *docker) {
		for _, score := range []string{"-997", "-998"} {
			if got := d.run(t, "--oom-score-adj", score, "busybox", "cat", "/proc/self/oom_score_adj"); got != "0" && got != "1" {
				t.Errorf("score is %q when %s is asked, want 0 or the engine's own", got, score)
			}
		}
	}},
	{"limits/update-cannot-widen", true, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "64m", "--pids-limit", "50", "busybox", "sleep", "1000")
		pid := d.pid(t, id)
		for _, args := range [][]string{
			{"--pids-limit", "-1"}, {"--memory", "-1", "--memory-swap", "-1"}, {"--memory", "100000g", "--memory-swap", "-1"}, {"--pids-limit", "4000000"},
			{"--cpus", "0"}, {"--cpu-shares", "262144"},
		} {
			// Refused or narrowed: what counts is what the kernel has afterwards.
			d.try(t, append(append([]string{"update"}, args...), id)...)
			checkBounded(t, pid)
		}
	}},
}

// inUserNamespace tells whether a path exists for a process in new user and network namespaces.
func inUserNamespace(t *testing.T, path string) bool {
	t.Helper()
	cmd := exec.Command("test", "-e", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET}
	return run(t, cmd).code == 0
}
