package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// What users do with a container that runs in the background.
var interactScenarios = []scenario{
	{"attach/terminal", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-it", "busybox", "sh")
		out := typeInto(t, d.command("attach", id), "stty size; echo answer $((40+2)); exit 0\r", 31, 71)
		if !strings.Contains(out, "answer 42") {
			t.Errorf("terminal shows %q, want the shell's answer in it", out)
		}
		equal(t, "exit status", d.do(t, "wait", id), "0")
	}},
	{"attach/pipes", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-i", "busybox", "sh", "-c", "read word; echo got $word; echo to stderr >&2; exit 6")
		// Docker stops showing output when its standard input ends: the pipe stays open.
		read, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer read.Close()
		defer write.Close()
		if _, err := write.WriteString("hello\n"); err != nil {
			t.Fatal(err)
		}
		cmd := d.command("attach", id)
		cmd.Stdin = read
		r := run(t, cmd)
		equal(t, "exit status", r.code, 6)
		equal(t, "stdout", r.stdout, "got hello\n")
		equal(t, "stderr", r.stderr, "to stderr\n")
	}},
	{"logs/follow", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "echo first; until test -e /tmp/go; do sleep 0.1; done; echo second; echo third >&2")
		d.waitLog(t, id, "first")
		follow := d.command("logs", "-f", id)
		done := make(chan result)
		go func() { done <- run(t, follow) }()
		d.do(t, "exec", id, "touch", "/tmp/go")
		r := <-done
		equal(t, "stdout", r.stdout, "first\nsecond\n")
		equal(t, "stderr", r.stderr, "third\n")
		tail := d.try(t, "logs", "--tail", "2", id)
		equal(t, "number of the last two lines", strings.Count(tail.stdout+tail.stderr, "\n"), 2)
	}},
	{"files/export", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "echo x >/root/new; chown 1000:2000 /root/new; rm /etc/group")
		d.do(t, "wait", id)
		list := exec.Command("tar", "-tv", "--numeric-owner")
		list.Stdin = strings.NewReader(d.try(t, "export", id).stdout)
		owners := map[string]string{}
		for _, line := range strings.Split(must(t, run(t, list)), "\n") {
			if f := strings.Fields(line); len(f) > 5 {
				owners[f[5]] = f[1]
			}
		}
		equal(t, "owner of a new file", owners["root/new"], "1000/2000")
		equal(t, "owner of root's file", owners["etc/passwd"], "0/0")
		equal(t, "owner of the user's directory", owners["home/app/"], "1000/1000")
		equal(t, "owner of what was removed", owners["etc/group"], "")
	}},
	{"files/secret-and-config", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		out := d.run(t, "-u", "app", "--mount", "type=bind,src="+dir+"/file,dst=/run/secrets/token,readonly",
			"--mount", "type=bind,src="+dir+"/file,dst=/etc/app/app.conf,readonly", "busybox", "sh", "-c",
			"cat /run/secrets/token /etc/app/app.conf; echo x 2>/dev/null >/run/secrets/token || echo refused")
		equal(t, "what a user sees", out, "from the host\nfrom the host\nrefused")
	}},
}
