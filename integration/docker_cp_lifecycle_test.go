package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// viewProcesses are the processes that answer for a container's view.
func viewProcesses(t testing.TB, id string) []int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, path := range lines {
		line, _ := os.ReadFile(path)
		if bytes.HasPrefix(line, []byte("bulkhead-view\x00")) && bytes.Contains(line, []byte(id)) {
			pid, _ := strconv.Atoi(strings.Split(path, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

// viewMounts are the views that the engine's mount namespace has.
func (d *dockerd) viewMounts(t testing.TB) string {
	t.Helper()
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, l := range strings.Split(string(table), "\n") {
		if strings.Contains(l, "fuse.bulkhead") {
			found = append(found, l)
		}
	}
	return strings.Join(found, "\n")
}

// noView asserts that nothing of a container's view is left.
func noView(t testing.TB, d *docker, id string) {
	t.Helper()
	eventually(t, "an end of the view", func() error {
		if pids := viewProcesses(t, id); len(pids) > 0 {
			return fmt.Errorf("processes %v answer", pids)
		}
		return nil
	})
	equal(t, "views mounted", d.viewMounts(t), "")
}

// catOut is the content of a file in a container as docker cp gives it, or what it says.
func (d *docker) catOut(t testing.TB, id, path string) string {
	t.Helper()
	cmd := exec.Command("tar", "-xO")
	r := d.try(t, "cp", id+":"+path, "-")
	if r.code != 0 {
		return r.stderr
	}
	cmd.Stdin = strings.NewReader(r.stdout)
	return must(t, run(t, cmd))
}

// putIn puts a file with a content into a container.
func (d *docker) putIn(t testing.TB, id, path, content string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return d.try(t, "cp", file, id+":"+path)
}

// bothWays asserts that both sides see at once what the other writes, also where they looked before.
func bothWays(t testing.TB, d *docker, id, word string) {
	t.Helper()
	f := "/root/" + word
	if out := d.catOut(t, id, f); !strings.Contains(out, "No such container:path") && !strings.Contains(out, "Could not find the file") {
		t.Errorf("copy of a file that is not there: %s", out)
	}
	refused(t, d.try(t, "exec", id, "cat", f), "No such file")
	d.do(t, "exec", id, "sh", "-c", "echo "+word+" inside >"+f)
	equal(t, "content outside", d.catOut(t, id, f), word+" inside")
	must(t, d.putIn(t, id, f, word+" outside\n"))
	equal(t, "content inside", d.do(t, "exec", id, "cat", f), word+" outside")
	d.do(t, "exec", id, "rm", f)
	refused(t, d.try(t, "cp", id+":"+f, "-"))
}

// viewScenarios are lives of containers that are copied to and from. Marked ones are about bulkhead's own processes.
var viewScenarios = []scenario{
	{"life", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		bothWays(t, d, id, "running")
		d.do(t, "pause", id)
		equal(t, "content while paused", strings.HasPrefix(d.catOut(t, id, "/etc/passwd"), "root:"), true)
		d.do(t, "unpause", id)
		d.do(t, "restart", "-t", "0", id)
		bothWays(t, d, id, "restarted")
		d.do(t, "stop", "-t", "0", id)
		must(t, d.putIn(t, id, "/root/stopped", "while stopped\n"))
		equal(t, "content of the stopped container", d.catOut(t, id, "/root/stopped"), "while stopped")
		d.do(t, "start", id)
		equal(t, "content inside", d.do(t, "exec", id, "cat", "/root/stopped"), "while stopped")
		bothWays(t, d, id, "started")
		d.do(t, "exec", id, "sh", "-c", "echo new:x:77:78::/:/bin/sh >>/etc/passwd; echo new:x:78: >>/etc/group")
		equal(t, "a user that the container made", d.do(t, "exec", "--user", "new", id, "id", "-u"), "77")
		d.do(t, "rm", "-f", id)
		if d.runtime == "bulkhead" {
			noView(t, d, id)
		}
	}},
	{"export", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "mkdir /made; echo x >/made/f; chown -R 5:6 /made; rm /etc/group; sleep 1000")
		eventually(t, "the changes", func() error { return d.command("exec", id, "test", "!", "-e", "/etc/group").Run() })
		out := d.try(t, "export", id).stdout
		list := listTar(t, out)
		for _, want := range []string{"made/|5|755|5:6", "made/f|0|644|5:6"} {
			if !strings.Contains(list, want) {
				t.Errorf("the export lacks %q", want)
			}
		}
		equal(t, "a removed file in the export", strings.Contains(list, "etc/group|"), false)
	}},
	{"volumes", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		id := d.container(t, "-v", "/data", "-v", dir+":/mnt", "-v", dir+"/file:/etc/one.conf", "busybox", "sleep", "1000")
		equal(t, "a file that is a volume", d.catOut(t, id, "/etc/one.conf"), "from the host")
		must(t, d.putIn(t, id, "/mnt/new", "new\n"))
		equal(t, "in the volume", d.do(t, "exec", id, "cat", "/mnt/new"), "new")
		must(t, d.putIn(t, id, "/data/new", "new\n"))
		equal(t, "in the anonymous volume", d.do(t, "exec", id, "cat", "/data/new"), "new")
		bothWays(t, d, id, "beside")
	}},
	{"devices are refused", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		refused(t, d.try(t, "cp", "/dev/null", id+":/root/null"), "operation not permitted")
		refused(t, d.try(t, "exec", id, "ls", "/root/null"))
	}},
	{"a killed server", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		bothWays(t, d, id, "before")
		pids := viewProcesses(t, id)
		equal(t, "servers", len(pids), 1)
		if err := syscall.Kill(pids[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "its end", func() error {
			if len(viewProcesses(t, id)) > 0 {
				return fmt.Errorf("it is still there")
			}
			return nil
		})
		refused(t, d.try(t, "cp", id+":/etc/passwd", "-"), "transport endpoint is not connected")
		refused(t, d.putIn(t, id, "/root/x", "x"), "transport endpoint is not connected")
		equal(t, "the container", d.do(t, "exec", id, "echo", "fine"), "fine")
		bothWays(t, d, id, "after") // the exec has made a new one
		d.do(t, "rm", "-f", id)
		noView(t, d, id)
	}},
	{"a removal with a killed server", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		for _, pid := range viewProcesses(t, id) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		d.do(t, "rm", "-f", id)
		noView(t, d, id)
	}},
	{"a hanging server", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		for _, pid := range viewProcesses(t, id) {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
		d.do(t, "rm", "-f", id)
		noView(t, d, id)
	}},
}

// TestDockerCopyLife follows containers through their lives and copies in and out on the way.
func TestDockerCopyLife(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "ip", "iptables", "busybox")
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) { dockerWith(t, runtime).viewLives(t) })
	}
}

func (d *docker) viewLives(t *testing.T) {
	d.image(t, "busybox")
	for _, s := range viewScenarios {
		if !s.hardened || d.runtime == "bulkhead" {
			t.Run(s.name, func(t *testing.T) { s.run(t, d) })
		}
	}
}

// TestDockerCopyEngines has the same lives, and some of the random operations, on other versions of Docker.
func TestDockerCopyEngines(t *testing.T) {
	onOtherEngines(t, func(t *testing.T, d *dockerd) {
		for _, runtime := range runtimes() {
			t.Run(runtime, func(t *testing.T) { (&docker{dockerd: d, runtime: runtime}).viewLives(t) })
		}
		t.Run("random", func(t *testing.T) { copyRandom(t, d, 7, copyRounds/3) })
	})
}
