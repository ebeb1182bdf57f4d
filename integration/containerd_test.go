package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A containerd is a containerd of our own with the image busybox.
type containerd struct{ *daemon }

func startContainerd(t testing.TB) *containerd {
	t.Helper()
	d := &containerd{newDaemonDir(t)}
	config := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n"+
		"[grpc]\naddress = %q\n[ttrpc]\naddress = %q\n", d.dir+"/root", d.dir+"/state", d.dir+"/c.sock", d.dir+"/c.sock.ttrpc")
	if err := os.WriteFile(d.dir+"/config.toml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// Shims keep their sockets in /run/containerd whatever the configuration says.
	setup := "mkdir -p leases /run/bulkhead; mount --bind /run/bulkhead leases; mount -t tmpfs -o mode=755 tmpfs /run\n" +
		"mkdir /run/bulkhead; mount --move leases /run/bulkhead"
	d.start(t, setup, "containerd", "--config", d.dir+"/config.toml")
	err := d.untilReady("containerd", func() error {
		out, err := d.ctr("version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ctr version: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		_ = d.stop()
		t.Fatalf("start containerd: %v", err)
	}
	t.Cleanup(func() {
		if err := d.stop(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// ctr is containerd's client, in the daemon's namespaces, for it makes the bundle's mounts and pipes itself.
func (d *containerd) ctr(args ...string) *exec.Cmd {
	pid := fmt.Sprint(d.cmd.Process.Pid)
	return exec.Command("nsenter", append([]string{"-m", "-n", "-t", pid, "--", "ctr", "--address", d.dir + "/c.sock"}, args...)...)
}

// run is `ctr run` of busybox with a runtime.
func (d *containerd) run(path, id string, options []string, command ...string) *exec.Cmd {
	args := []string{"run", "--runtime", "io.containerd.runc.v2", "--runc-binary", path, "--cgroup", d.cgroup + "/" + id}
	args = append(append(args, options...), "docker.io/library/busybox:1", id)
	return d.ctr(append(args, command...)...)
}

// TestContainerd runs containers with containerd's own client.
func TestContainerd(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "containerd", "ctr", "nsenter", "ip")
	d := startContainerd(t)
	must(t, run(t, d.ctr("images", "import", "--base-name", "busybox", ociArchive(t))))
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			path := runtimePath(t, name)
			r := run(t, d.run(path, "c1", []string{"--rm"}, "sh", "-c", "echo out; echo err >&2; exit 7"))
			equal(t, "exit status", r.code, 7)
			equal(t, "stdout", r.stdout, "out\n")
			equal(t, "stderr", r.stderr, "err\n")
			d.background(t, name, path)
			for _, c := range []struct{ option, rule string }{
				{"--net-host", "rule namespaces"}, {"--mount=type=bind,src=/,dst=/host,options=rbind:rw", "rule mounts"},
			} {
				if name == "bulkhead" {
					refused(t, run(t, d.run(path, "c3", []string{"--rm", c.option}, "true")), c.rule)
				}
			}
		})
	}
}

// background walks through the life of a detached container.
func (d *containerd) background(t *testing.T, name, path string) {
	options := []string{"-d"}
	if name == "bulkhead" { // stock runc needs rights for it that not every test machine has
		options = append(options, "--privileged")
	}
	must(t, run(t, d.run(path, "c2", options, "sleep", "1000")))
	t.Cleanup(func() {
		_ = d.ctr("tasks", "rm", "-f", "c2").Run()
		must(t, run(t, d.ctr("containers", "rm", "c2")))
	})
	list := must(t, run(t, d.ctr("tasks", "ls")))
	var pid int
	for _, line := range strings.Split(list, "\n") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "c2" && f[2] == "RUNNING" {
			_, _ = fmt.Sscan(f[1], &pid)
		}
	}
	if pid == 0 {
		t.Fatalf("no running task: %s", list)
	}
	r := run(t, d.ctr("tasks", "exec", "--exec-id", "e1", "c2", "sh", "-c", "cat /proc/self/status; exit 5"))
	equal(t, "exit status of exec", r.code, 5)
	if name == "bulkhead" {
		checkHardened(t, pid)
		checkConfined(t, "ctr tasks exec", parseStatus(r.stdout))
	}
	must(t, run(t, d.ctr("tasks", "pause", "c2")))
	must(t, run(t, d.ctr("tasks", "resume", "c2")))
	must(t, run(t, d.ctr("tasks", "kill", "-s", "KILL", "c2")))
	eventually(t, "the end of the task", func() error {
		if list := must(t, run(t, d.ctr("tasks", "ls"))); !strings.Contains(list, "STOPPED") {
			return fmt.Errorf("tasks: %s", list)
		}
		return nil
	})
	must(t, run(t, d.ctr("tasks", "rm", "c2")))
}
