package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestCRIO replays the calls of CRI-O, which no Debian release has: its argument lists, its files and pipes (internal/oci,
// runtime_oci.go of CRI-O 1.30), by way of the conmon that it uses. A pod's namespaces are made by CRI-O itself (pinns) in the
// host's user namespace, and a pod that shares no processes has no first container.
func TestCRIO(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "conmon")
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			t.Run("version and features", func(t *testing.T) { crioProbes(t, runtimePath(t, name)) })
			t.Run("containers of a pod", func(t *testing.T) { crioPod(t, name) })
			t.Run("terminal, and an error at create", func(t *testing.T) { crioErrors(t, name) })
			t.Run("exec", func(t *testing.T) { crioExecs(t, name) })
			t.Run("attach", func(t *testing.T) { crioTerminal(t, name) })
			t.Run("life", func(t *testing.T) { crioLife(t, name) })
		})
	}
}

// crioProbes is what CRI-O asks a runtime when it starts. It reads both streams of features as one JSON.
func crioProbes(t *testing.T, path string) {
	version := must(t, run(t, exec.Command(path, "--version")))
	if first, _, _ := strings.Cut(version, "\n"); !strings.Contains(first, "version") {
		t.Errorf("first line of --version: %q", first)
	}
	out, err := exec.Command(path, "features").CombinedOutput()
	var features struct {
		Linux struct {
			Namespaces      []string
			MountExtensions struct{ IDMap struct{ Enabled bool } }
		}
	}
	if err != nil || json.Unmarshal(out, &features) != nil || !strings.Contains(strings.Join(features.Linux.Namespaces, " "), "user") {
		t.Errorf("features: %v: %s", err, out)
	}
	if strings.HasSuffix(path, "bulkhead") {
		equal(t, "user namespaces with idmapped mounts", features.Linux.MountExtensions.IDMap.Enabled, true)
	}
}

// A crioPodNamespaces holds the namespaces of a pod, as pinns makes them.
type crioPodNamespaces struct{ pid int }

func newCRIOPod(t *testing.T) crioPodNamespaces {
	t.Helper()
	holder := exec.Command("sleep", "1000")
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS, Pdeathsig: 0}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	// As CRI-O's CNI plugins and pinns do.
	must(t, run(t, exec.Command("nsenter", "-n", "-u", "-t", strconv.Itoa(holder.Process.Pid), "sh", "-c", "ip link set lo up; hostname pod; echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start")))
	return crioPodNamespaces{holder.Process.Pid}
}

// spec is what CRI-O makes of an engine's spec for a container of the pod.
func (p crioPodNamespaces) spec(dir, name string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		for i := range s.Linux.Namespaces {
			n := &s.Linux.Namespaces[i]
			if file := map[specs.LinuxNamespaceType]string{"network": "net", "ipc": "ipc", "uts": "uts"}[n.Type]; file != "" {
				n.Path = fmt.Sprintf("/proc/%d/ns/%s", p.pid, file)
			}
		}
		s.Hostname = ""
		s.Linux.Sysctl = map[string]string{"kernel.shm_rmid_forced": "1"}
		s.Annotations = map[string]string{
			"io.container.manager": "cri-o", "io.kubernetes.cri-o.ContainerName": name, "io.kubernetes.cri-o.ContainerType": "container",
			"io.kubernetes.cri-o.TTY": strconv.FormatBool(s.Process.Terminal), "io.kubernetes.cri-o.Annotations": "{}",
			"org.systemd.property.TimeoutStopUSec": "uint64 1",
		}
		for i := range s.Mounts {
			if s.Mounts[i].Destination == "/dev/shm" {
				s.Mounts[i] = specs.Mount{Destination: "/dev/shm", Type: "bind", Source: dir + "/shm", Options: []string{"rw", "bind"}}
			}
		}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/etc/resolv.conf", Type: "bind", Source: dir + "/resolv.conf", Options: []string{"ro", "bind", "nodev", "nosuid", "noexec"}})
	}
}

