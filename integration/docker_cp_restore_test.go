package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestDockerCopyLiveRestore restarts a Docker daemon below running containers. dockerd counts a root as mounted when an overlay
// is what it finds there, so the views are hidden for that moment, as deploy/docker's drop-in for systemd has it.
func TestDockerCopyLiveRestore(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "ip", "iptables", "busybox", "nsenter")
	d := &docker{dockerd: startDockerd(t, map[string]any{"live-restore": true}), runtime: "bulkhead"}
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	d.image(t, "busybox")
	id := d.container(t, "busybox", "sleep", "1000")
	bothWays(t, d, id, "before")
	d.restartBelow(t)
	bothWays(t, d, id, "after")
	equal(t, "mounts of the root: the engine's and the view", d.rootMounts(t), 2)
	d.do(t, "stop", "-t", "0", id)
	noView(t, d, id)
	equal(t, "mounts of the stopped container's root", d.rootMounts(t), 0)
	d.do(t, "start", id)
	bothWays(t, d, id, "again")
	d.do(t, "rm", "-f", id)
	noView(t, d, id)
}

// restartBelow ends the daemon and starts it anew in the namespaces of its containers' shims, with the views hidden meanwhile.
func (d *docker) restartBelow(t *testing.T) {
	t.Helper()
	shim := d.shim(t)
	inside := func(args ...string) *exec.Cmd {
		cmd := exec.Command("nsenter", append([]string{"-m", "-n", "-t", shim, "--wd=" + d.dir, "--"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		return cmd
	}
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-d.exited
	ctl := filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl")
	must(t, run(t, inside(ctl, "views", "hide")))
	if list := must(t, run(t, inside(ctl, "views", "list"))); !strings.Contains(list, "hidden") {
		t.Errorf("the list after hide is %s", list)
	}
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	d.exited = make(chan struct{})
	d.cmd = inside(d.serve...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(d.cmd, d.exited)
	if err := d.ready(); err != nil {
		t.Fatal(err)
	}
	must(t, run(t, inside(ctl, "views", "show")))
	if list := must(t, run(t, inside(ctl, "views", "list"))); !strings.Contains(list, "shown") {
		t.Errorf("the list after show is %s", list)
	}
}

// shim is the process ID of a shim of the daemon's containers.
func (d *docker) shim(t *testing.T) string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		line, _ := os.ReadFile(path)
		if strings.Contains(string(line), "containerd-shim") && strings.Contains(string(line), d.dir+"/") {
			return strings.Split(path, "/")[2]
		}
	}
	t.Fatal("the daemon's containers have no shim")
	return ""
}

// rootMounts are the mounts of containers' roots that the engine's mount namespace has, views included.
func (d *docker) rootMounts(t *testing.T) int {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(table), "/merged ")
}
