package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A bundle is a container that a test drives by hand, as an engine would.
type bundle struct {
	// dir has config.json and rootfs; the container's standard output and error go to files in it.
	dir string
	id  string
	// program is the runtime, state its --root.
	program, state string
}

var bundleNumber atomic.Int64

// rawCgroup is the parent of the cgroups of all bundles of this run.
var rawCgroup = sync.OnceValue(func() string {
	path := fmt.Sprintf("/bhraw-%d", os.Getpid())
	atEnd(func() error { return removeCgroup(path) })
	return path
})

// newBundle makes a bundle with busybox as its root and a spec like an engine's, which edits may change. Whatever the
// test leaves of the container is removed when it ends.
func newBundle(t testing.TB, runtime string, edits ...func(*specs.Spec)) *bundle {
	t.Helper()
	requireRoot(t)
	dir := t.TempDir()
	b := &bundle{dir: dir, id: fmt.Sprintf("bh-%d-%d", os.Getpid(), bundleNumber.Add(1)), program: runtimePath(t, runtime), state: dir + "/state"}
	if err := os.Mkdir(dir+"/rootfs", 0o755); err != nil { //nolint:gosec // the root of a container
		t.Fatal(err)
	}
	must(t, run(t, exec.Command("tar", "-xf", imageTar(t, "busybox"), "-C", dir+"/rootfs", "--numeric-owner")))
	spec := engineSpec(filepath.Join(rawCgroup(), b.id))
	for _, edit := range edits {
		edit(spec)
	}
	b.writeSpec(t, spec)
	t.Cleanup(func() {
		if r := run(t, b.command("delete", "--force", b.id)); r.code != 0 {
			t.Errorf("clean up: %s", r)
		}
	})
	return b
}

func (b *bundle) writeSpec(t testing.TB, spec *specs.Spec) {
	t.Helper()
	data, err := json.Marshal(spec)
	if err == nil {
		err = os.WriteFile(b.dir+"/config.json", data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// command is the runtime with its state below the bundle, run in the bundle as engines do.
func (b *bundle) command(args ...string) *exec.Cmd {
	cmd := exec.Command(b.program, append([]string{"--root", b.state}, args...)...)
	cmd.Dir = b.dir
	return cmd
}

// try runs a command of the runtime to its end.
func (b *bundle) try(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, b.command(args...))
}

// do runs a command of the runtime that must succeed.
func (b *bundle) do(t testing.TB, args ...string) string {
	t.Helper()
	return must(t, b.try(t, args...))
}

// create creates the container. Its standard output and error are files, for the container's process keeps them open.
func (b *bundle) create(t testing.TB, options ...string) result {
	t.Helper()
	return b.withFiles(t, append(append([]string{"create", "--bundle", b.dir, "--pid-file", b.dir + "/pid"}, options...), b.id)...)
}

// withFiles runs a command of the runtime with its output in the bundle's files stdout and stderr.
func (b *bundle) withFiles(t testing.TB, args ...string) result {
	t.Helper()
	cmd := b.command(args...)
	stdout, stderr := b.outputFile(t, "stdout"), b.outputFile(t, "stderr")
	defer stdout.Close()
	defer stderr.Close()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	r := result{args: cmd.Args, stdout: b.output(t, "stdout"), stderr: b.output(t, "stderr"), code: cmd.ProcessState.ExitCode()}
	if err != nil && r.code <= 0 {
		t.Fatalf("run %s: %v", r, err)
	}
	return r
}

func (b *bundle) outputFile(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(b.dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// output is what the container has written so far.
func (b *bundle) output(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// running creates and starts the container and gives its process.
func (b *bundle) running(t testing.TB) int {
	t.Helper()
	must(t, b.create(t))
	b.do(t, "start", b.id)
	return b.pid(t)
}

// pid is what the pid file says. It has digits only: go-runc, which containerd uses, takes nothing else.
func (b *bundle) pid(t testing.TB) int {
	t.Helper()
	pid, err := strconv.Atoi(b.output(t, "pid"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// status is the status that `state` tells.
func (b *bundle) status(t testing.TB) string {
	t.Helper()
	var s specs.State
	if err := json.Unmarshal([]byte(b.do(t, "state", b.id)), &s); err != nil {
		t.Fatal(err)
	}
	return string(s.Status)
}

// waitStatus waits until `state` tells a status.
func (b *bundle) waitStatus(t testing.TB, want string) {
	t.Helper()
	eventually(t, "status "+want, func() error {
		if got := b.status(t); got != want {
			return fmt.Errorf("is %q", got)
		}
		return nil
	})
}

// engineSpec is like what Docker writes for `docker run busybox sleep 1000`, without a network.
func engineSpec(cgroup string) *specs.Spec {
	caps := strings.Fields("CAP_AUDIT_WRITE CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID CAP_KILL CAP_MKNOD CAP_NET_BIND_SERVICE " +
		"CAP_NET_RAW CAP_SETFCAP CAP_SETGID CAP_SETPCAP CAP_SETUID CAP_SYS_CHROOT")
	mount := func(at, kind, source string, options ...string) specs.Mount {
		return specs.Mount{Destination: at, Type: kind, Source: source, Options: options}
	}
	return &specs.Spec{
		Version: "1.0.2", Hostname: "bundle", Root: &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"sleep", "1000"}, Env: []string{"PATH=/bin", "HOME=/root"}, Cwd: "/",
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}},
		Mounts: []specs.Mount{
			mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
			mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
			mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
			mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
			mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
			mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864"),
		},
		Linux: &specs.Linux{
			CgroupsPath: cgroup,
			Resources:   &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
			Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}},
			MaskedPaths:   []string{"/proc/kcore", "/proc/timer_list", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// args has the container run a command.
func args(command ...string) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.Args = command }
}
