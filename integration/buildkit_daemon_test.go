package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildkitModule is the module of BuildKit, and buildkitVersion the version that is built.
const buildkitModule, buildkitVersion = "github.com/moby/buildkit", "v0.33.0"

// A buildkit is a buildkitd of our own whose worker has one runtime.
type buildkit struct {
	*daemon
	runtime, programs string
}

// startBuildKit starts buildkitd as an administrator would for a runtime: its program by the worker's setting, and networks
// from CNI plugins. Without those every step would be in the host's network.
func startBuildKit(t testing.TB, runtime string) *buildkit {
	t.Helper()
	requireProgram(t, "nsenter", "ip", "/usr/lib/cni/bridge", "/usr/lib/cni/host-local", "/usr/lib/cni/loopback")
	programs := cachedBuild(t, "buildkit-"+buildkitVersion, func(dir string) error {
		source, err := moduleSource(buildkitModule, buildkitVersion)
		if err != nil {
			return err
		}
		return goBuild(source, dir, "", "./cmd/buildkitd", "./cmd/buildctl")
	})
	if os.Mkdir("/var/lib/buildkit", 0o710) == nil {
		t.Cleanup(func() { _ = os.Remove("/var/lib/buildkit") })
	}
	d := &buildkit{newDaemonDir(t), runtime, programs}
	for name, text := range map[string]string{
		"cni.conflist": fmt.Sprintf(podNetwork, d.dir+"/ipam"),
		"config.toml":  strings.NewReplacer("DIR", d.dir, "BINARY", runtimePath(t, runtime), "CGROUP", d.cgroup).Replace(buildkitConfig),
	} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d.start(t, buildkitSetup, programs+"/buildkitd", "--config", d.dir+"/config.toml")
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.logTail())
		}
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	err := d.untilReady("buildkitd", func() error {
		out, err := d.buildctl("debug", "workers").CombinedOutput()
		if err != nil {
			return fmt.Errorf("buildctl debug workers: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const buildkitConfig = `
root = "/var/lib/buildkit"
insecure-entitlements = ["security.insecure", "network.host"]
[grpc]
address = ["unix://DIR/b.sock"]
[worker.containerd]
enabled = false
[worker.oci]
enabled = true
binary = "BINARY"
snapshotter = "overlayfs"
defaultCgroupParent = "CGROUP"
networkMode = "cni"
cniConfigPath = "DIR/cni.conflist"
cniBinaryPath = "/usr/lib/cni"
`

// buildkitSetup gives buildkitd a /run of its own with the host's leases in it, its state where it is by default, and a directory for
// its temporary mounts.
const buildkitSetup = `
mkdir -p root leases tmp /run/bulkhead
mount --bind root /var/lib/buildkit
mount --bind /run/bulkhead leases
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/bulkhead
mount --move leases /run/bulkhead
export TMPDIR=$PWD/tmp`

func (d *buildkit) buildctl(args ...string) *exec.Cmd {
	return exec.Command(d.programs+"/buildctl", append([]string{"--addr", "unix://" + d.dir + "/b.sock"}, args...)...)
}

// build builds the Dockerfile of a directory, by the frontend that is part of buildkitd: nothing is fetched.
func (d *buildkit) build(dir string, args ...string) *exec.Cmd {
	return d.buildctl(append([]string{"build", "--progress=plain", "--frontend=dockerfile.v0", "--local", "context=" + dir, "--local", "dockerfile=" + dir}, args...)...)
}

// left is what the daemon still holds of containers: their processes, cgroups, mounts in its namespace, and leases.
func (d *buildkit) left(t testing.TB) []string {
	t.Helper()
	var left []string
	for _, dir := range cgroupDirs(d.cgroup) {
		found, _ := filepath.Glob(dir + "/buildkit/*/cgroup.procs")
		left = append(left, found...)
	}
	for _, line := range strings.Split(procFile(t, d.cmd.Process.Pid, "mountinfo"), "\n") {
		if f := strings.Fields(line); len(f) > 4 && (strings.HasPrefix(f[4], "/var/lib/buildkit/") || strings.HasPrefix(f[4], d.dir+"/tmp/")) && !strings.Contains(f[4], "/net/") {
			left = append(left, "mount "+f[4])
		}
	}
	leases, _ := filepath.Glob("/run/bulkhead/leases/*.json")
	for _, file := range leases {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), d.dir+"/") {
			left = append(left, "lease "+file)
		}
	}
	if d.runtime == "bulkhead" {
		list := must(t, run(t, exec.Command("nsenter", "-m", "-t", fmt.Sprint(d.cmd.Process.Pid), "--", bulkheadBin(t), "list", "-q")))
		left = append(left, strings.Fields(list)...)
	}
	return left
}