// crioPod walks through the life of two containers of a pod.
func crioPod(t *testing.T, name string) {
	p, dir := newCRIOPod(t), t.TempDir()
	must(t, run(t, exec.Command("sh", "-c", `mkdir -m 1777 "$1/shm"; echo 'nameserver 192.0.2.1' >"$1/resolv.conf"`, "sh", dir)))
	a := newCRIO(t, name, args("sh", "-c", "echo up; echo err >&2; trap 'echo bye; exit 7' TERM; httpd -p 80 -h /; while :; do sleep 0.1; done"), p.spec(dir, "a"))
	b := newCRIO(t, name, args("sleep", "1000"), p.spec(dir, "b"))
	for _, c := range []*crio{a, b} {
		pid := c.create(t)
		equal(t, "state", c.state(t).Status, specs.StateCreated)
		c.do(t, "start", c.id)
		equal(t, "process", c.state(t).Pid, pid)
		if name == "bulkhead" {
			checkHardened(t, pid)
		}
	}
	equal(t, "host name", must(t, b.exec(t, "hostname")), "pod")
	equal(t, "resolver", must(t, b.exec(t, "cat", "/etc/resolv.conf")), "nameserver 192.0.2.1")
	eventually(t, "the server", func() error {
		if r := b.exec(t, "wget", "-q", "-O", "-", "http://127.0.0.1/data/seed"); r.stdout != "seed\n" {
			return fmt.Errorf("%s", r)
		}
		return nil
	})
	must(t, a.exec(t, "sh", "-c", "echo shared >/dev/shm/x"))
	equal(t, "shared memory", must(t, b.exec(t, "cat", "/dev/shm/x")), "shared")
	must(t, a.exec(t, "touch", "/dev/mqueue/jobs"))
	equal(t, "shared message queues", must(t, b.exec(t, "ls", "/dev/mqueue")), "jobs")
	equal(t, "parameter of the pod's IPC", must(t, b.exec(t, "cat", "/proc/sys/kernel/shm_rmid_forced")), "1")
	equal(t, "network devices in sysfs", must(t, a.exec(t, "ls", "/sys/class/net")), "lo")
	equal(t, "exit code of exec", a.exec(t, "sh", "-c", "exit 3").code, 3)
	update := a.command("update", "--resources=-", a.id)
	update.Stdin = strings.NewReader(`{"memory": {"limit": 134217728}, "cpu": {"shares": 512}}`)
	must(t, run(t, update))
	equal(t, "memory limit", cgroupValue(t, a.pid(t), "memory", memoryLimitFile()), "134217728")
	a.do(t, "pause", a.id)
	equal(t, "state", a.state(t).Status, specs.ContainerState("paused"))
	a.do(t, "resume", a.id)
	a.do(t, "kill", a.id, "TERM")
	equal(t, "exit code", a.exitCode(t), "7")
	equal(t, "log", sortedLines(a.log(t)), "stderr F err\nstdout F bye\nstdout F up")
	b.do(t, "kill", b.id, "KILL")
	equal(t, "exit code of the killed", b.exitCode(t), "137")
	for _, c := range []*crio{a, b} {
		equal(t, "state", c.state(t).Status, specs.StateStopped)
		c.do(t, "delete", "--force", c.id)
		c.do(t, "delete", "--force", c.id)
		if r := c.try(t, "state", c.id); r.code == 0 || !strings.Contains(r.stderr, "does not exist") {
			t.Errorf("state after delete: %s", r)
		}
	}
}

// crioErrors: a terminal comes through conmon's socket, and an error at create through its pipe.
func crioErrors(t *testing.T, name string) {
	c := newCRIO(t, name, args("sh", "-c", "tty; test -t 1 && echo terminal"), func(s *specs.Spec) { s.Process.Terminal = true })
	c.create(t)
	c.do(t, "start", c.id)
	equal(t, "exit code", c.exitCode(t), "0")
	equal(t, "log", strings.ReplaceAll(c.log(t), "\r", ""), "stdout F /dev/pts/0\nstdout F terminal")
	bad := newCRIO(t, name, func(s *specs.Spec) { s.Process.Cwd = "relative" })
	if r := bad.conmon(t); r.Pid > 0 || r.Message == "" {
		t.Errorf("a process in a relative directory was created, or nothing was said: %+v", r)
	}
	if name == "bulkhead" {
		host := newCRIO(t, name, func(s *specs.Spec) {
			s.Linux.Namespaces[0].Path = "/proc/1/ns/" + namespaceFile(s.Linux.Namespaces[0].Type)
		})
		if r := host.conmon(t); r.Pid > 0 || !strings.Contains(r.Message, "refused by profile") {
			t.Errorf("conmon reports %+v, want the refusal", r)
		}
	}
}

