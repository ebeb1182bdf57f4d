package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// onEngineOverlay gives the bundle an overlay as its root that is mounted outside of the bundle, as Docker's and podman's
// are: the runtime then covers it with a view.
func (b *bundle) onEngineOverlay(t testing.TB) (root string) {
	t.Helper()
	root = b.dir + "-root"
	for _, dir := range []string{b.dir + "/layer", b.dir + "/layer/upper", b.dir + "/layer/work", root} {
		if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // as engines do
			t.Fatal(err)
		}
	}
	data := fmt.Sprintf("lowerdir=%[1]s/rootfs,upperdir=%[1]s/layer/upper,workdir=%[1]s/layer/work", b.dir)
	if err := syscall.Mount("overlay", root, "overlay", 0, data); err != nil {
		t.Fatalf("mount overlay: %v", err)
	}
	t.Cleanup(func() {
		_ = b.try(t, "delete", "--force", b.id)
		if err := syscall.Unmount(root, 0); err != nil {
			t.Errorf("unmount overlay: %v", err)
		}
	})
	b.editSpec(t, func(s *specs.Spec) { s.Root.Path = root })
	return root
}

func (b *bundle) editSpec(t testing.TB, edit func(*specs.Spec)) {
	t.Helper()
	data, err := os.ReadFile(b.dir + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	var s specs.Spec
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	edit(&s)
	b.writeSpec(t, &s)
}

// TestDockerCopyCrashWalk kills the runtime at each state-changing call of create, run and delete of a container with a
// view. After each crash `delete --force` succeeds, and no process, no mount and no file is left: the engine's own overlay is
// there again and works.
func TestDockerCopyCrashWalk(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for _, w := range walks {
		if w.name != "create" && w.name != "run" && w.name != "delete" {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			command := w.args
			if command == nil {
				command = []string{"sleep", "1000"}
			}
			b := newBundle(t, "bulkhead", args(command...))
			root := b.onEngineOverlay(t)
			w.along(t, b, root)
		})
	}
}

func (w walk) along(t *testing.T, b *bundle, root string) {
	watch := newWatch(t, b)
	for c := (crash{at: 1}); ; c.at++ {
		if w.before != nil {
			w.before(t, b)
		}
		got := c.run(t, watch.command(t, w.command(b)...))
		after := fmt.Sprintf("%s %s", w.name, got)
		if r := b.try(t, "delete", "--force", b.id); r.code != 0 {
			t.Fatalf("after %s: %s", after, r)
		}
		watch.gone(t, after)
		overlayWorks(t, root, after)
		if !got.hit {
			t.Logf("%d calls", c.at-1)
			return
		}
	}
}

// overlayWorks asserts that an overlay is what root shows, and that it can be written.
func overlayWorks(t testing.TB, root, after string) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(root, &st); err != nil || st.Type != 0x794c7630 {
		t.Fatalf("after %s the root is no overlay: type %#x, %v", after, st.Type, err)
	}
	if err := os.WriteFile(root+"/probe", []byte("x"), 0o600); err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
	if err := os.Remove(root + "/probe"); err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
}

// TestDockerCopyLeftView creates a container on a root over which a killed create left a view that nobody removed: its state is gone.
func TestDockerCopyLeftView(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	b := newBundle(t, "bulkhead", args("sleep", "1000"))
	root := b.onEngineOverlay(t)
	must(t, b.create(t))
	for _, pid := range append(viewProcesses(t, b.id), b.pid(t)) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		eventually(t, "its end", func() error {
			if exists(fmt.Sprintf("/proc/%d", pid)) {
				return fmt.Errorf("process %d is still there", pid)
			}
			return nil
		})
	}
	if err := os.RemoveAll(b.state); err != nil {
		t.Fatal(err)
	}
	must(t, b.create(t))
	data, err := os.ReadFile(root + "/etc/passwd")
	if err != nil || !strings.HasPrefix(string(data), "root:") {
		t.Errorf("a file of the new container's root: %q, %v", data, err)
	}
	b.do(t, "delete", "--force", b.id)
	overlayWorks(t, root, "delete")
}
