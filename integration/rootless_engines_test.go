package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A rootlessScenario is something that an unprivileged user does with an engine of the user's own. One that is hardened is about what
// only bulkhead does.
type rootlessScenario struct {
	name     string
	hardened bool
	run      func(*testing.T, *usersEngine)
}

var rootlessScenarios = []rootlessScenario{
	{"confined", true, rootlessConfined},
	{"limits/set", false, rootlessLimitsSet},
	{"limits/hold", false, rootlessLimitsHold},
	{"limits/cannot-widen", true, rootlessCannotWiden},
	{"exec", false, rootlessExec},
	{"volumes", false, rootlessVolumes},
	{"copy", false, rootlessCopy},
	{"port", false, rootlessPort},
	{"pause", false, rootlessPause},
	{"joined", false, rootlessJoined},
	{"refused", true, rootlessRefused},
	{"privileged", true, rootlessPrivileged},
	{"leaves-nothing", true, rootlessLeavesNothing},
}

func (e *usersEngine) scenarios(t *testing.T) {
	do := func(args ...string) string { return e.do(t, args...) }
	if e.podman {
		logPodman(t, do)
	} else {
		logDocker(t, do)
	}
	for _, s := range rootlessScenarios {
		if s.hardened && e.runtime != "bulkhead" {
			continue
		}
		t.Run(s.name, func(t *testing.T) { s.run(t, e) })
	}
}

// TestRootlessEssence is what `make test` runs of TestRootlessPodman: the life of one container, without an image, which takes the
// emulated processor a minute to unpack as the user.
func TestRootlessEssence(t *testing.T) {
	s := newSession(t)
	e := s.podman(t, "bulkhead", "systemd")
	must(t, run(t, e.command("podman", "unshare", "sh", "-c", "mkdir box && tar -xf "+s.image(t, "busybox")+" -C box --numeric-owner")))
	// podman 5.8 updates no container of a directory without a health check: "healthcheck-timeout must be at least 1 second".
	e.root = []string{"--health-cmd", "true", "--health-interval", "disable", "--rootfs", s.home + "/box"}
	pid := e.start(t, "c", []string{"--memory", "64m", "--memory-swap", "64m", "--pids-limit", "50"}, "sleep", "1000")
	e.checkConfined(t, "c", pid)
	e.checkLimits(t, "c", pid)
	refused(t, e.box(t, []string{"-v=/:/host"}, "true"), "rule mounts")
	e.checkEnd(t, "c", pid)
}

// TestRootlessDocker: rootless Docker, with systemd's cgroups, which is the only driver that it has limits with.
func TestRootlessDocker(t *testing.T) {
	s := newSession(t)
	s.dockerd(t)
	s.docker("runc").do(t, "import", "-c", "CMD sh", "-c", "ENV PATH=/bin", s.image(t, "busybox"), "box")
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) { s.docker(runtime).scenarios(t) })
	}
}

// TestRootlessPodman: rootless podman with both of its cgroup managers.
func TestRootlessPodman(t *testing.T) {
	s := newSession(t)
	must(t, run(t, s.command("podman", "import", "-q", "-c", "CMD sh", "-c", "ENV PATH=/bin", s.image(t, "busybox"), "box")))
	for _, manager := range []string{"systemd", "cgroupfs"} {
		for _, runtime := range runtimes() {
			t.Run(manager+"/"+runtime, func(t *testing.T) { s.podman(t, runtime, manager).scenarios(t) })
		}
	}
}

func rootlessConfined(t *testing.T, e *usersEngine) {
	e.checkConfined(t, "confined", e.start(t, "confined", nil, "sleep", "1000"))
}

