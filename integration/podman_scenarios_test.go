package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var podmanScenarios = []podmanScenario{
	{"run/output-and-status", false, podmanRun},
	{"run/users", false, podmanUsers},
	{"run/terminal", false, podmanTerminal},
	{"run/read-only", false, func(t *testing.T, p *podman) {
		equal(t, "a file system that is read-only", p.box(t, "--rm", "--read-only", "box", "sh", "-c", "touch /x 2>/dev/null || echo closed; touch /tmp/x && echo open"), "closed\nopen")
	}},
	{"run/hardened", true, podmanHardened},
	{"life/pause-stop-kill", false, podmanLife},
	{"life/update-and-stats", false, podmanUpdate},
	{"life/ready", false, podmanReady},
	{"exec/output-and-status", false, podmanExec},
	{"health/check", false, podmanHealth},
	{"files/volumes", false, podmanVolumes},
	{"files/commit-diff-export", false, podmanCommit},
	{"files/copy-stopped", false, podmanCopyStopped},
	{"files/copy-running-out", false, podmanCopyOut},
	{"files/copy-paused", false, podmanCopyPaused},
	{"files/copy-mapped", false, podmanCopyMapped},
	{"files/copy-running-in", true, podmanCopyIn},
	{"files/view-killed", true, podmanViewKilled},
	{"network/bridge", false, podmanBridge},
	{"network/names", false, podmanNames},
	{"network/of-a-container", false, podmanShared},
	{"network/joined-stays", true, podmanJoinedStays},
	{"pod/shares-namespaces", false, podmanPod},
	{"pod/hardened", true, podmanPodHardened},
	{"userns/mappings", false, podmanMappings},
	{"userns/kept", true, podmanMappingsKept},
}

func podmanRun(t *testing.T, p *podman) {
	equal(t, "output", p.box(t, "--rm", "-e", "A=b", "-w", "/data", "box", "sh", "-c", "echo $A; pwd; cat seed; stat -c %u:%g /home/app /etc/passwd"),
		"b\n/data\nseed\n1000:1000\n0:0")
	equal(t, "exit status", p.try(t, p.args("--rm", "box", "sh", "-c", "exit 9")...).code, 9)
	equal(t, "status of a program that is not there", p.try(t, p.args("--rm", "box", "/gone")...).code, 127)
	p.background(t, "out", "sh", "-c", "echo one; echo two >&2")
	equal(t, "status by wait", p.do(t, "wait", "out"), "0")
	r := p.try(t, "logs", "out")
	equal(t, "logs", r.stdout+r.stderr, "one\ntwo\n")
}

func podmanUsers(t *testing.T, p *podman) {
	const ids = "id -u; id -g"
	equal(t, "user by number", p.box(t, "--rm", "-u", "5:6", "box", "sh", "-c", ids), "5\n6")
	equal(t, "user by name", p.box(t, "--rm", "-u", "app", "box", "sh", "-c", ids), "1000\n1000")
}

func podmanTerminal(t *testing.T, p *podman) {
	equal(t, "terminal", p.box(t, "--rm", "-t", "box", "sh", "-c", "test -t 0 && test -t 1 && echo terminal"), "terminal\r")
}

func podmanHardened(t *testing.T, p *podman) {
	p.background(t, "h", "sleep", "1000")
	checkHardened(t, p.pid(t, "h"))
	p.do(t, p.args("-d", "--name", "privileged", "--privileged", "--cap-add", "ALL", "--security-opt", "seccomp=unconfined", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "privileged") })
	checkHardened(t, p.pid(t, "privileged"))
	checkConfined(t, "podman exec", parseStatus(p.do(t, "exec", "--privileged", "h", "cat", "/proc/self/status")))
	for option, rule := range map[string]string{"--pid=host": "namespaces", "--network=host": "namespaces", "--ipc=host": "namespaces", "-v=/:/host": "mounts"} {
		refused(t, p.try(t, p.args("--rm", option, "box", "true")...), "rule "+rule)
	}
}

