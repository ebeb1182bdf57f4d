package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A session is an unprivileged user's: with a systemd of the user's own, and the cgroup that the system's delegated to it.
type session struct {
	name, home, runtimeDir string
	uid                    uint32
	// joins is a cgroup of the user's systemd, like that of a terminal; program runs in it.
	joins *os.File
}

// guestUser is the user of guests, subordinateStart the user's first subordinate ID (guestRoot).
const (
	guestUser        = "user"
	guestUID         = 1000
	subordinateStart = 100000
)

// newSession starts the user's systemd, as a login does. Only guests have such a user, and nothing outlives a guest.
func newSession(t testing.TB) *session {
	t.Helper()
	requireRoot(t)
	if os.Getenv("BULKHEAD_GUEST") == "" {
		t.Skip("this is no guest: a user with a systemd of the user's own is needed")
	}
	s := &session{name: guestUser, uid: guestUID, home: "/home/" + guestUser, runtimeDir: "/run/user/" + strconv.Itoa(guestUID)}
	// PAM wants a line for the account.
	must(t, run(t, exec.Command("sh", "-c", `grep -q "^$1:" /etc/shadow || echo "$1:*:20000:0:99999:7:::" >>/etc/shadow; systemctl start user@$2.service`,
		"sh", s.name, fmt.Sprint(s.uid))))
	// A guest has no network; pasta(1) wants a device with a route that it can stand for.
	must(t, run(t, exec.Command("sh", "-c", `ip link show bhnet0 >/dev/null 2>&1 || {
	ip link add bhnet0 type veth peer name bhnet1; ip addr add 10.77.0.1/24 dev bhnet0; ip link set bhnet0 up; ip link set bhnet1 up
	ip route add default via 10.77.0.2 dev bhnet0; }`)))
	unit := fmt.Sprintf("bhtest-%d.scope", os.Getpid())
	holder := s.command("systemd-run", "--user", "--scope", "-q", "--unit="+unit, "sleep", "100000")
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	eventually(t, "the user's scope", func() error {
		cgroup := trimmed(strings.TrimPrefix(procFile(t, holder.Process.Pid, "cgroup"), "0::"))
		if filepath.Base(cgroup) != unit {
			return fmt.Errorf("its process is in %q", cgroup)
		}
		var err error
		s.joins, err = os.Open("/sys/fs/cgroup" + cgroup)
		return err
	})
	t.Cleanup(func() { _ = s.joins.Close() })
	return s
}

// command runs a program as the user does in a terminal.
func (s *session) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = s.home
	cmd.Env = []string{"HOME=" + s.home, "USER=" + s.name, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"XDG_RUNTIME_DIR=" + s.runtimeDir, "DBUS_SESSION_BUS_ADDRESS=unix:path=" + s.runtimeDir + "/bus", "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: s.uid, Gid: s.uid}}
	if s.joins != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(s.joins.Fd())
	}
	return cmd
}

// image gives the user a copy of an image's archive.
func (s *session) image(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(s.home, name+".tar")
	must(t, run(t, exec.Command("install", "-o", fmt.Sprint(s.uid), imageTar(t, name), path)))
	return path
}

// A usersEngine is podman, or Docker's client, as the user calls it.
type usersEngine struct {
	*session
	runtime string
	podman  bool
	// cli comes before a command, options behind run, root names the image.
	cli, options, root []string
	// state is where the engine's runtimes keep their state, holder the file with the ID of the process that holds the engine's namespaces.
	state, holder string
	// network are the options of a container with a network: all others have none.
	network []string
}

func (e *usersEngine) try(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, e.command(append(append([]string{}, e.cli...), args...)...))
}

func (e *usersEngine) do(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, e.try(t, args...))
}

// line is a command line of run.
func (e *usersEngine) line(options []string, args ...string) []string {
	line := append(append([]string{"run"}, e.options...), options...)
	return append(append(line, e.root...), args...)
}

// box runs a container to its end.
func (e *usersEngine) box(t testing.TB, options []string, args ...string) result {
	t.Helper()
	return e.try(t, e.line(append([]string{"--rm", "--network", "none"}, options...), args...)...)
}

// start runs a container detached, to the end of the test, and gives its first process.
func (e *usersEngine) start(t testing.TB, name string, options []string, args ...string) int {
	t.Helper()
	t.Cleanup(func() {
		remove := []string{"rm", "-f"}
		if e.podman {
			remove = append(remove, "-t", "0") // Docker waits for no stop
		}
		if r := e.try(t, append(remove, name)...); r.code != 0 && !strings.Contains(r.stderr, "o such container") {
			t.Errorf("clean up: %s", r)
		}
	})
	if !strings.Contains(strings.Join(options, " "), "--network") {
		options = append(options, "--network", "none")
	}
	e.do(t, e.line(append([]string{"-d", "--name", name}, options...), args...)...)
	pid, err := strconv.Atoi(e.do(t, "inspect", "-f", "{{.State.Pid}}", name))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// id is a container's ID.
func (e *usersEngine) id(t testing.TB, name string) string {
	t.Helper()
	return e.do(t, "inspect", "-f", "{{.Id}}", name)
}

// keeper is the process that holds the engine's namespaces.
func (e *usersEngine) keeper(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(e.holder)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(trimmed(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// podman is the user's podman with a cgroup manager: "systemd" or "cgroupfs".
func (s *session) podman(t testing.TB, runtime, manager string) *usersEngine {
	t.Helper()
	requireProgram(t, "podman")
	return &usersEngine{session: s, runtime: runtime, podman: true, cli: []string{"podman", "--cgroup-manager", manager, "--runtime", runtimePath(t, runtime)},
		root: []string{"box"}, state: s.runtimeDir + "/bulkhead/containers", holder: s.runtimeDir + "/libpod/tmp/pause.pid",
		network: []string{"--network", "pasta"}}
}

// dockerd starts the user's Docker, by the script of Debian's package, as a service of the user's systemd.
func (s *session) dockerd(t testing.TB) {
	t.Helper()
	requireProgram(t, "dockerd", "rootlesskit")
	script := "/usr/share/docker.io/contrib/dockerd-rootless.sh"
	config := s.home + "/.config/docker/daemon.json"
	out := must(t, run(t, s.command(filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl"), "install", "docker", "--config", config)))
	equal(t, "install tells how to have the user's daemon read it", strings.Contains(out, "kill -HUP $(cat $XDG_RUNTIME_DIR/docker.pid)"), true)
	t.Cleanup(func() { must(t, run(t, s.command("systemctl", "--user", "stop", "docker"))) })
	r := run(t, s.command("systemd-run", "--user", "-q", "--unit=docker", "-p", "Type=notify", "-p", "NotifyAccess=all", "-p", "Delegate=yes", "-p", "KillMode=mixed",
		"-p", "TimeoutStartSec=600", "--setenv=PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", script))
	if r.code != 0 {
		t.Fatalf("%s\n%s", r, run(t, exec.Command("journalctl", "-n", "50", "_UID="+fmt.Sprint(s.uid))).stdout)
	}
}

// docker is the client of the user's Docker.
func (s *session) docker(runtime string) *usersEngine {
	return &usersEngine{session: s, runtime: runtime, cli: []string{"docker", "-H", "unix://" + s.runtimeDir + "/docker.sock"},
		options: []string{"--runtime", runtime}, root: []string{"box"}, state: s.runtimeDir + "/docker/runtime-runc/moby",
		holder: s.runtimeDir + "/dockerd-rootless/child_pid", network: []string{"--network", "bridge"}}
}
