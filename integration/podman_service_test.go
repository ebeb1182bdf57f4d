package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// webUnit is a web server with a volume, a network, a published port and a health check. It notes each start in the volume.
var webUnit = podmanUnit{
	name: "web", volume: "webdata", bridge: "webnet",
	script: "trap 'exit 0' TERM; mkdir -p /www; echo served >/www/index.html; echo kept >>/data/starts; httpd -p 80 -h /www; while :; do sleep 1; done",
	options: []string{
		"-v", "webdata:/data", "--network", "webnet", "-p", "127.0.0.1:8098:80",
		"--health-cmd", "test -e /data/well", "--health-interval", "2s", "--health-retries", "1",
	},
	keys: []string{
		"Volume=webdata.volume:/data", "Network=webnet.network", "PublishPort=127.0.0.1:8098:80",
		"HealthCmd=test -e /data/well", "HealthInterval=2s", "HealthRetries=1",
	},
}

// service: systemd's timer finds the server ill and well, it is started again when it dies, and nothing is left when it is stopped.
func (u *podmanUnits) service(t *testing.T, unit func(testing.TB, podmanUnit) string) {
	web := unit(t, webUnit)
	t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", web).Run()
		u.podman(t, "rm", "-f", "-i", "-t", "0", "web")
		u.podman(t, "network", "rm", "-f", "webnet")
		u.podman(t, "volume", "rm", "-f", "webdata")
	})
	u.systemctl(t, "start", web)
	equal(t, "state", u.systemctl(t, "show", "-P", "ActiveState", web), "active")
	u.page(t)
	pid, first := u.pid(t, "web"), u.podman(t, "inspect", "-f", "{{.Id}}", "web")
	u.hardened(t, pid)
	u.healthIs(t, "unhealthy")
	equal(t, "a timer of systemd", strings.Contains(u.systemctl(t, "list-units", "--plain", "--no-legend", "--type=timer"), first), true)
	u.podman(t, "exec", "web", "touch", "/data/well")
	u.healthIs(t, "healthy")
	u.podman(t, "exec", "web", "rm", "/data/well")
	u.healthIs(t, "unhealthy")

	must(t, run(t, exec.Command("kill", "-KILL", fmt.Sprint(pid))))
	eventually(t, "another start", func() error {
		if got := u.systemctl(t, "show", "-P", "NRestarts", "-P", "ActiveState", web); strings.Join(strings.Fields(got), " ") != "1 active" &&
			strings.Join(strings.Fields(got), " ") != "active 1" {
			return fmt.Errorf("restarts and state are %q", got)
		}
		return nil
	})
	u.page(t)
	equal(t, "starts in the volume", u.podman(t, "exec", "web", "cat", "/data/starts"), "kept\nkept")
	u.hardened(t, u.pid(t, "web"))
	second := u.podman(t, "inspect", "-f", "{{.Id}}", "web")
	u.systemctl(t, "stop", web)
	u.nothingLeft(t, web, first, second)
}

func (u *podmanUnits) pid(t testing.TB, name string) (pid int) {
	t.Helper()
	if _, err := fmt.Sscan(u.podman(t, "inspect", "-f", "{{.State.Pid}}", name), &pid); err != nil || pid == 0 {
		t.Fatalf("container %s has no process: %v", name, err)
	}
	return pid
}

func (u *podmanUnits) hardened(t testing.TB, pid int) {
	t.Helper()
	if u.runtime == "bulkhead" {
		checkHardened(t, pid)
	}
}

// page waits for the page at the published port.
func (u *podmanUnits) page(t testing.TB) {
	t.Helper()
	eventually(t, "the page of a published port", func() error {
		out, err := exec.Command("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8098/").Output()
		if err == nil && trimmed(string(out)) != "served" {
			err = fmt.Errorf("is %q", out)
		}
		return err
	})
}

// healthIs waits until the timer's checks have found the server so.
func (u *podmanUnits) healthIs(t testing.TB, want string) {
	t.Helper()
	eventually(t, "a server that is "+want, func() error {
		if got := u.podman(t, "inspect", "-f", "{{.State.Health.Status}}", "web"); got != want {
			return fmt.Errorf("is %s", got)
		}
		return nil
	})
}

// nothingLeft asserts that a unit has ended well, and that nothing of its containers is left: containers, units of health checks,
// cgroups, and what the runtime keeps.
func (u *podmanUnits) nothingLeft(t testing.TB, unit string, ids ...string) {
	t.Helper()
	equal(t, "state", u.systemctl(t, "show", "-P", "ActiveState", unit), "inactive")
	equal(t, "result", u.systemctl(t, "show", "-P", "Result", unit), "success")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	equal(t, "error", err, nil)
	equal(t, "a view", strings.Contains(string(mounts), "fuse.bulkhead"), false)
	for _, id := range ids {
		equal(t, "containers", strings.Contains(u.podman(t, "ps", "-a", "-q", "--no-trunc"), id), false)
		eventually(t, "the end of all units of "+id, func() error {
			if units := u.systemctl(t, "list-units", "--all", "--plain", "--no-legend", "--state=active,activating,deactivating", "*"+id+"*"); units != "" {
				return fmt.Errorf("there are still: %s", units)
			}
			return nil
		})
		equal(t, "cgroups", must(t, run(t, exec.Command("find", "/sys/fs/cgroup", "-name", "*"+id+"*"))), "")
		equal(t, "processes that answer", len(viewProcesses(t, id)), 0)
		if u.runtime == "bulkhead" {
			equal(t, "what the runtime keeps", must(t, run(t, exec.Command("sh", "-c", `find /run/bulkhead -name "*$1*"; grep -rl "$1" /run/bulkhead/leases || :`, "sh", id))), "")
		}
	}
}
