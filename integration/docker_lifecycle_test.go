package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var lifecycleScenarios = []scenario{
	{"lifecycle/restart", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-v", "/data", "busybox", "sh", "-c", "echo start >>/root/log; echo start >>/data/log; sleep 1000")
		for want := 1; want <= 3; want++ {
			if want > 1 {
				d.do(t, "restart", "-t", "0", id)
			}
			eventually(t, "start number "+fmt.Sprint(want), func() error {
				out, err := d.command("exec", id, "sh", "-c", "cat /root/log /data/log | wc -l; stat -c %u /root/log /data/log").CombinedOutput()
				if got := strings.Join(strings.Fields(string(out)), " "); err == nil && got != fmt.Sprintf("%d 0 0", 2*want) {
					err = errors.New("not yet")
				}
				if err != nil {
					return fmt.Errorf("%w: %s", err, out)
				}
				return nil
			})
		}
	}},
	{"lifecycle/restart-policy", false, func(t *testing.T, d *docker) {
		id := d.container(t, "--restart", "on-failure:3", "busybox", "sh", "-c", "echo x >>/root/log; wc -l </root/log; exit 1")
		eventually(t, "the last start", func() error {
			if got := d.inspect(t, id, "{{.RestartCount}} {{.State.Status}}"); got != "3 exited" {
				return fmt.Errorf("is %s", got)
			}
			return nil
		})
		equal(t, "log", d.do(t, "logs", id), "1\n2\n3\n4")
	}},
	{"lifecycle/stop-by-signal", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done")
		d.waitLog(t, id, "ready")
		d.do(t, "stop", "-t", "60", id)
		equal(t, "exit status", d.inspect(t, id, "{{.State.ExitCode}}"), "3")
		equal(t, "log", d.do(t, "logs", id), "ready\nbye")
	}},
	{"lifecycle/stop-by-force", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
		d.waitLog(t, id, "ready")
		d.do(t, "stop", "-t", "1", id)
		equal(t, "exit status", d.inspect(t, id, "{{.State.ExitCode}}"), "137")
	}},
	{"lifecycle/kill", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done")
		d.waitLog(t, id, "ready")
		d.do(t, "kill", "-s", "USR1", id)
		d.waitLog(t, id, "usr1")
		d.do(t, "kill", id)
		equal(t, "exit status", d.do(t, "wait", id), "137")
		refused(t, d.try(t, "kill", id), "is not running")
	}},
	{"lifecycle/all-processes-end", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "for i in 1 2 3; do setsid sleep 1000 & done; echo ready; sleep 1000")
		d.waitLog(t, id, "ready")
		pid := d.pid(t, id)
		pids := strings.Fields(cgroupValue(t, pid, "pids", "cgroup.procs"))
		equal(t, "processes", len(pids) >= 4, true)
		d.do(t, "rm", "-f", id)
		eventually(t, "the end of all processes", func() error {
			for _, p := range pids {
				if s := processState(p); s != "" && s != "Z" {
					return fmt.Errorf("process %s is %s", p, s)
				}
			}
			return nil
		})
	}},
	{"lifecycle/pause", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "while :; do echo x >>/tmp/ticks; sleep 0.05; done")
		d.do(t, "pause", id)
		equal(t, "status", d.inspect(t, id, "{{.State.Status}}"), "paused")
		pid := d.pid(t, id)
		if !unified() {
			equal(t, "freezer", cgroupValue(t, pid, "freezer", "freezer.state"), "FROZEN")
		}
		refused(t, d.try(t, "exec", id, "true"), "paused")
		d.do(t, "unpause", id)
		equal(t, "status", d.inspect(t, id, "{{.State.Status}}"), "running")
		before := d.do(t, "exec", id, "sh", "-c", "wc -l </tmp/ticks")
		eventually(t, "ticks", func() error {
			if d.do(t, "exec", id, "sh", "-c", "wc -l </tmp/ticks") == before {
				return fmt.Errorf("still %s", before)
			}
			return nil
		})
	}},
	{"lifecycle/top-and-stats", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "64m", "busybox", "sh", "-c", "sleep 1234 & sleep 1235 & wait")
		eventually(t, "processes in top", func() error {
			out := d.do(t, "top", id, "-o", "pid,args")
			if !strings.Contains(out, "sleep 1234") || !strings.Contains(out, "sleep 1235") {
				return fmt.Errorf("top shows %q", out)
			}
			return nil
		})
		stats := strings.Fields(d.do(t, "stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", id))
		equal(t, "fields of "+strings.Join(stats, " "), len(stats), 4)
		equal(t, "limit", stats[2], "64MiB")
		equal(t, "processes", stats[3], "3")
	}},
	{"lifecycle/health", false, func(t *testing.T, d *docker) {
		id := d.container(t, "--health-cmd", "test -e /tmp/well", "--health-interval", "200ms", "--health-retries", "1", "busybox", "sleep", "1000")
		d.waitHealth(t, id, "unhealthy")
		d.do(t, "exec", id, "touch", "/tmp/well")
		d.waitHealth(t, id, "healthy")
	}},
	{"lifecycle/create-then-start", false, func(t *testing.T, d *docker) {
		id := d.do(t, "create", "--runtime", d.runtime, "busybox", "echo", "started")
		d.cleanUp(t, id)
		equal(t, "status", d.inspect(t, id, "{{.State.Status}}"), "created")
		equal(t, "output", d.do(t, "start", "-a", id), "started")
		equal(t, "output of the second start", d.do(t, "start", "-a", id), "started")
	}},
	{"lifecycle/out-of-memory", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-m", "32m", "busybox", "sh", "-c", "dd if=/dev/zero of=/dev/null bs=100M count=1; echo dd: $?; sleep 1000")
		d.waitLog(t, id, "dd: 137")
		equal(t, "status", d.inspect(t, id, "{{.State.Status}}"), "running")
	}},
}

func (d *dockerd) waitLog(t testing.TB, id, word string) {
	t.Helper()
	eventually(t, "the log to have "+word, func() error {
		r := d.try(t, "logs", id)
		if !strings.Contains(r.stdout+r.stderr, word) {
			return fmt.Errorf("log is %q %q", r.stdout, r.stderr)
		}
		return nil
	})
}

func (d *dockerd) waitHealth(t testing.TB, id, want string) {
	t.Helper()
	eventually(t, "health "+want, func() error {
		if got := d.do(t, "inspect", "-f", "{{json .State.Health}}", id); !strings.Contains(got, `"Status":"`+want+`"`) {
			return fmt.Errorf("is %s", got)
		}
		return nil
	})
}
