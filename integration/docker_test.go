package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A dockerd is a Docker daemon of our own that knows all runtimes of the test.
type dockerd struct {
	*daemon
	engine *engine
	// serve is the daemon's command line.
	serve  []string
	client string
	images sync.Mutex
	loaded map[string]bool
}

// A docker runs containers with one runtime of a dockerd.
type docker struct {
	*dockerd
	runtime string
}

var sharedDockerd struct {
	sync.Once
	d *dockerd
}

// dockerWith gives the package's Docker daemon, started by the first caller, to use with one runtime.
func dockerWith(t testing.TB, runtime string) *docker {
	t.Helper()
	sharedDockerd.Do(func() {
		d := startDockerd(t, nil)
		atEnd(d.close)
		sharedDockerd.d = d
	})
	if sharedDockerd.d == nil {
		t.Fatal("there is no Docker daemon: see the first test that wanted one")
	}
	return &docker{dockerd: sharedDockerd.d, runtime: runtime}
}

// startDockerd starts this host's Docker. Keys in settings replace those of the usual configuration (daemon.json).
func startDockerd(t testing.TB, settings map[string]any) *dockerd {
	t.Helper()
	return hostEngine.startDockerd(t, settings)
}

func (e *engine) startDockerd(t testing.TB, settings map[string]any) *dockerd {
	t.Helper()
	setup := e.setup(t)
	var err error
	for range dockerdStarts {
		d := e.newDockerd(t, settings)
		d.start(t, setup, d.serve...)
		if err = d.ready(); err == nil {
			return d
		}
		_ = d.stop()
		if !containerdWasLate(err) {
			break
		}
	}
	t.Fatalf("start dockerd: %v", err)
	return nil
}

// dockerdStarts is how often dockerd is started before it counts as broken: it gives up a containerd of its own that does not answer
// within a fixed 15 seconds, which may be too short for an emulated processor of a busy host. Service managers start it again, too.
const dockerdStarts = 5

func containerdWasLate(err error) bool {
	return err != nil && strings.Contains(err.Error(), "timeout waiting for containerd to start")
}

// newDockerd writes the configuration of a daemon that is to be started.
func (e *engine) newDockerd(t testing.TB, settings map[string]any) *dockerd {
	t.Helper()
	program, runtimes := e.program(t), runtimeTable(t)
	d := &dockerd{daemon: newDaemonDir(t), engine: e, client: "docker", loaded: map[string]bool{}}
	if e.suite == "" {
		d.client = dockerClient(t)
	}
	config := map[string]any{
		"data-root": d.dir + "/lib", "exec-root": d.dir + "/run", "pidfile": d.dir + "/pid",
		"hosts":         []string{"unix://" + d.socket(), "unix:///run/docker.sock"},
		"cgroup-parent": d.cgroup, "exec-opts": []string{"native.cgroupdriver=cgroupfs"},
		"runtimes": runtimes, "shutdown-timeout": 5, "debug": true,
		// A range of its own: the host's network may use the default ones.
		"bip": "10.201.0.1/24", "default-address-pools": []map[string]any{{"base": "10.202.0.0/16", "size": 24}},
	}
	maps.Copy(config, d.cgroupSettings())
	maps.Copy(config, e.settings)
	maps.Copy(config, settings)
	data, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(d.dir+"/daemon.json", data, 0o600)
	}
	if err == nil {
		err = os.WriteFile(d.dir+"/device.json", deviceProfile(t), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.serve = []string{program, "--config-file", d.dir + "/daemon.json"}
	return d
}

// dockerSetup makes dockerd's mount namespace look like a host with Docker and nothing else, and leaves the host's own
// alone: a /run of its own with the well-known socket, but with the host's leases, which are one table for the whole
// host, and with systemd's sockets, which the systemd cgroup driver talks to; an /etc of its own with a site's profile and no settings of Docker; and other names for / and /run, as an attacker
// would like them.
const dockerSetup = `
mkdir -p etc etc-upper etc-work leases alias/root alias/run /run/bulkhead
mount -t overlay -o lowerdir=/etc,upperdir=etc-upper,workdir=etc-work overlay /etc
mkdir -p /etc/docker /etc/bulkhead/profiles.d
mount --bind etc /etc/docker
install -m 600 device.json /etc/bulkhead/profiles.d/device.json
mount --bind /run/bulkhead leases
keep=
for d in dbus systemd; do
	if [ -d "/run/$d" ]; then mkdir "host-$d"; mount --rbind "/run/$d" "host-$d"; keep="$keep $d"; fi
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/bulkhead
mount --move leases /run/bulkhead
for d in $keep; do mkdir "/run/$d"; mount --move "host-$d" "/run/$d"; done
mount --bind / alias/root
mount --bind /etc alias/root/etc
mount --bind /run alias/run`

func (d *dockerd) ready() error {
	return d.untilReady("dockerd", func() error {
		out, err := d.command("info").CombinedOutput()
		if err != nil {
			return fmt.Errorf("docker info: %w: %s", err, out)
		}
		return nil
	})
}

func runtimeTable(t testing.TB) map[string]any {
	table := map[string]any{}
	for _, name := range runtimes() {
		if name == "bulkhead" {
			bin := bulkheadBin(t)
			table["bulkhead"] = map[string]any{"path": bin}
			for _, p := range []string{"restricted", "compatible", "device"} {
				table["bulkhead-"+p] = map[string]any{"path": bin, "runtimeArgs": []string{"--profile", p}}
			}
		}
	}
	return table
}

// deviceProfile is a site's profile "device", which allows one device more than the default one.
func deviceProfile(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "profiles", "data", "default.json"))
	if err != nil {
		t.Fatal(err)
	}
	var base struct {
		Devices []map[string]any `json:"devices"`
	}
	if err := json.Unmarshal(data, &base); err != nil {
		t.Fatal(err)
	}
	fuse := map[string]any{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "access": "rw", "reason": "the test's own need"}
	data, err = json.Marshal(map[string]any{"base": "default", "devices": append(base.Devices, fuse),
		"widened": map[string]string{"devices": "a test opens one device"}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// dockerClient prefers the distribution's client, which belongs to its daemon, over another one on the PATH.
func dockerClient(t testing.TB) string {
	t.Helper()
	if _, err := os.Stat("/usr/bin/docker"); err == nil {
		return "/usr/bin/docker"
	}
	path, err := exec.LookPath("docker")
	if err != nil {
		t.Fatalf("docker is missing, run `make deps`: %v", err)
	}
	return path
}

func (d *dockerd) socket() string { return d.dir + "/d.sock" }

// command is the Docker client, talking to this daemon with no configuration of the user's.
func (d *dockerd) command(args ...string) *exec.Cmd {
	cmd := d.inside(d.client, args...)
	cmd.Env = d.environment()
	return cmd
}

func (d *dockerd) environment() []string {
	return append(os.Environ(), "DOCKER_HOST=unix://"+d.socket(), "DOCKER_CONFIG="+d.dir+"/client", "DOCKER_CONTEXT=",
		"DOCKER_BUILDKIT=0", "DOCKER_CLI_HINTS=false")
}

func (d *dockerd) close() error {
	if out, err := d.command("ps", "-aq").Output(); err == nil {
		if ids := strings.Fields(string(out)); len(ids) > 0 {
			_ = d.command(append([]string{"rm", "-f", "-v"}, ids...)...).Run()
		}
	}
	return d.stop()
}

// try runs a docker command to its end.
func (d *dockerd) try(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, d.command(args...))
}

// do runs a docker command that must succeed and gives its output.
func (d *dockerd) do(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, d.try(t, args...))
}

