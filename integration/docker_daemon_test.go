package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// What happens to containers when the daemon ends. Each scenario has a daemon of its own.
var daemonScenarios = []scenario{
	{"daemon/live-restore", false, func(t *testing.T, shared *docker) {
		d := shared.restartable(t, map[string]any{"live-restore": true})
		id := d.container(t, "-p", "127.0.0.1::80", "busybox", "sh", "-c",
			"trap 'echo bye; exit 3' TERM; mkdir /www; echo served >/www/index.html; httpd -p 80 -h /www; echo ready; while :; do sleep 0.1; done")
		d.waitLog(t, id, "ready")
		pid := d.pid(t, id)
		for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			d.end(t, signal)
			if state := processState(fmt.Sprint(pid)); state == "" || state == "Z" {
				t.Fatalf("the container's process is %q after %s", state, signal)
			}
			d.begin(t)
			equal(t, "process after "+signal.String(), d.pid(t, id), pid)
			equal(t, "answer of exec", d.do(t, "exec", id, "cat", "/www/index.html"), "served")
			_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
			equal(t, "page", d.get(t, "http://127.0.0.1:"+port+"/"), "served")
		}
		d.do(t, "stop", "-t", "60", id)
		equal(t, "exit status", d.inspect(t, id, "{{.State.ExitCode}}"), "3")
		equal(t, "log", d.do(t, "logs", id), "ready\nbye")
	}},
	{"daemon/restart", false, func(t *testing.T, shared *docker) {
		d := shared.restartable(t, nil)
		script := "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
		always := d.container(t, "--restart", "always", "busybox", "sh", "-c", script)
		never := d.container(t, "busybox", "sh", "-c", script)
		d.waitLog(t, always, "ready")
		d.waitLog(t, never, "ready")
		d.end(t, syscall.SIGTERM)
		d.begin(t)
		equal(t, "exit status of the one without a policy", d.inspect(t, never, "{{.State.Status}} {{.State.ExitCode}}"), "exited 3")
		eventually(t, "the second start", func() error {
			if log := d.do(t, "logs", always); log != "ready\nbye\nready" {
				return fmt.Errorf("log is %q", log)
			}
			return nil
		})
		d.do(t, "start", never)
		equal(t, "answer of exec", d.do(t, "exec", never, "echo", "fine"), "fine")
	}},
	{"daemon/crash", false, func(t *testing.T, shared *docker) {
		d := shared.restartable(t, nil)
		id := d.container(t, "--restart", "always", "busybox", "sh", "-c", "echo x >>/root/starts; exec sleep 1000")
		eventually(t, "the first start", func() error { return d.command("exec", id, "test", "-s", "/root/starts").Run() })
		d.end(t, syscall.SIGKILL)
		d.begin(t)
		eventually(t, "the second start", func() error {
			out, err := d.command("exec", id, "sh", "-c", "wc -l </root/starts").CombinedOutput()
			if err != nil || trimmed(string(out)) != "2" {
				return fmt.Errorf("starts: %s: %w", out, err)
			}
			return nil
		})
		d.do(t, "rm", "-f", id)
		equal(t, "afterwards", d.run(t, "busybox", "echo", "fine"), "fine")
	}},
}

// A restartable is a Docker whose daemon can end and begin again in the same namespaces, which another process holds.
type restartable struct {
	*docker
	server *exec.Cmd
}

func (d *docker) restartable(t *testing.T, settings map[string]any) *restartable {
	t.Helper()
	setup := d.engine.setup(t)
	own := d.engine.newDockerd(t, settings)
	own.start(t, setup+"\ntouch prepared", "sleep", "infinity")
	r := &restartable{docker: &docker{dockerd: own, runtime: d.runtime}}
	t.Cleanup(func() {
		r.end(t, syscall.SIGTERM)
		if err := own.stop(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the namespaces", func() error {
		_, err := os.Stat(own.dir + "/prepared")
		return err
	})
	r.begin(t)
	r.image(t, "busybox")
	return r
}

// begin starts the daemon, again when its containerd was late, and waits until it answers.
func (r *restartable) begin(t *testing.T) {
	t.Helper()
	var err error
	for range dockerdStarts {
		if err = r.serveOnce(t); !containerdWasLate(err) {
			break
		}
		r.end(t, syscall.SIGKILL)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *restartable) serveOnce(t *testing.T) error {
	t.Helper()
	log, err := os.OpenFile(r.dir+"/log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	server, served := exec.Command("nsenter", append([]string{"-m", "-n", "-t", fmt.Sprint(r.cmd.Process.Pid), "--"}, r.serve...)...), make(chan struct{})
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	r.server, r.served = server, served
	go func() {
		_ = server.Wait()
		close(served)
	}()
	return r.ready()
}

// end sends the daemon a signal and waits for its end.
func (r *restartable) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if r.server == nil {
		return
	}
	if err := r.server.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-r.served
	r.server = nil
	// A containerd that ended with its dockerd may wait to be reaped by process 1, and the next dockerd would take it for alive.
	_ = os.Remove(r.dir + "/run/containerd/containerd.pid")
}
