package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// podmans are the versions of podman that the scenarios run with: each in a tree of its distribution, with that one's network
// stack (netavark, aardvark-dns), in mount and network namespaces of its own on this kernel. In a guest it is the installed one,
// with systemd's cgroups.
var podmans = []*engine{{name: "4.3", suite: "bookworm"}, {name: "5.8", suite: "sid"}}

// A podmanScenario is something that users do with podman. One that is hardened is about what only bulkhead does.
type podmanScenario struct {
	name     string
	hardened bool
	run      func(*testing.T, *podman)
}

// TestPodmanEngines runs every scenario of podman with every version: under bulkhead, and for `make matrix` under the other
// runtimes too (BULKHEAD_TEST_MATRIX=1). A guest is booted for one runtime.
func TestPodmanEngines(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "ip", "nsenter", "busybox", "debootstrap")
	guest := os.Getenv("BULKHEAD_GUEST")
	for _, e := range podmans {
		if guest != "" && guest != e.suite {
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			for _, name := range runtimes() {
				if name != "bulkhead" && guest == "" && os.Getenv("BULKHEAD_TEST_MATRIX") != "1" {
					continue
				}
				t.Run(name, func(t *testing.T) {
					p := e.startPodman(t, name)
					p.describe(t)
					for _, s := range podmanScenarios {
						if s.hardened && name != "bulkhead" {
							continue
						}
						t.Run(s.name, func(t *testing.T) { s.run(t, p) })
					}
				})
			}
		})
	}
}

// podmanSetup gives podman the IDs that --userns=auto takes its ranges from, and limits below the host's own for the first
// container of a pod, which has no option for that: to raise them takes a right that not every test machine has.
const podmanSetup = `
echo containers:x:399:399::/:/bin/false >>/etc/passwd
for f in /etc/subuid /etc/subgid; do echo containers:400000:200000 >>$f; done
mkdir -p /etc/containers
printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n' >/etc/containers/containers.conf
: >ready
`

// startPodman prepares a podman with a storage, networks and an image of its own. There is no daemon: a process that only
// waits keeps the namespaces.
func (e *engine) startPodman(t *testing.T, runtime string) *podman {
	t.Helper()
	if os.Getenv("BULKHEAD_GUEST") != "" {
		return guestPodman(t, runtime)
	}
	d := newDaemonDir(t)
	if err := os.WriteFile(filepath.Join(d.dir, "device.json"), deviceProfile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t, e.setup(t)+podmanSetup, "sleep", "infinity")
	p := &podman{dir: d.dir, runtime: runtimePath(t, runtime), cgroup: d.cgroup, manager: "cgroupfs"}
	p.inside = func(args ...string) *exec.Cmd {
		return exec.Command("nsenter", append([]string{"-m", "-n", "-t", fmt.Sprint(d.cmd.Process.Pid), "--"}, args...)...)
	}
	t.Cleanup(func() {
		p.removeAll(t)
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.untilReady("podman's namespaces", func() error {
		_, err := os.Stat(filepath.Join(d.dir, "ready"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p.image(t)
	return p
}

// guestPodman is a guest's podman as its distribution installs it, but with a storage of its own. What it has in /run otherwise lies in a
// tmpfs here, too.
func guestPodman(t *testing.T, runtime string) *podman {
	t.Helper()
	p := newPodman(t, runtime)
	must(t, run(t, exec.Command("sh", "-ec", "cd \"$1\"; mkdir run; mount -t tmpfs -o mode=0755 tmpfs run\n"+podmanSetup, "sh", p.dir)))
	p.image(t)
	return p
}

func (p *podman) image(t testing.TB) {
	t.Helper()
	p.do(t, "import", "-c", "CMD sh", "-c", "ENV PATH=/bin", imageTar(t, "busybox"), "box")
}

// removeAll removes all pods and containers.
func (p *podman) removeAll(t testing.TB) {
	t.Helper()
	for _, args := range [][]string{{"pod", "rm", "-a", "-f", "-t", "0"}, {"rm", "-a", "-f", "-t", "0"}} {
		if r := p.try(t, args...); r.code != 0 {
			t.Errorf("podman %s: %s", args, r)
		}
	}
}

// describe says which podman this is and what it works with, for the matrix.
func (p *podman) describe(t testing.TB) {
	t.Helper()
	logPodman(t, func(args ...string) string { return p.do(t, args...) })
}

// ours tells whether it runs bulkhead.
func (p *podman) ours() bool { return filepath.Base(p.runtime) == "bulkhead" }

// onHost is a command where podman runs.
func (p *podman) onHost(args ...string) *exec.Cmd {
	if p.inside != nil {
		return p.inside(args...)
	}
	return exec.Command(args[0], args[1:]...)
}

// args are those of a run of the image.
func (p *podman) args(options ...string) []string {
	return append([]string{"run", "--cgroup-parent", p.cgroup}, options...)
}

// box runs the image and gives its output.
func (p *podman) box(t testing.TB, options ...string) string {
	t.Helper()
	return p.do(t, p.args(options...)...)
}

// pid is the first process of a container.
func (p *podman) pid(t testing.TB, name string) int {
	t.Helper()
	var pid int
	if _, err := fmt.Sscan(p.do(t, "inspect", "-f", "{{.State.Pid}}", name), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// background runs a command of the image detached, to the end of the test.
func (p *podman) background(t testing.TB, name string, args ...string) {
	t.Helper()
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", name) })
	p.do(t, append(p.args("-d", "--name", name, "box"), args...)...)
}

// pod makes a pod, to the end of the test.
func (p *podman) pod(t testing.TB, name string) {
	t.Helper()
	p.do(t, "pod", "create", "--name", name, "--cgroup-parent", p.cgroup, "--infra-image", "box", "--infra-command", "sleep 100000")
	t.Cleanup(func() { p.do(t, "pod", "rm", "-f", "-t", "0", name) })
}
