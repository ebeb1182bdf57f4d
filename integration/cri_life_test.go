package integration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What kubelet does in the life of a pod.
var podLifeScenarios = []podScenario{
	{"probes by exec", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a := p.start(t, "a", sleep, set("linux.securityContext.runAsUser", object{"value": "1000"}), set("linux.securityContext.runAsGroup", object{"value": "1000"}),
			set("envs", []object{{"key": "COLOUR", "value": []byte("green")}}), set("workingDir", "/data"))
		r := c.exec(t, a, "sh", "-c", "echo out; echo err >&2; exit 3")
		equal(t, "exit code", r.code, 3)
		equal(t, "stdout", r.stdout, "out\n")
		equal(t, "stderr", r.stderr, "err\n")
		equal(t, "who and where", c.sh(t, a, "id -u; id -g; pwd; echo $COLOUR"), "1000\n1000\n/data\ngreen")
		for range 5 {
			equal(t, "exit code of a probe", c.exec(t, a, "cat", "/data/seed").code, 0)
		}
		late := c.try(t, "ExecSync", object{"containerId": a, "cmd": []string{"sleep", "100"}, "timeout": "1"})
		refused(t, late, "DeadlineExceeded")
		equal(t, "exit code after one that was cut off", c.exec(t, a, "true").code, 0)
		missing := c.try(t, "ExecSync", object{"containerId": a, "cmd": []string{"nothing-of-that-name"}, "timeout": "10"})
		refused(t, missing, "executable file not found")
	}},
	{"limits changed in place", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a := p.start(t, "a", sleep, set("linux.resources", object{"cpuShares": "512", "cpuQuota": "20000", "cpuPeriod": "100000", "memoryLimitInBytes": "67108864", "oomScoreAdj": "1000"}))
		equal(t, "memory limit", cgroupValue(t, c.containerPid(t, a), "memory", memoryLimitFile()), "67108864")
		c.call(t, "UpdateContainerResources", object{"containerId": a, "linux": object{"cpuShares": "256", "cpuQuota": "50000", "cpuPeriod": "100000", "memoryLimitInBytes": "134217728"}}, nil)
		equal(t, "memory limit after the update", cgroupValue(t, c.containerPid(t, a), "memory", memoryLimitFile()), "134217728")
		equal(t, "quota after the update", cpuQuota(t, c.containerPid(t, a)), "50000 100000")
		if c.runtime == "bulkhead" {
			checkHardened(t, c.containerPid(t, a))
		}
	}},
	{"end, logs, restart and crash loop", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		for attempt := range 3 {
			id := p.start(t, "crash", []string{"sh", "-c", "echo attempt; echo trouble >&2; exit 5"}, set("metadata.attempt", attempt), set("logPath", fmt.Sprintf("crash-%d.log", attempt)))
			equal(t, "exit code", c.ended(t, id).ExitCode, 5)
			equal(t, "log", sortedLines(p.log(t, fmt.Sprintf("crash-%d", attempt))), "stderr F trouble\nstdout F attempt")
			c.call(t, "RemoveContainer", object{"containerId": id}, nil)
			c.call(t, "RemoveContainer", object{"containerId": id}, nil)
		}
		long := p.start(t, "long", []string{"sh", "-c", "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.1; done"})
		p.saysUp(t, "long")
		c.call(t, "StopContainer", object{"containerId": long, "timeout": "30"}, nil)
		equal(t, "exit code of a graceful stop", c.ended(t, long).ExitCode, 9)
		equal(t, "log of a graceful stop", p.log(t, "long"), "stdout F up\nstdout F bye")
		deaf := p.start(t, "deaf", []string{"sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"})
		p.saysUp(t, "deaf")
		c.call(t, "StopContainer", object{"containerId": deaf, "timeout": "1"}, nil)
		equal(t, "exit code of a forced stop", c.ended(t, deaf).ExitCode, 137)
		missing := p.containerConfig("missing", []string{"/nothing"})
		var made struct{ ContainerID string }
		c.call(t, "CreateContainer", object{"podSandboxId": p.id, "config": missing, "sandboxConfig": p.config}, &made)
		refused(t, c.try(t, "StartContainer", object{"containerId": made.ContainerID}), "no such file or directory")
		oom := p.start(t, "oom", []string{"sh", "-c", "x=$(dd if=/dev/zero bs=1M count=200 2>/dev/null | tr '\\0' a); echo ${#x}"}, set("linux.resources.memoryLimitInBytes", "33554432"))
		s := c.ended(t, oom)
		equal(t, "exit code beyond the memory limit", fmt.Sprintf("%d %s", s.ExitCode, s.Reason), "137 OOMKilled")
	}},
	{"a pod's first process ends and another pod takes its place", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a := p.start(t, "a", sleep)
		must(t, run(t, c.inside("kill", "-KILL", strconv.Itoa(p.sandboxPid(t)))))
		eventually(t, "the end of the sandbox", func() error {
			var answer struct{ Status struct{ State string } }
			if c.call(t, "PodSandboxStatus", object{"podSandboxId": p.id}, &answer); answer.Status.State == "SANDBOX_READY" {
				return fmt.Errorf("it is ready")
			}
			return nil
		})
		p.remove(t)
		if c.try(t, "ContainerStatus", object{"containerId": a}).code == 0 {
			t.Error("the container of a removed pod is still known")
		}
		next := c.pod(t)
		equal(t, "a command in the next pod", c.sh(t, next.start(t, "a", sleep), "echo ok"), "ok")
	}},
	{"scores for the kernel's killer", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		for _, score := range []string{"1000", "903"} {
			id := p.start(t, "score"+score, sleep, set("linux.resources.oomScoreAdj", score))
			equal(t, "score", strings.TrimSpace(procFile(t, c.containerPid(t, id), "oom_score_adj")), score)
		}
		guaranteed := p.start(t, "guaranteed", sleep, set("linux.resources.oomScoreAdj", "-997"))
		got, err := strconv.Atoi(strings.TrimSpace(procFile(t, c.containerPid(t, guaranteed), "oom_score_adj")))
		want := -997
		if c.runtime == "bulkhead" {
			want = 0 // the profile's floor: the host's own work is spared first
		} else if !mayLowerOOMScore(t) {
			want = got // containerd puts its own in place
		}
		if err != nil || got < want || c.runtime == "runc" && got != want {
			t.Errorf("score of a guaranteed pod is %d, want %d: %v", got, want, err)
		}
	}},
	{"statistics of a container", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a := p.start(t, "a", []string{"sh", "-c", "while :; do :; done"}, set("linux.resources", object{"cpuShares": "102", "cpuQuota": "10000", "cpuPeriod": "100000"}))
		eventually(t, "figures", func() error {
			var answer struct {
				Stats struct {
					CPU    struct{ UsageCoreNanoSeconds struct{ Value string } }
					Memory struct{ WorkingSetBytes struct{ Value string } }
				}
			}
			c.call(t, "ContainerStats", object{"containerId": a}, &answer)
			cpu, _ := strconv.Atoi(answer.Stats.CPU.UsageCoreNanoSeconds.Value)
			memory, _ := strconv.Atoi(answer.Stats.Memory.WorkingSetBytes.Value)
			if cpu <= 0 || memory <= 0 {
				return fmt.Errorf("CPU %d ns, memory %d bytes", cpu, memory)
			}
			return nil
		})
	}},
}

// saysUp waits for the first line of a container: before it the process may still be the runtime's own, which a signal ends.
func (p *pod) saysUp(t testing.TB, name string) {
	t.Helper()
	eventually(t, "the start", func() error {
		if l := p.log(t, name); l != "stdout F up" {
			return fmt.Errorf("log %q", l)
		}
		return nil
	})
}

// cpuQuota is the CPU time of a process's cgroup and its period, in microseconds.
func cpuQuota(t testing.TB, pid int) string {
	t.Helper()
	if unified() {
		return cgroupValue(t, pid, "cpu", "cpu.max")
	}
	return cgroupValue(t, pid, "cpu", "cpu.cfs_quota_us") + " " + cgroupValue(t, pid, "cpu", "cpu.cfs_period_us")
}

// sortedLines puts lines in order: two streams have none between them.
func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