func podmanLife(t *testing.T, p *podman) {
	p.background(t, "c", "sleep", "1000")
	p.do(t, "pause", "c")
	equal(t, "state", p.do(t, "inspect", "-f", "{{.State.Status}}", "c"), "paused")
	p.do(t, "unpause", "c")
	equal(t, "processes", strings.Contains(p.do(t, "top", "c", "comm"), "sleep"), true)
	p.do(t, "restart", "-t", "0", "c")
	equal(t, "state after a restart", p.do(t, "inspect", "-f", "{{.State.Status}}", "c"), "running")
	p.do(t, "stop", "-t", "1", "c")
	equal(t, "status after a stop", p.do(t, "inspect", "-f", "{{.State.ExitCode}}", "c"), "137") // sleep as PID 1 ignores SIGTERM
	p.do(t, "start", "c")
	p.do(t, "kill", "-s", "KILL", "c")
	equal(t, "status by wait", p.do(t, "wait", "c"), "137")
	p.background(t, "trap", "sh", "-c", "trap 'exit 7' TERM; touch /ready; while :; do sleep 0.1; done")
	eventually(t, "the trap", func() error { return p.command(p.global("exec", "trap", "test", "-e", "/ready")...).Run() })
	p.do(t, "stop", "-t", "30", "trap")
	equal(t, "status of a program that is told to end", p.do(t, "inspect", "-f", "{{.State.ExitCode}}", "trap"), "7")
}

func podmanUpdate(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "u", "--memory", "64m", "--memory-swap", "64m", "--pids-limit", "50", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "u") })
	equal(t, "memory", cgroupValue(t, p.pid(t, "u"), "memory", memoryLimitFile()), "67108864")
	equal(t, "pids", cgroupValue(t, p.pid(t, "u"), "pids", "pids.max"), "50")
	p.do(t, "update", "--memory", "96m", "--memory-swap", "96m", "u")
	equal(t, "memory after an update", cgroupValue(t, p.pid(t, "u"), "memory", memoryLimitFile()), "100663296")
	equal(t, "name in the statistics", p.do(t, "stats", "--no-stream", "--format", "{{.Name}}", "u"), "u")
}

func podmanExec(t *testing.T, p *podman) {
	p.background(t, "e", "sleep", "1000")
	equal(t, "exec", p.do(t, "exec", "-w", "/data", "-e", "X=y", "-u", "app", "e", "sh", "-c", "pwd; echo $X; id -u"), "/data\ny\n1000")
	equal(t, "exit status of exec", p.try(t, "exec", "e", "sh", "-c", "exit 4").code, 4)
	equal(t, "terminal of exec", p.do(t, "exec", "-t", "e", "sh", "-c", "test -t 0 && echo terminal"), "terminal\r")
	p.do(t, "exec", "-d", "e", "sh", "-c", "echo later >/root/later")
	eventually(t, "the detached exec", func() error { return p.command(p.global("exec", "e", "test", "-s", "/root/later")...).Run() })
}

func podmanHealth(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "sick", "--health-cmd", "test -e /well", "--health-interval", "disable", "--health-retries", "1", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "sick") })
	equal(t, "status of a check that fails", p.try(t, "healthcheck", "run", "sick").code, 1)
	p.do(t, "exec", "sick", "touch", "/well")
	equal(t, "status of a check that passes", p.try(t, "healthcheck", "run", "sick").code, 0)
	equal(t, "health", p.do(t, "inspect", "-f", "{{.State.Health.Status}}", "sick"), "healthy")
}

func podmanVolumes(t *testing.T, p *podman) {
	p.do(t, "volume", "create", "vol")
	t.Cleanup(func() { p.do(t, "volume", "rm", "-f", "vol") })
	p.box(t, "--rm", "-v", "vol:/v", "box", "sh", "-c", "echo kept >/v/f; chown 5:6 /v/f")
	equal(t, "a named volume", p.box(t, "--rm", "-v", "vol:/v:ro", "box", "sh", "-c", "cat /v/f; stat -c %u:%g /v/f; touch /v/x 2>/dev/null || echo closed"), "kept\n5:6\nclosed")
	equal(t, "owner on the host", owner(t, filepath.Join(p.dir, "root/volumes/vol/_data/f")), "5:6")
	dir := filepath.Join(p.dir, "bind-"+filepath.Base(p.runtime))
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // container root is nobody on the host
		t.Fatal(err)
	}
	p.box(t, "--rm", "-v", dir+":/b", "box", "sh", "-c", "echo bound >/b/f")
	equal(t, "owner in a bind mount", owner(t, dir+"/f"), "0:0")
	equal(t, "a tmpfs", p.box(t, "--rm", "--tmpfs", "/t:size=1m", "box", "sh", "-c", "dd if=/dev/zero of=/t/f bs=1M count=2 2>/dev/null; stat -c %s /t/f"), "1048576")
}