// checkConfined: the container has what every one has, in the user's own IDs, and explain says what is not enforced.
func (e *usersEngine) checkConfined(t testing.TB, name string, pid int) {
	t.Helper()
	checkConfined(t, "container", statusOf(t, pid))
	checkConfined(t, "exec", parseStatus(e.do(t, "exec", "--privileged", name, "cat", "/proc/self/status")))
	for _, file := range []string{"uid_map", "gid_map"} {
		equal(t, file, strings.Join(strings.Fields(procFile(t, pid, file)), " "), fmt.Sprintf("0 %d 1 1 %d 65536", e.uid, subordinateStart))
	}
	for _, ns := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
		for _, other := range []string{strconv.Itoa(e.keeper(t)), "thread-self"} {
			if namespaceOf(t, strconv.Itoa(pid), ns) == namespaceOf(t, other, ns) {
				t.Errorf("the namespace %s is that of process %s", ns, other)
			}
		}
	}
	checkBounded(t, pid)
	program := filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl")
	out := strings.Join(strings.Fields(must(t, run(t, e.command(program, "explain", e.id(t, name))))), " ")
	for _, want := range []string{"(running)", "rootless: the containers of one user share the user's IDs", "rootless: only the host's root can have a cgroup refuse devices"} {
		if !strings.Contains(out, want) {
			t.Errorf("explain does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "no limit of this container holds") || strings.Contains(out, "is not delegated") {
		t.Errorf("explain says that limits do not hold:\n%s", out)
	}
}

// usersCgroup is a container's cgroup, which has to lie below that of the user's systemd.
func (e *usersEngine) usersCgroup(t testing.TB, pid int) string {
	t.Helper()
	cgroup := trimmed(strings.TrimPrefix(procFile(t, pid, "cgroup"), "0::"))
	if below := fmt.Sprintf("/user.slice/user-%d.slice/user@%d.service/", e.uid, e.uid); !strings.HasPrefix(cgroup, below) {
		t.Errorf("the container's cgroup is %s, want one below %s", cgroup, below)
	}
	return cgroup
}

func rootlessLimitsSet(t *testing.T, e *usersEngine) {
	e.checkLimits(t, "set", e.start(t, "set", []string{"--memory", "64m", "--memory-swap", "64m", "--pids-limit", "50"}, "sleep", "1000"))
}

// checkLimits: limits are the kernel's, in the user's delegated cgroup, and an update changes them.
func (e *usersEngine) checkLimits(t testing.TB, name string, pid int) {
	t.Helper()
	e.usersCgroup(t, pid)
	equal(t, "memory", cgroupValue(t, pid, "memory", "memory.max"), "67108864")
	equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "50")
	e.do(t, "update", "--memory", "96m", "--memory-swap", "96m", name)
	equal(t, "memory after an update", cgroupValue(t, pid, "memory", "memory.max"), "100663296")
	equal(t, "pids after an update of memory", cgroupValue(t, pid, "pids", "pids.max"), "50")
	equal(t, "cgroup of an exec", e.do(t, "exec", name, "cat", "/proc/self/cgroup"), "0::/")
}

func rootlessLimitsHold(t *testing.T, e *usersEngine) {
	refused(t, e.box(t, []string{"--pids-limit", "8"}, "sh", "-c", "for i in $(seq 20); do sleep 3 & done; wait"), "can't fork")
	equal(t, "exit status of who takes too much memory", e.box(t, []string{"--memory", "16m", "--memory-swap", "16m"}, "sh", "-c", "tail /dev/zero").code, 137)
}

func rootlessCannotWiden(t *testing.T, e *usersEngine) {
	pid := e.start(t, "wide", []string{"--memory", "900g", "--pids-limit", "-1"}, "sleep", "1000")
	checkBounded(t, pid)
	e.do(t, "update", "--pids-limit", "-1", "wide")
	checkBounded(t, pid)
}

