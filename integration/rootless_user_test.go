package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestRootlessSite: a site's configuration holds under rootlesskit, too, which puts a directory of the user's over /etc that everybody
// may write, with links to what is below. What is no link or file of the user's or of the host's root is not read.
func TestRootlessSite(t *testing.T) {
	n := newNobody(t)
	const copyUp = `set -e; mkdir -p site/bulkhead; echo "$1" >site/bulkhead/bulkhead.json; chmod -R u=rwX,go=rX site; chown "$2" site/bulkhead/bulkhead.json`
	must(t, run(t, exec.Command("sh", "-c", "cd "+n.dir+"; "+copyUp, "sh", `{"profile": "compatible"}`, "0:0")))
	must(t, run(t, n.command("sh", "-c", `set -e; mount -t tmpfs -o mode=1777 none /etc; mkdir /etc/.ro1; mount --bind site /etc/.ro1; ln -s .ro1/bulkhead /etc/bulkhead`)))
	n.create(t, n.bundle(t, func(*specs.Spec) {}), "c1")
	equal(t, "the site's profile", strings.Contains(n.record(t, "c1"), `"profile":"compatible"`), true)
	for what, script := range map[string]string{
		"a link of somebody else's":  `ln -sfn .ro1/bulkhead /etc/bulkhead; chown -h 5:5 /etc/bulkhead`,
		"a directory of theirs":      `rm -f /etc/bulkhead; mkdir /etc/bulkhead; chown 5:5 /etc/bulkhead`,
		"a file that they may write": `rm -rf /etc/bulkhead; mkdir /etc/bulkhead; echo '{}' >/etc/bulkhead/bulkhead.json; chmod 666 /etc/bulkhead/bulkhead.json`,
		"links without an end":       `rm -rf /etc/bulkhead; ln -s bulkhead /etc/bulkhead`,
	} {
		must(t, run(t, n.command("sh", "-c", script)))
		r := n.runtime(t, "create", "--bundle", n.dir+"/b", "c2")
		if r.code == 0 {
			must(t, n.runtime(t, "delete", "--force", "c2"))
		}
		if !strings.Contains(r.stdout, "bulkhead.json") || r.code == 0 {
			t.Errorf("%s: %s", what, r)
		}
	}
	must(t, run(t, n.command("rm", "-rf", "/etc/bulkhead")))
	must(t, n.runtime(t, "create", "--bundle", n.dir+"/b", "c2"))
	equal(t, "the usual profile", strings.Contains(n.record(t, "c2"), `"profile":"default"`), true)
	must(t, n.runtime(t, "delete", "--force", "c2"))
}