func podmanCommit(t *testing.T, p *podman) {
	p.box(t, "--name", "made", "box", "sh", "-c", "echo new >/root/new; chown 5:6 /root/new; rm /data/seed")
	t.Cleanup(func() { p.do(t, "rm", "-f", "made") })
	diff := p.do(t, "diff", "made")
	equal(t, "changes", strings.Contains(diff, "A /root/new") && strings.Contains(diff, "D /data/seed"), true)
	equal(t, "in the export", strings.Contains(listTar(t, p.try(t, "export", "made").stdout), "root/new|0|644|5:6"), true)
	image := "image-" + filepath.Base(p.runtime)
	p.do(t, "commit", "-q", "made", image)
	t.Cleanup(func() { p.do(t, "rmi", "-f", image) })
	equal(t, "committed", p.box(t, "--rm", image, "sh", "-c", "cat /root/new; stat -c %u:%g /root/new; ls /data"), "new\n5:6")
}

func podmanCopyStopped(t *testing.T, p *podman) {
	p.box(t, "--name", "still", "box", "sh", "-c", "echo inside >/root/made")
	t.Cleanup(func() { p.do(t, "rm", "-f", "still") })
	file := filepath.Join(p.dir, "in")
	if err := os.WriteFile(file, []byte("outside\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.do(t, "cp", file, "still:/root/in")
	p.do(t, "cp", "still:/root/made", p.dir+"/out")
	data, err := os.ReadFile(p.dir + "/out")
	equal(t, "copied out", string(data), "inside\n")
	equal(t, "error", err, nil)
	again := "again-" + filepath.Base(p.runtime)
	p.do(t, "commit", "-q", "still", again)
	t.Cleanup(func() { p.do(t, "rmi", "-f", again) })
	equal(t, "copied in", p.box(t, "--rm", again, "sh", "-c", "cat /root/in; stat -c %u:%g /root/in"), "outside\n0:0")
}

// serve is a web server of one page.
const serve = "mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www"

func podmanBridge(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "web", "-p", "127.0.0.1:8099:80", "box", "sh", "-c", serve)...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "web") })
	equal(t, "devices", p.do(t, "exec", "web", "sh", "-c", "ls /sys/class/net | sort | xargs"), "eth0 lo")
	eventually(t, "the page of a published port", func() error {
		out, err := p.onHost("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8099/").Output()
		if err == nil && trimmed(string(out)) != "served" {
			err = fmt.Errorf("is %q", out)
		}
		return err
	})
}

func podmanNames(t *testing.T, p *podman) {
	name := "net-" + filepath.Base(p.runtime)
	p.do(t, "network", "create", name)
	t.Cleanup(func() { p.do(t, "network", "rm", "-f", name) })
	p.do(t, p.args("-d", "--name", "named", "--network", name, "box", "sh", "-c", serve)...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "named") })
	equal(t, "page by name", p.box(t, "--rm", "--network", name, "box", "sh", "-c",
		"n=0; until wget -q -O - http://named/ || [ $n = 50 ]; do n=$((n+1)); sleep 0.2; done"), "served")
}

func podmanShared(t *testing.T, p *podman) {
	p.background(t, "first", "sh", "-c", serve)
	p.do(t, p.args("-d", "--name", "second", "--network", "container:first", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "second") })
	equal(t, "page at localhost", p.do(t, "exec", "second", "sh", "-c", "n=0; until wget -q -O - http://127.0.0.1/ || [ $n = 50 ]; do n=$((n+1)); sleep 0.2; done"), "served")
	equal(t, "network namespace", p.namespace(t, "second", "net"), p.namespace(t, "first", "net"))
	p.do(t, "rm", "-f", "-t", "0", "second")
}

// podmanJoinedStays: whoever joins a container's network does not open the low ports that it had closed.
func podmanJoinedStays(t *testing.T, p *podman) {
	const start = "net.ipv4.ip_unprivileged_port_start"
	p.do(t, p.args("-d", "--name", "closed", "--sysctl", start+"=1024", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "closed") })
	p.do(t, p.args("-d", "--name", "joins", "--network", "container:closed", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "joins") })
	equal(t, "first port of the joined network", p.do(t, "exec", "closed", "cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"), "1024")
}

