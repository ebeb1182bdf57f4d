package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stateDir is the runtime's own directory on this host (bulkhead.json(5), stateDir).
const stateDir = "/run/bulkhead"

// A watch sees what a container leaves on the host: it compares the host now with the host when the watch began.
type watch struct {
	b      *bundle
	mounts map[string]bool
	files  []string
	// marker is a cgroup of the second version that the watched commands run in. Whatever they start is born in it.
	marker *os.File
}

// newWatch begins to watch a bundle whose container does not exist.
func newWatch(t testing.TB, b *bundle) *watch {
	t.Helper()
	root := "/sys/fs/cgroup/unified"
	if unified() {
		root = "/sys/fs/cgroup"
	}
	path := filepath.Join(root, "bhwatch-"+b.id)
	if err := os.Mkdir(path, 0o755); err != nil { //nolint:gosec // a cgroup
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "an empty cgroup "+path, func() error { return syscall.Rmdir(path) })
	})
	marker, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = marker.Close() })
	return &watch{b: b, mounts: hostMounts(t), files: b.files(t), marker: marker}
}

// command is a command of the runtime, watched, with its output in the bundle's files stdout and stderr.
func (w *watch) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := w.b.command(args...)
	stdout, stderr := w.b.outputFile(t, "stdout"), w.b.outputFile(t, "stderr")
	t.Cleanup(func() { _, _ = stdout.Close(), stderr.Close() })
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(w.marker.Fd())}
	return cmd
}

// gone fails the test unless nothing of the container is left. It waits a little: a killed create's children end when
// they notice it, and other tests on this host mount things.
func (w *watch) gone(t testing.TB, after string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if left = w.left(t); len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			break
		}
	}
	t.Fatalf("after %s and delete --force there are left:\n%s", after, strings.Join(left, "\n"))
}

func (w *watch) left(t testing.TB) []string {
	t.Helper()
	left := slices.Concat(w.processes(t), w.leases(t), w.state(t))
	for m := range hostMounts(t) {
		// Others mount things on this host, too. All that the runtime mounts lies below one of these.
		if !w.mounts[m] && (strings.Contains(m, w.b.dir) || strings.Contains(m, "bulkhead")) {
			left = append(left, "mount "+m)
		}
	}
	for _, dir := range cgroupDirs(rawCgroup() + "/" + w.b.id) {
		left = append(left, "cgroup "+dir)
	}
	for _, f := range w.b.files(t) {
		if !slices.Contains(w.files, f) {
			left = append(left, "file "+f)
		}
	}
	return left
}

// processes are those that the watched commands started and that nobody has ended.
func (w *watch) processes(t testing.TB) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(w.marker.Name(), "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, pid := range strings.Fields(string(data)) {
		line, _ := os.ReadFile("/proc/" + pid + "/cmdline")
		left = append(left, fmt.Sprintf("process %s %q", pid, line))
	}
	return left
}

// leases are the container's holders in the table of ID ranges.
func (w *watch) leases(t testing.TB) []string {
	t.Helper()
	var left []string
	files, err := filepath.Glob(stateDir + "/leases/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(data), `"`+w.b.state+`"`) && strings.Contains(string(data), `"`+w.b.id+`"`) {
			left = append(left, "lease "+f)
		}
	}
	sum := sha256.Sum256([]byte(w.b.state + "\x00" + w.b.id))
	if link := stateDir + "/leases/holders/" + hex.EncodeToString(sum[:]); exists(link) {
		left = append(left, "holder "+link)
	}
	return left
}

// state is what stays below --root, and what does not belong into the runtime's own directory.
func (w *watch) state(t testing.TB) []string {
	t.Helper()
	var left []string
	for _, name := range dirNames(t, w.b.state) {
		left = append(left, "state "+filepath.Join(w.b.state, name))
	}
	known := []string{"containers", "leases", "stage", "refusals.log", "refusals.log.1", "recorders", "overlays"}
	for _, name := range dirNames(t, stateDir) {
		if !slices.Contains(known, name) {
			left = append(left, "file "+filepath.Join(stateDir, name))
		}
	}
	for _, name := range dirNames(t, stateDir+"/overlays") {
		left = append(left, "file "+filepath.Join(stateDir, "overlays", name))
	}
	for _, name := range dirNames(t, stateDir+"/stage") {
		if name != "rootfs" || len(dirNames(t, stateDir+"/stage/rootfs")) > 0 {
			left = append(left, "file "+filepath.Join(stateDir, "stage", name))
		}
	}
	return left
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// dirNames are the names in a directory; none when it is not there.
func dirNames(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// files lists the bundle's files but those of the root and its layers, which the container writes. What an engine
// itself passes for output does not count.
func (b *bundle) files(t testing.TB) []string {
	t.Helper()
	own := []string{"rootfs", "lower", "state", "stdout", "stderr", "pid", "exec-pid"}
	var list []string
	for _, name := range dirNames(t, b.dir) {
		if !slices.Contains(own, name) {
			list = append(list, name)
		}
	}
	for _, name := range dirNames(t, b.dir+"/layer") {
		list = append(list, "layer/"+name)
	}
	return list
}

// hostMounts are the lines of mountinfo without the IDs and optional fields.
func hostMounts(t testing.TB) map[string]bool {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mounts := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		f := strings.Fields(line)
		mounts[strings.Join(append(f[2:6], f[len(f)-3:]...), " ")] = true
	}
	return mounts
}

// onOverlay gives the bundle an overlay as its root, as engines do: a work directory of the runtime's own is then made
// beside the upper directory.
func (b *bundle) onOverlay(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"/layer", "/layer/upper", "/layer/work"} {
		if err := os.Mkdir(b.dir+dir, 0o755); err != nil { //nolint:gosec // as engines do
			t.Fatal(err)
		}
	}
	if err := os.Rename(b.dir+"/rootfs", b.dir+"/lower"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.dir+"/rootfs", 0o755); err != nil { //nolint:gosec // as engines do
		t.Fatal(err)
	}
	data := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/layer/upper,workdir=%[1]s/layer/work", b.dir)
	if err := syscall.Mount("overlay", b.dir+"/rootfs", "overlay", 0, data); err != nil {
		t.Fatalf("mount overlay: %v", err)
	}
	t.Cleanup(func() {
		_ = b.try(t, "delete", "--force", b.id)
		if err := syscall.Unmount(b.dir+"/rootfs", 0); err != nil {
			t.Errorf("unmount overlay: %v", err)
		}
	})
}
