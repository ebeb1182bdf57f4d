package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// run is `ctr run` of busybox with a runtime.
func (d *containerd) run(path, id string, options []string, command ...string) *exec.Cmd {
	args := []string{"run", "--runtime", "io.containerd.runc.v2", "--runc-binary", path}
	if systemdCgroups() {
		args = append(args, "--runc-systemd-cgroup", "--cgroup", "bhctr.slice:bh:"+id)
	} else {
		args = append(args, "--cgroup", d.cgroup+"/"+id)
	}
	args = append(append(args, options...), "docker.io/library/busybox:1", id)
	return d.ctr(append(args, command...)...)
}

// TestContainerd runs containers with containerd's own client, under each line of containerd and each runtime.
func TestContainerd(t *testing.T) {
	requireRoot(t)
	for _, line := range containerdLines(t) {
		t.Run(line.name, func(t *testing.T) {
			d := containerdOf(t, line)
			for _, name := range runtimes() {
				t.Run(name, func(t *testing.T) {
					path := runtimePath(t, name)
					t.Run("run", func(t *testing.T) { d.foreground(t, path) })
					t.Run("life of a detached container", func(t *testing.T) { d.background(t, name, path) })
					if name == "bulkhead" {
						t.Run("refusals", func(t *testing.T) { d.refusals(t, path) })
					}
				})
			}
		})
	}
}

// foreground keeps the streams apart and passes the exit status on.
func (d *containerd) foreground(t *testing.T, path string) {
	r := run(t, d.run(path, "c1", []string{"--rm"}, "sh", "-c", "echo out; echo err >&2; exit 7"))
	equal(t, "exit status", r.code, 7)
	equal(t, "stdout", r.stdout, "out\n")
	equal(t, "stderr", r.stderr, "err\n")
}

// refusals reach the user of containerd's client.
func (d *containerd) refusals(t *testing.T, path string) {
	for _, c := range []struct{ option, rule string }{
		{"--net-host", "rule namespaces"}, {"--mount=type=bind,src=/,dst=/host,options=rbind:rw", "rule mounts"},
	} {
		refused(t, run(t, d.run(path, "c3", []string{"--rm", c.option}, "true")), c.rule)
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
