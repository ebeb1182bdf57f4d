package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestPodman runs containers with podman, which calls the runtime by way of conmon and has no daemon.
func TestPodman(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "podman", "conmon")
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			p := newPodman(t, name)
			p.describe(t)
			equal(t, "output", p.do(t, append(p.run("--rm"), "sh", "-c", "echo $A; cat /data/seed; stat -c %u:%g /home/app /etc/passwd")...),
				"b\nseed\n1000:1000\n0:0")
			equal(t, "exit status", p.try(t, append(p.run("--rm"), "sh", "-c", "exit 9")...).code, 9)
			p.do(t, append(p.run("-d", "--name", "c"), "sleep", "1000")...)
			equal(t, "exec", p.do(t, "exec", "-w", "/data", "c", "sh", "-c", "pwd; id -u"), "/data\n0")
			equal(t, "exit status of exec", p.try(t, "exec", "c", "sh", "-c", "exit 4").code, 4)
			pid, err := strconv.Atoi(p.do(t, "inspect", "-f", "{{.State.Pid}}", "c"))
			if err != nil {
				t.Fatal(err)
			}
			if name == "bulkhead" {
				checkHardened(t, pid)
				checkConfined(t, "podman exec", parseStatus(p.do(t, "exec", "--privileged", "c", "cat", "/proc/self/status")))
				refused(t, p.try(t, append(p.run("--rm", "--pid=host"), "true")...), "rule namespaces")
				refused(t, p.try(t, append(p.run("--rm", "-v", "/:/host"), "true")...), "rule mounts")
			}
			p.do(t, "pause", "c")
			p.do(t, "unpause", "c")
			p.do(t, "kill", "-s", "KILL", "c")
			equal(t, "exit status by wait", p.do(t, "wait", "c"), "137")
			p.do(t, "rm", "-f", "c")
		})
	}
}

// TestPodmanUnmappedRun has podman keep what it gives to every container, hosts and hostname among it, on a file system that takes no
// idmapped mounts: the tmpfs at /run is such a one before Linux 6.3. The files are there, and the container cannot write them.
func TestPodmanUnmappedRun(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "podman", "conmon")
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			p := newPodman(t, name)
			must(t, run(t, exec.Command("sh", "-ec", `mkdir "$1"; mount -t ramfs -o mode=0755 ramfs "$1"`, "sh", p.dir+"/run")))
			p.do(t, append(p.run("-d", "--name", "c", "--hostname", "here", "--add-host", "there:192.0.2.1"), "sleep", "1000")...)
			equal(t, "files", p.do(t, "exec", "c", "sh", "-c", "grep -c there /etc/hosts; echo $(cat /etc/hostname); test -e /run/.containerenv && echo marked"), "1\nhere\nmarked")
			write := p.do(t, "exec", "c", "sh", "-c", "echo 192.0.2.2 inside 2>/dev/null >>/etc/hosts && echo open || echo closed")
			if name != "bulkhead" {
				equal(t, "a file of the engine's", write, "open")
				return
			}
			equal(t, "a file of the engine's", write, "closed")
			checkHardened(t, p.pid(t, "c"))
			dir := filepath.Join(p.dir, "run", "own")
			must(t, run(t, exec.Command("mkdir", dir)))
			refused(t, p.try(t, append(p.run("--rm", "-v", dir+":/own"), "true")...), "ramfs at", "takes no idmapped mount")
		})
	}
}

// A podman is podman with a storage of its own.
type podman struct {
	dir, rootfs, runtime, cgroup string
	// manager is who makes the cgroups: cgroupfs (the runtime), or systemd, to whom cgroup is the name of a slice.
	manager string
	// inside is a command where podman runs; nil: here.
	inside func(args ...string) *exec.Cmd
}

func newPodman(t testing.TB, name string) *podman {
	t.Helper()
	d := newDaemonDir(t) // for the directory and its removal: there is no daemon
	p := &podman{dir: d.dir, rootfs: d.dir + "/rootfs", runtime: runtimePath(t, name), manager: "cgroupfs"}
	if d.cgroupSettings() != nil {
		p.manager, p.cgroup = "systemd", strings.TrimPrefix(d.cgroup, "/")
	} else {
		p.cgroup = d.cgroup
	}
	must(t, run(t, exec.Command("mkdir", p.rootfs)))
	must(t, run(t, exec.Command("tar", "-xf", imageTar(t, "busybox"), "-C", p.rootfs, "--numeric-owner")))
	t.Cleanup(func() {
		p.removeAll(t)
		// What podman's monitors started to clean up ends by itself. Each podman mounts the storage on itself, and leaves it so.
		for range 100 {
			if pids, err := d.leftovers(); err != nil || len(pids) == 0 {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		for _, m := range mountsBelow(d.dir) {
			must(t, run(t, exec.Command("umount", m)))
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *podman) run(options ...string) []string {
	args := append([]string{"run", "--network", "none", "-e", "A=b", "-e", "PATH=/bin", "--cgroup-parent", p.cgroup,
		// Below the host's own limits: to raise them takes a right that not every test machine has.
		"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"}, options...)
	return append(args, "--rootfs", p.rootfs)
}

func (p *podman) try(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, p.command(p.global(args...)...))
}

func (p *podman) do(t testing.TB, args ...string) string {
	t.Helper()
	r := p.try(t, args...)
	if r.code != 0 {
		t.Fatalf("run %s", fmt.Sprint(r))
	}
	return strings.TrimRight(r.stdout, "\n")
}

func (p *podman) command(args ...string) *exec.Cmd {
	cmd := p.onHost(args...)
	// podman 5 warns of cgroup v1 on standard error.
	cmd.Env = append(os.Environ(), "PODMAN_IGNORE_CGROUPSV1_WARNING=1")
	return cmd
}

// global is a command line of podman's, with where this one keeps its things.
func (p *podman) global(args ...string) []string {
	return append([]string{"podman", "--root", p.dir + "/root", "--runroot", p.dir + "/run", "--tmpdir", p.dir + "/tmp", "--runtime", p.runtime,
		"--cgroup-manager", p.manager, "--events-backend", "none", "--storage-driver", "overlay"}, args...)
}