// TestRootlessExplain: the user is told what is not enforced, in the engine's namespaces and outside.
func TestRootlessExplain(t *testing.T) {
	n := newNobody(t)
	program := n.dir + "/bin/bulkheadctl"
	must(t, run(t, exec.Command("install", "-m", "755", filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl"), program)))
	n.create(t, n.bundle(t, func(*specs.Spec) {}), "c1")
	outside := exec.Command(program, "explain", "c1")
	outside.Dir, outside.Env = n.dir, []string{"XDG_RUNTIME_DIR=" + n.dir + "/xdg"}
	outside.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
	for _, cmd := range []*exec.Cmd{n.command(program, "explain", "c1"), outside} {
		out := strings.Join(strings.Fields(must(t, run(t, cmd))), " ")
		for _, want := range []string{"container c1 (created)", "rootless: the containers of one user share the user's IDs", "rootless: no limit of this container holds"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: want %q in\n%s", cmd, want, out)
			}
		}
	}
}

// doctor runs bulkheadctl doctor and gives what it says, by the names of the checks.
func doctor(t testing.TB, cmd *exec.Cmd) map[string]struct{ Name, State, Found, Means, Do string } {
	t.Helper()
	r := run(t, cmd)
	var checks []struct{ Name, State, Found, Means, Do string }
	if err := json.Unmarshal([]byte(r.stdout), &checks); err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	named := map[string]struct{ Name, State, Found, Means, Do string }{}
	for _, c := range checks {
		if _, twice := named[c.Name]; twice || c.Found == "" || c.State != "ok" && c.Means == "" && c.Do == "" {
			t.Errorf("bad line: %+v", c)
		}
		for _, text := range []string{c.Found, c.Means, c.Do} {
			if strings.Contains(text, "only as root") || c.State != "ok" && strings.HasPrefix(text, "run sudo") {
				t.Errorf("advice for root's engine: %+v", c)
			}
		}
		named[c.Name] = c
	}
	return named
}

// TestRootlessDoctor: doctor tells an unprivileged user what containers of the user's own engine get, each thing tried.
func TestRootlessDoctor(t *testing.T) {
	n := newNobody(t)
	program := n.dir + "/bin/bulkheadctl"
	must(t, run(t, exec.Command("install", "-m", "755", filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl"), program)))
	state := func(t *testing.T, got map[string]struct{ Name, State, Found, Means, Do string }, name, state, words string) {
		t.Helper()
		if c := got[name]; c.State != state || !strings.Contains(c.Found+" "+c.Means+" "+c.Do, words) {
			t.Errorf("%s: got %+v, want %s with %q", name, c, state, words)
		}
	}
	t.Run("in-namespaces", func(t *testing.T) {
		got := doctor(t, n.command(program, "doctor", "--json"))
		state(t, got, "root", "limited", "share that user's IDs")
		state(t, got, "IDs of this user", "ok", "65537")
		state(t, got, "user namespaces", "ok", "works")
		state(t, got, "mounts", "ok", "works")
		state(t, got, "overlay", "ok", "works")
		state(t, got, "idmapped mounts", "limited", "mounted as they are")
		state(t, got, "cgroups", "limited", "Delegate=cpu cpuset io memory pids")
		state(t, got, "the user's systemd", "limited", n.dir+"/run/xdg/bus")
		state(t, got, "device rules", "limited", "can make no other")
		if c := got["state directory"]; c.State == "missing" || !strings.Contains(c.Found, "/xdg/bulkhead") {
			t.Errorf("state directory: %+v", c) // a tmpfs or not
		}
		state(t, got, "system call filters", "ok", "work")
		state(t, got, "Docker's configuration", "limited", "bulkheadctl install docker --config "+n.dir+"/.config/docker/daemon.json")
	})
	user := func(env ...string) *exec.Cmd {
		cmd := exec.Command(program, "doctor", "--json")
		cmd.Dir, cmd.Env = n.dir, append(env, "PATH="+os.Getenv("PATH"), "HOME="+n.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
		return cmd
	}
	t.Run("as-a-user", func(t *testing.T) {
		got := doctor(t, user("XDG_RUNTIME_DIR="+n.dir+"/xdg"))
		state(t, got, "user", "limited", "this is 123456 (123456), not root")
		state(t, got, "subordinate IDs", "limited", "usermod --add-subuids")
		state(t, got, "user namespaces of users", "ok", "allowed")
		state(t, got, "IDs of this user", "limited", "usermod --add-subuids")
		state(t, got, "mounts", "ok", "works")
		state(t, got, "cgroups", "limited", "no limit of a container holds")
	})
	t.Run("without-a-session", func(t *testing.T) {
		r := run(t, user())
		equal(t, "exit status", r.code, 1)
		state(t, doctor(t, user()), "state directory", "missing", "enable-linger")
	})
	t.Run("delegated", func(t *testing.T) {
		if !unified() {
			t.Skip("version 1 is not delegated to users")
		}
		n.delegate(t, "cpu", "memory", "pids") // and the engine's own cgroup is in it
		got := doctor(t, n.command(program, "doctor", "--json"))
		state(t, got, "cgroups", "ok", "delegated at /sys/fs/cgroup"+n.cgroup+", without cpuset, hugetlb, io, rdma")
	})
}

// TestRootlessJoined: a container of the user's joins another's namespaces, and their user namespace with them (podman's pods), but
// none of anybody else.
func TestRootlessJoined(t *testing.T) {
	n := newNobody(t)
	first := n.create(t, n.bundle(t, func(*specs.Spec) {}), "c1")
	must(t, n.runtime(t, "start", "c1"))
	join := func(pid int) func(*specs.Spec) {
		return func(s *specs.Spec) {
			for i := range s.Linux.Namespaces {
				if name, ok := map[specs.LinuxNamespaceType]string{specs.NetworkNamespace: "net", specs.IPCNamespace: "ipc", specs.UTSNamespace: "uts"}[s.Linux.Namespaces[i].Type]; ok {
					s.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/%s", pid, name)
				}
			}
			s.Hostname = ""
		}
	}
	second := n.create(t, n.bundle(t, join(first)), "c2")
	must(t, n.runtime(t, "start", "c2"))
	for ns, same := range map[string]bool{"user": true, "net": true, "ipc": true, "uts": true, "pid": false, "mnt": false, "cgroup": false} {
		equal(t, "the same "+ns, namespaceOf(t, strconv.Itoa(second), ns) == namespaceOf(t, strconv.Itoa(first), ns), same)
	}
	checkConfined(t, "the second", statusOf(t, second))
	checkConfined(t, "exec", parseStatus(must(t, n.runtime(t, "exec", "--cap", "CAP_SYS_ADMIN", "c2", "cat", "/proc/self/status"))))
	refused(t, n.runtime(t, "create", "--bundle", n.bundle(t, join(n.holder.Process.Pid)), "c3"), "rule namespaces")
	must(t, n.runtime(t, "delete", "--force", "c1"))
	equal(t, "the second goes on", must(t, n.runtime(t, "exec", "c2", "echo", "runs")), "runs")
}

// TestRootlessNetwork: a network namespace that the user's engine made (podman's networks) is the container's, with its devices and low
// ports. The engine's process cannot come back from there: its own network is the host's.
func TestRootlessNetwork(t *testing.T) {
	n := newNobody(t)
	made := n.command("unshare", "-n", "sh", "-c", "ip link set lo up; ip link add up0 type veth peer name up1; echo ready; exec sleep 1000")
	out, err := made.StdoutPipe()
	if err == nil {
		err = made.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = made.Process.Kill()
		_ = made.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("make a network: %q, %v", line, err)
	}
	network := fmt.Sprintf("/proc/%d/ns/net", made.Process.Pid)
	pid := n.create(t, n.bundle(t, func(s *specs.Spec) {
		s.Process.Args = []string{"sh", "-c", serve}
		for i := range s.Linux.Namespaces {
			if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
				s.Linux.Namespaces[i].Path = network
			}
		}
	}), "c1")
	must(t, n.runtime(t, "start", "c1"))
	equal(t, "network namespace", namespaceOf(t, strconv.Itoa(pid), "net"), namespaceOf(t, strconv.Itoa(made.Process.Pid), "net"))
	equal(t, "devices", must(t, n.runtime(t, "exec", "c1", "sh", "-c", "ls /sys/class/net | sort | xargs")), "lo up0 up1")
	eventually(t, "the page of a low port", func() error {
		r := n.runtime(t, "exec", "c1", "sh", "-c", `printf 'GET / HTTP/1.0\r\n\r\n' | nc 127.0.0.1 80`)
		if !strings.HasSuffix(trimmed(r.stdout), "served") {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
}