func namespaceFile(kind specs.LinuxNamespaceType) string {
	switch kind {
	case specs.NetworkNamespace:
		return "net"
	case specs.MountNamespace:
		return "mnt"
	}
	return string(kind)
}

// A crio is a container as CRI-O keeps it.
type crio struct {
	*bundle
	// stdin has conmon keep the container's input open.
	stdin bool
}

func newCRIO(t *testing.T, runtime string, edits ...func(*specs.Spec)) *crio {
	t.Helper()
	c := &crio{bundle: newBundle(t, runtime, edits...)}
	must(t, run(t, exec.Command("mkdir", c.dir+"/exits", c.dir+"/persist", c.dir+"/sockets")))
	return c
}

// A conmonReport is what conmon writes to CRI-O's pipe.
type conmonReport struct {
	Pid      int
	Message  string
	ExitCode *int `json:"exit_code"`
	Data     int  // the process, in version 1 of conmon's words
}

// conmon creates the container as CRI-O has conmon do it.
func (c *crio) conmon(t *testing.T) conmonReport {
	t.Helper()
	list := []string{"-b", c.dir, "-c", c.id, "--exit-dir", c.dir + "/exits", "-l", c.dir + "/log", "--log-level", "info", "-n", "k8s_" + c.id,
		"-P", c.dir + "/conmon-pidfile", "-p", c.dir + "/pid", "--persist-dir", c.dir + "/persist", "-r", c.program,
		"--runtime-arg", "--root=" + c.bundle.state, "--socket-dir-path", c.dir + "/sockets", "-u", c.id}
	if c.terminal(t) {
		list = append(list, "-t")
	}
	if c.stdin {
		list = append(list, "-i")
	}
	sync, syncWrite := pipe(t)
	startRead, start := pipe(t)
	cmd := exec.Command("conmon", list...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = c.outputFile(t, "conmon"), c.outputFile(t, "conmon")
	cmd.ExtraFiles = []*os.File{syncWrite, startRead}
	cmd.Env = append(os.Environ(), "_OCI_SYNCPIPE=3", "_OCI_STARTPIPE=4")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = syncWrite.Close(), startRead.Close()
	// conmon waits for this byte, so that it can be put into its cgroup before.
	if _, err := start.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	_ = start.Close()
	line, err := bufio.NewReader(sync).ReadBytes('\n')
	_ = cmd.Wait()
	var report conmonReport
	if decode := json.Unmarshal(line, &report); decode != nil {
		t.Fatalf("read conmon's pipe: %v: %v: %q: %s", err, decode, line, c.output(t, "conmon"))
	}
	return report
}

func (c *crio) terminal(t *testing.T) bool {
	t.Helper()
	var s specs.Spec
	decode(t, readDoc(t, c.dir+"/config.json"), &s)
	return s.Process.Terminal
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// create creates the container and gives the process that conmon reports.
func (c *crio) create(t *testing.T) int {
	t.Helper()
	report := c.conmon(t)
	if report.Pid <= 0 {
		t.Fatalf("conmon reports %+v", report)
	}
	equal(t, "pid file", c.pid(t), report.Pid)
	return report.Pid
}

func (c *crio) state(t *testing.T) specs.State {
	t.Helper()
	var s specs.State
	decode(t, c.do(t, "state", c.id), &s)
	return s
}

// exec is CRI-O's ExecSync: in the foreground, with pipes, the process in a file that is made of the container's own.
func (c *crio) exec(t *testing.T, command ...string) result {
	t.Helper()
	return run(t, c.command("exec", "--pid-file", c.dir+"/exec-pid", "--process", c.processFile(t, false, command...), c.id))
}

// exitCode waits for the file with which conmon tells the end.
func (c *crio) exitCode(t *testing.T) string { t.Helper(); return exitFile(t, c.dir, c.id) }

// log is the container's log without time stamps.
func (c *crio) log(t *testing.T) string { t.Helper(); return conmonLog(t, c.dir) }