func rootlessExec(t *testing.T, e *usersEngine) {
	pid := e.start(t, "exec", nil, "sleep", "1000")
	equal(t, "exec", e.do(t, "exec", "-w", "/data", "-u", "app", "exec", "sh", "-c", "pwd; id -u"), "/data\n1000")
	equal(t, "exit status of exec", e.try(t, "exec", "exec", "sh", "-c", "exit 4").code, 4)
	e.do(t, "exec", "-d", "exec", "sleep", "2000")
	cgroup := e.usersCgroup(t, pid)
	eventually(t, "the exec's process in the container's cgroup", func() error {
		procs, err := os.ReadFile("/sys/fs/cgroup" + cgroup + "/cgroup.procs")
		if n := len(strings.Fields(string(procs))); err == nil && n != 2 {
			err = fmt.Errorf("it has %d processes", n)
		}
		return err
	})
	equal(t, "owners", e.do(t, "exec", "exec", "stat", "-c", "%u:%g", "/home/app", "/etc/passwd"), "1000:1000\n0:0")
}

// rootlessVolumes: root in the container is the user, other users there are subordinate IDs, and nobody else's files have an owner.
func rootlessVolumes(t *testing.T, e *usersEngine) {
	e.do(t, "volume", "create", "vol")
	t.Cleanup(func() { e.do(t, "volume", "rm", "-f", "vol") })
	equal(t, "a named volume", must(t, e.box(t, []string{"-v", "vol:/v"}, "sh", "-c", "echo kept >/v/f; chown 5:6 /v/f; stat -c %u:%g /v/f")), "5:6")
	equal(t, "a read-only one", must(t, e.box(t, []string{"-v", "vol:/v:ro"}, "sh", "-c", "cat /v/f; touch /v/x 2>/dev/null || echo closed")), "kept\nclosed")
	at := e.do(t, "volume", "inspect", "-f", "{{.Mountpoint}}", "vol")
	equal(t, "owner on the host", owner(t, at+"/f"), fmt.Sprintf("%d:%d", subordinateStart+4, subordinateStart+5))
	dir := filepath.Join(e.home, "bind")
	must(t, run(t, e.command("mkdir", dir)))
	t.Cleanup(func() { must(t, run(t, exec.Command("rm", "-r", dir))) })
	must(t, run(t, e.command("sh", "-c", "echo mine >bind/mine")))
	must(t, run(t, exec.Command("sh", "-c", "echo roots >"+dir+"/roots; chmod 600 "+dir+"/roots")))
	equal(t, "a directory of the user's", must(t, e.box(t, []string{"-v", dir + ":/b"}, "sh", "-c",
		"cat /b/mine; stat -c %u:%g /b/mine /b/roots; cat /b/roots 2>/dev/null || echo closed; echo made >/b/made")), "mine\n0:0\n65534:65534\nclosed")
	equal(t, "owner of what the container made", owner(t, dir+"/made"), fmt.Sprintf("%d:%d", e.uid, e.uid))
}

func rootlessCopy(t *testing.T, e *usersEngine) {
	e.start(t, "copied", nil, "sleep", "1000")
	e.do(t, "exec", "copied", "sh", "-c", "echo inside >/root/made")
	must(t, run(t, e.command("sh", "-c", "echo outside >in")))
	e.do(t, "cp", e.home+"/in", "copied:/root/in")
	e.do(t, "cp", "copied:/root/made", e.home+"/out")
	data, err := os.ReadFile(e.home + "/out")
	equal(t, "error", err, nil)
	equal(t, "copied out", string(data), "inside\n")
	// Whose the copy is in the container is the engine's choice: podman gives it to root, Docker keeps the number.
	equal(t, "copied in", e.do(t, "exec", "copied", "cat", "/root/in"), "outside")
}

func rootlessPort(t *testing.T, e *usersEngine) {
	e.start(t, "web", append([]string{"-p", "127.0.0.1:8099:80"}, e.network...), "sh", "-c", serve)
	eventually(t, "the page of a published port", func() error {
		// What publishes the port takes a connection before anything listens in the container, and may never answer it.
		out, err := e.command("busybox", "wget", "-q", "-T", "10", "-O", "-", "http://127.0.0.1:8099/").Output()
		if err == nil && trimmed(string(out)) != "served" {
			err = fmt.Errorf("is %q", out)
		}
		return err
	})
	equal(t, "the container sees its own network", strings.Contains(e.do(t, "exec", "web", "ls", "/sys/class/net"), "lo"), true)
}

