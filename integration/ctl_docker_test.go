package integration

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// An operator adds the runtime to a running daemon, uses it, looks at what it did, and takes it away again.
func TestCtlInstallDocker(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "containerd", "busybox")
	d := startDockerd(t, map[string]any{"runtimes": map[string]any{}})
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	path := d.dir + "/daemon.json"
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image := d.image(t, "busybox")
	refused(t, d.try(t, "run", "--rm", "--runtime=bulkhead", image, "true"), "bulkhead")

	install := []string{"install", "docker", "--config", path, "--binary", bulkheadBin(t), "--default"}
	if out := must(t, run(t, ctl(t, install...))); !strings.Contains(out, "systemctl reload docker") {
		t.Errorf("install says\n%s", out)
	}
	if out := must(t, run(t, ctl(t, install...))); out != path+" is as it should be already." {
		t.Errorf("the second install says\n%s", out)
	}
	d.reload(t, "bulkhead")
	mapping := strings.Fields(d.do(t, "run", "--rm", image, "cat", "/proc/self/uid_map"))
	if len(mapping) != 3 || mapping[0] != "0" || mapping[1] == "0" {
		t.Errorf("mapping is %v", mapping)
	}
	id := d.do(t, "run", "-d", image, "sleep", "1000")
	if out := must(t, run(t, ctl(t, "explain", id[:12]))); !strings.Contains(out, "container  "+id+" (running)") {
		t.Errorf("explain says\n%s", out)
	}
	d.do(t, "rm", "-f", id)

	if out := must(t, run(t, ctl(t, "uninstall", "docker", "--config", path))); !strings.Contains(out, "is what it was before") || !strings.Contains(out, "systemctl restart docker") {
		t.Errorf("uninstall says\n%s", out)
	}
	after, err := os.ReadFile(path)
	if err != nil || string(after) != string(before) {
		t.Errorf("%s came back as %s: %v", before, after, err)
	}
	// No reload here: uninstall asks for a restart, because this daemon would crash (see undoneNext in cmd/bulkheadctl).
}

// reload has the daemon read its configuration again, and waits until its default runtime is the expected one.
func (d *dockerd) reload(t testing.TB, byDefault string) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the daemon's new configuration", func() error {
		if err := d.alive(); err != nil {
			t.Fatal(err)
		}
		r := d.try(t, "info", "--format", "{{.DefaultRuntime}}")
		if got := strings.TrimSpace(r.stdout); got != byDefault {
			return fmt.Errorf("the default runtime is %q, want %q: %s", got, byDefault, r.stderr)
		}
		return nil
	})
}
