package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// readyProgram is the source of a program that a container runs from then on when it is ready: it waits for the file that it is given,
// and then tells the service manager, with another main process as well, which a container has no say in.
const readyProgram = `
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
static void end(int s) { (void)s; _exit(0); }
int main(int argc, char **argv)
{
	static const char said[] = "STATUS=up\nREADY=1\nMAINPID=1\n";
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	signal(SIGTERM, end);
	int s = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (argc != 2 || !path || strlen(path) >= sizeof to.sun_path || s < 0)
		return 2;
	strcpy(to.sun_path, path);
	while (access(argv[1], F_OK))
		usleep(100000);
	if (sendto(s, said, sizeof said - 1, 0, (struct sockaddr *)&to, offsetof(struct sockaddr_un, sun_path) + strlen(path)) < 0)
		return 3;
	for (;;)
		pause();
}
`

// buildReady compiles it, for a guest without a compiler.
func buildReady(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ready")
	cmd := exec.Command("gcc", "-Os", "-static", "-o", path, "-xc", "-")
	cmd.Stdin = strings.NewReader(readyProgram)
	must(t, run(t, cmd))
	return path
}

// ready: the unit has started when the container says so, and not before; and the main process stays podman's word.
func (u *podmanUnits) ready(t *testing.T, unit func(testing.TB, podmanUnit) string) {
	dir := t.TempDir()
	note := unit(t, podmanUnit{
		name: "note", script: "touch /go/waiting; exec /ready /go/now",
		options: []string{"--network", "none", "-v", dir + ":/go", "-v", guestProgram("ready") + ":/ready:ro", "--sdnotify", "container"},
		keys:    []string{"Network=none", "Volume=" + dir + ":/go", "Volume=" + guestProgram("ready") + ":/ready:ro", "Notify=true"},
	})
	t.Cleanup(func() {
		_ = exec.Command("systemctl", "stop", note).Run()
		u.podman(t, "rm", "-f", "-i", "-t", "0", "note")
	})
	u.systemctl(t, "start", "--no-block", note)
	eventually(t, "the program", func() error { _, err := os.Stat(dir + "/waiting"); return err })
	equal(t, "state before it is ready", u.systemctl(t, "show", "-P", "ActiveState", note), "activating")
	if err := os.WriteFile(dir+"/now", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the start", func() error {
		if got := u.systemctl(t, "show", "-P", "ActiveState", note); got != "active" {
			return fmt.Errorf("is %s", got)
		}
		return nil
	})
	main := u.systemctl(t, "show", "-P", "MainPID", note)
	name, err := os.ReadFile("/proc/" + main + "/comm")
	t.Logf("main process %s is %s", main, name)
	equal(t, "error", err, nil)
	if main == "1" {
		t.Error("the container has named the main process")
	}
	id := u.podman(t, "inspect", "-f", "{{.Id}}", "note")
	u.hardened(t, u.pid(t, "note"))
	u.systemctl(t, "stop", note)
	u.nothingLeft(t, note, id)
}
