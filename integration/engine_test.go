package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// An engine is a Docker of one version that the tests can start.
type engine struct {
	// name is part of the tests' names.
	name string
	// suite is the Debian suite whose tree the daemon and its client run in, on this kernel. Empty: this host's own Docker.
	suite string
	// settings are those of daemon.json that only this version gets.
	settings map[string]any
	// program gives the daemon's program, as it is called where the daemon runs.
	program func(t testing.TB) string
}

// hostEngine is this host's Docker: 20.10 on Debian 12.
var hostEngine = &engine{name: "host", settings: overlay2, program: packagedDaemon}

// onOtherEngines runs a test on a daemon of each version of Docker that this host's distribution does not have.
func onOtherEngines(t *testing.T, test func(t *testing.T, d *dockerd)) {
	t.Helper()
	requireRoot(t)
	requireProgram(t, "ip", "nsenter", "busybox", "debootstrap")
	for _, e := range otherEngines {
		t.Run(e.name, func(t *testing.T) {
			d := e.startDockerd(t, nil)
			t.Cleanup(func() {
				if err := d.close(); err != nil {
					t.Error(err)
				}
			})
			test(t, d)
		})
	}
}

// otherEngines are versions of Docker that this host's distribution does not have.
var otherEngines = []*engine{
	{name: "28.5", suite: "sid", settings: overlay2, program: packagedDaemon},
	// Its images are containerd's, as in a new installation.
	{name: "29", suite: "sid", program: mobyDaemon},
}

var overlay2 = map[string]any{"storage-driver": "overlay2"}

func packagedDaemon(testing.TB) string { return "dockerd" }

// setup are the shell commands that prepare the mount namespace of a daemon, in the daemon's directory.
func (e *engine) setup(t testing.TB) string {
	t.Helper()
	if e.suite == "" {
		return dockerSetup
	}
	return fmt.Sprintf(treeSetup, engineTree(t, e.suite), testCache(t), filepath.Dir(bulkheadBin(t))) + dockerSetup
}

// treeSetup makes a tree the root of the daemon's mount namespace. What the daemon writes to it goes to an overlay that
// ends with it. /tmp, the images and the runtime under test have the same paths inside and outside, and so do /proc, /sys
// and /dev. pivot_root(2) and not chroot(2): a runtime has to change the propagation of the root mount.
const treeSetup = `
tree=%q cache=%q bin=%q dir=$PWD
mkdir -p tree upper work /run/bulkhead
mount -t overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" overlay tree
for d in proc sys dev; do mount --rbind "/$d" "tree/$d"; done
for d in /tmp "$cache" "$bin" /run/bulkhead; do mkdir -p "tree/$d"; mount --bind "$d" "tree/$d"; done
cd tree
pivot_root . mnt
umount -l /mnt
cd "$dir"
`

// inside is a command where the daemon runs, for what belongs to its version: the client, and what reads its files.
func (d *dockerd) inside(name string, args ...string) *exec.Cmd {
	if d.engine.suite == "" {
		return exec.Command(name, args...)
	}
	return exec.Command("nsenter", append([]string{"-m", "-t", fmt.Sprint(d.cmd.Process.Pid), "--", name}, args...)...)
}

// mobyModule is the module of the Docker 29 line, and mobyVersion the version that is built.
const mobyModule, mobyVersion = "github.com/moby/moby/v2", "v2.0.0-beta.24"

// mobyDaemon builds dockerd of the 29 line from its Go module, once, and gives its path.
func mobyDaemon(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(testCache(t), "moby-"+mobyVersion)
	lock := lockFile(t, dir+".lock")
	defer lock.Close()
	if _, err := os.Stat(dir + "/dockerd"); err == nil {
		return dir + "/dockerd"
	}
	const script = `set -eu; cd "$1"; printf 'module build\n' >go.mod; mkdir -p "$4"
go get "$2/cmd/dockerd@$3"
go build -trimpath -tags exclude_graphdriver_btrfs -ldflags "-X $2/dockerversion.Version=29-$3" -o "$4/new" "$2/cmd/dockerd"
mv "$4/new" "$4/dockerd"`
	cmd := exec.Command("sh", "-c", script, "sh", t.TempDir(), mobyModule, mobyVersion, dir)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "CGO_ENABLED=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build dockerd %s: %v\n%s", mobyVersion, err, out[max(0, len(out)-4000):])
	}
	return dir + "/dockerd"
}