func rootlessPause(t *testing.T, e *usersEngine) {
	pid := e.start(t, "paused", nil, "sleep", "1000")
	e.do(t, "pause", "paused")
	equal(t, "frozen", strings.Contains(cgroupValue(t, pid, "memory", "cgroup.events"), "frozen 1"), true)
	e.do(t, "unpause", "paused")
	equal(t, "frozen", strings.Contains(cgroupValue(t, pid, "memory", "cgroup.events"), "frozen 0"), true)
}

// rootlessJoined: a container shares another's network; what is not shared is its own.
func rootlessJoined(t *testing.T, e *usersEngine) {
	first := strconv.Itoa(e.start(t, "first", nil, "sleep", "1000"))
	second := strconv.Itoa(e.start(t, "second", []string{"--network", "container:first"}, "sleep", "1000"))
	equal(t, "network namespace", namespaceOf(t, second, "net"), namespaceOf(t, first, "net"))
	equal(t, "the same process namespace", namespaceOf(t, second, "pid") == namespaceOf(t, first, "pid"), false)
	e.do(t, "rm", "-f", "second")
}

func rootlessRefused(t *testing.T, e *usersEngine) {
	for option, rule := range map[string]string{"--pid=host": "namespaces", "--ipc=host": "namespaces", "-v=/:/host": "mounts", "-v=/proc:/host": "mounts"} {
		refused(t, e.box(t, []string{option}, "true"), "rule "+rule)
	}
	refused(t, e.try(t, e.line([]string{"--rm", "--network=host"}, "true")...), "rule namespaces")
}

// rootlessPrivileged: what asks for every right gets an ordinary container. A user can make no device nodes, so podman binds all of the
// host's instead, which is refused.
func rootlessPrivileged(t *testing.T, e *usersEngine) {
	options := []string{"--cap-add", "ALL", "--security-opt", "seccomp=unconfined"}
	if e.podman {
		for _, option := range []string{"--privileged", "--device=/dev/fuse"} {
			refused(t, e.box(t, []string{option}, "true"), "is the device", "rule mounts")
		}
	} else {
		options = append(options, "--privileged")
	}
	pid := e.start(t, "privileged", options, "sleep", "1000")
	checkConfined(t, "container", statusOf(t, pid))
	checkBounded(t, pid)
	equal(t, "devices", e.do(t, "exec", "privileged", "sh", "-c", "find /dev -type b -o -type c | sort | xargs"),
		"/dev/full /dev/null /dev/pts/ptmx /dev/random /dev/tty /dev/urandom /dev/zero")
}

func rootlessLeavesNothing(t *testing.T, e *usersEngine) {
	e.checkEnd(t, "gone", e.start(t, "gone", nil, "sleep", "1000"))
}

// checkEnd: after a container has ended there is nothing of it: no state, no cgroup, no mount, no process.
func (e *usersEngine) checkEnd(t testing.TB, name string, pid int) {
	t.Helper()
	cgroup, id := e.usersCgroup(t, pid), e.id(t, name)
	if _, err := os.Stat(filepath.Join(e.state, id, "record.json")); err != nil {
		t.Errorf("the container's state is not where it was expected: %v", err)
	}
	e.do(t, "stop", "-t", "1", name)
	equal(t, "state", e.do(t, "inspect", "-f", "{{.State.Status}}", name), "exited")
	e.do(t, "rm", name)
	for _, path := range []string{filepath.Join(e.state, id), "/sys/fs/cgroup" + cgroup} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	equal(t, "the process", processState(strconv.Itoa(pid)), "")
	for line := range strings.Lines(procFile(t, e.keeper(t), "mountinfo")) {
		if strings.Contains(line, e.runtimeDir+"/bulkhead") || strings.Contains(line, id) {
			t.Errorf("a mount is left: %s", line)
		}
	}
}