func podmanPod(t *testing.T, p *podman) {
	p.pod(t, "pod")
	p.do(t, p.args("-d", "--name", "one", "--pod", "pod", "box", "sh", "-c", serve)...)
	p.do(t, p.args("-d", "--name", "two", "--pod", "pod", "box", "sleep", "1000")...)
	for _, ns := range []string{"net", "ipc", "uts", "user"} {
		equal(t, ns+" namespace", p.namespace(t, "one", ns), p.namespace(t, "two", ns))
	}
	if p.namespace(t, "one", "pid") == p.namespace(t, "two", "pid") {
		t.Error("the containers share their processes")
	}
	equal(t, "page at localhost", p.do(t, "exec", "two", "sh", "-c", "n=0; until wget -q -O - http://127.0.0.1/ || [ $n = 50 ]; do n=$((n+1)); sleep 0.2; done"), "served")
	p.do(t, "pod", "stop", "-t", "0", "pod")
	p.do(t, "pod", "start", "pod")
	equal(t, "state after a restart", p.do(t, "inspect", "-f", "{{.State.Status}}", "two"), "running")
}

func podmanPodHardened(t *testing.T, p *podman) {
	p.pod(t, "hard")
	p.do(t, p.args("-d", "--name", "h1", "--pod", "hard", "box", "sleep", "1000")...)
	p.do(t, p.args("-d", "--name", "h2", "--pod", "hard", "--privileged", "box", "sleep", "1000")...)
	for _, name := range []string{"h1", "h2"} {
		checkHardened(t, p.pid(t, name))
	}
	equal(t, "mapping", procFile(t, p.pid(t, "h1"), "uid_map"), procFile(t, p.pid(t, "h2"), "uid_map"))
	// A network alone is the engine's own namespace: each member keeps a range of its own.
	p.background(t, "n1", "sleep", "1000")
	p.do(t, p.args("-d", "--name", "n2", "--network", "container:n1", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "n2") })
	if p.namespace(t, "n1", "user") == p.namespace(t, "n2", "user") {
		t.Error("containers that share the engine's network namespace share their user namespace")
	}
	p.do(t, "rm", "-f", "-t", "0", "n2")
}

// podmanMappings has podman make the mapping: the container's files show 0-based owners through it.
func podmanMappings(t *testing.T, p *podman) {
	for _, options := range [][]string{{"--uidmap=0:200000:70000", "--gidmap=0:200000:70000"}, {"--userns=auto"}, {"--userns=auto:size=3000"}} {
		out := p.box(t, append(append([]string{"--rm"}, options...), "box", "sh", "-c", "id -u; stat -c %u:%g /home/app /etc/passwd; touch /root/x && stat -c %u /root/x")...)
		equal(t, fmt.Sprint("IDs with ", options), out, "0\n1000:1000\n0:0\n0")
	}
}

// podmanMappingsKept: a mapping of podman's own is the container's, and is not shifted a second time.
func podmanMappingsKept(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "mapped", "--uidmap", "0:200000:65536", "--gidmap", "0:200000:65536", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.removeMapped(t, "mapped") })
	equal(t, "mapping", strings.Join(strings.Fields(procFile(t, p.pid(t, "mapped"), "uid_map")), " "), "0 200000 65536")
	checkConfined(t, "container", statusOf(t, p.pid(t, "mapped")))
}

// removeMapped removes a container with a mapping of podman's own. Its /dev/shm is unmounted by the cleanup that podman's monitor starts when the
// container ends, and `podman rm` of 4.3 does not wait for it: under runc, too, it fails now and then (2 of 40 times) with "userdata/shm: device or
// resource busy", and once only.
func (p *podman) removeMapped(t testing.TB, name string) {
	t.Helper()
	if r := p.try(t, "rm", "-f", "-t", "0", name); r.code != 0 && !strings.Contains(r.stderr, "userdata/shm: device or resource busy") {
		t.Fatalf("podman rm: %s", r)
	}
	p.do(t, "rm", "-f", "-i", name)
}

func (p *podman) namespace(t testing.TB, name, kind string) string {
	t.Helper()
	return namespaceOf(t, strconv.Itoa(p.pid(t, name)), kind)
}