// tryRun is `docker run --rm` under the runtime. args begin with options, then image and command.
func (d *docker) tryRun(t testing.TB, args ...string) result {
	t.Helper()
	return d.try(t, append([]string{"run", "--rm", "--runtime", d.runtime}, args...)...)
}

// run is `docker run --rm` under the runtime; it must succeed, and its standard output is given.
func (d *docker) run(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, d.tryRun(t, args...))
}

// container starts a container in the background and removes it, with its anonymous volumes, when the test ends.
func (d *docker) container(t testing.TB, args ...string) string {
	t.Helper()
	id := d.do(t, append([]string{"run", "-d", "--runtime", d.runtime}, args...)...)
	d.cleanUp(t, id)
	return id
}

// cleanUp removes a container when the test ends, and shows its logs when the test failed.
func (d *docker) cleanUp(t testing.TB, id string) {
	t.Cleanup(func() {
		if t.Failed() {
			logs := run(t, d.command("logs", "--tail", "50", id))
			t.Logf("logs of %.12s:\n%s%s", id, logs.stdout, logs.stderr)
		}
		if r := run(t, d.command("rm", "-f", "-v", id)); r.code != 0 && !strings.Contains(r.stderr, "No such container") {
			t.Errorf("remove container: %s", r)
		}
	})
}

// inspect formats a property of a container.
func (d *docker) inspect(t testing.TB, id, format string) string {
	t.Helper()
	return d.do(t, "inspect", "-f", format, id)
}

// pid is the host's ID of a container's first process.
func (d *docker) pid(t testing.TB, id string) int {
	t.Helper()
	pid, err := strconv.Atoi(d.inspect(t, id, "{{.State.Pid}}"))
	if err != nil || pid == 0 {
		t.Fatalf("container %s has no process: %v\n%s", id, err, d.inspect(t, id, "{{json .State}}"))
	}
	return pid
}

// sharedDir is a directory on a real file system that containers may be given: mode 0755 with a known content.
func sharedDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("from the host\n"), 0o644); err != nil { //nolint:gosec // read by container root
		t.Fatal(err)
	}
	return dir
}
