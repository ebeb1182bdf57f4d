package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPodmanUnits has systemd run containers of podman: by quadlet where podman has it (4.4), else by the unit that podman
// generate systemd writes. podman is used as a distribution installs it, with the drop-in of deploy/podman: what systemd calls, the timers of
// health checks among it, has no options of ours. So it runs in guests only, whose files nobody needs afterwards.
func TestPodmanUnits(t *testing.T) {
	requireRoot(t)
	guest := os.Getenv("BULKHEAD_GUEST")
	if guest == "" {
		t.Skip("this is no guest: the test writes to the system's own /etc/containers and units")
	}
	for _, e := range podmans {
		for _, runtime := range runtimes() {
			if e.suite != guest {
				continue
			}
			t.Run(e.name+"/"+runtime, func(t *testing.T) {
				u := newPodmanUnits(t, runtime)
				unit := u.quadlet
				if guest == "bookworm" {
					unit = u.generated
				}
				t.Run("units/service", func(t *testing.T) { u.service(t, unit) })
				t.Run("units/ready", func(t *testing.T) { u.ready(t, unit) })
			})
		}
	}
}

// podmanUnits are units of the system that run podman with one runtime by default.
type podmanUnits struct{ runtime string }

func newPodmanUnits(t *testing.T, runtime string) *podmanUnits {
	t.Helper()
	u := &podmanUnits{runtime: runtime}
	drop := "/etc/containers/containers.conf.d"
	must(t, run(t, exec.Command("sh", "-ec", `mkdir -p "$1" /etc/containers/systemd
cp ../deploy/podman/bulkhead.conf "$1"
printf '[engine]\nruntime = "%s"\n[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n' "$2" >"$1/test.conf"`, "sh", drop, runtime)))
	u.podman(t, "import", "-c", "CMD sh", "-c", "ENV PATH=/bin", imageTar(t, "busybox"), "localhost/box")
	return u
}

func (u *podmanUnits) podman(t testing.TB, args ...string) string {
	t.Helper()
	return strings.TrimRight(must(t, run(t, exec.Command("podman", args...))), "\n")
}

func (u *podmanUnits) systemctl(t testing.TB, args ...string) string {
	t.Helper()
	r := run(t, exec.Command("systemctl", args...))
	if r.code != 0 {
		journal, _ := exec.Command("journalctl", "--no-pager", "-q", "-n", "50", "_PID=1", "+", "_COMM=podman", "+", "_COMM=conmon").Output()
		t.Fatalf("%s\n%s", r, journal)
	}
	return strings.TrimRight(r.stdout, "\n")
}

// A podmanUnit is a container that a unit is to run: the options of podman run, and the same as keys of quadlet. script is what
// its shell runs.
type podmanUnit struct {
	name, script   string
	options, keys  []string
	volume, bridge string
}

// quadlet writes the files from which quadlet makes units, and gives the container's.
func (u *podmanUnits) quadlet(t testing.TB, c podmanUnit) string {
	t.Helper()
	files := map[string]string{c.name + ".container": "[Container]\nImage=localhost/box\nContainerName=" + c.name + "\nExec=sh -c \"" + c.script + "\"\n" +
		strings.Join(c.keys, "\n") + "\n[Service]\nRestart=on-failure\n"}
	if c.volume != "" {
		files[c.volume+".volume"] = "[Volume]\nVolumeName=" + c.volume + "\n"
		files[c.bridge+".network"] = "[Network]\nNetworkName=" + c.bridge + "\n"
		// Their units stay active, and would not make the volume and the network again.
		t.Cleanup(func() { u.systemctl(t, "stop", c.volume+"-volume.service", c.bridge+"-network.service") })
	}
	for name, text := range files {
		path := filepath.Join("/etc/containers/systemd", name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // a unit, as everybody may read it
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(path) })
	}
	u.systemctl(t, "daemon-reload")
	return c.name + ".service"
}

// generated writes the unit of a container that podman generate systemd makes.
func (u *podmanUnits) generated(t testing.TB, c podmanUnit) string {
	t.Helper()
	if c.volume != "" {
		u.podman(t, "volume", "create", c.volume)
		u.podman(t, "network", "create", c.bridge)
	}
	args := append([]string{"create", "--name", c.name}, c.options...)
	u.podman(t, append(args, "localhost/box", "sh", "-c", c.script)...)
	text := u.podman(t, "generate", "systemd", "--new", "--restart-policy", "on-failure", "--name", c.name)
	u.podman(t, "rm", c.name)
	path := "/etc/systemd/system/container-" + c.name + ".service"
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil { //nolint:gosec // a unit, as everybody may read it
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
	u.systemctl(t, "daemon-reload")
	return filepath.Base(path)
}
