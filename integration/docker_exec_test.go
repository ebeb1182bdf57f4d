package integration

import (
	"strings"
	"testing"
)

var execScenarios = []scenario{
	{"exec/output-and-status", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		r := d.try(t, "exec", id, "sh", "-c", "echo out; echo err >&2; exit 9")
		equal(t, "exit status", r.code, 9)
		equal(t, "stdout", r.stdout, "out\n")
		equal(t, "stderr", r.stderr, "err\n")
		// Docker says 127 from version 23 on.
		if code := d.try(t, "exec", id, "nothing-of-the-kind").code; code != 126 && code != 127 {
			t.Errorf("exit status of no program is %d, want 126 or 127", code)
		}
		equal(t, "exit status of a file", d.try(t, "exec", id, "/etc/passwd").code, 126)
	}},
	{"exec/stdin", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		cmd := d.command("exec", "-i", id, "wc", "-c")
		cmd.Stdin = strings.NewReader(strings.Repeat("x", 200000))
		equal(t, "bytes read", must(t, run(t, cmd)), "200000")
	}},
	{"exec/environment", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-e", "A=of the container", "busybox", "sleep", "1000")
		equal(t, "environment", d.do(t, "exec", "-e", "B=of exec", "-w", "/data", id, "sh", "-c", "echo $A, $B, $PWD"),
			"of the container, of exec, /data")
		equal(t, "user", d.do(t, "exec", "-u", "app", id, "sh", "-c", "echo $(id -u):$(id -g) $(id -G)"), "1000:1000 1000 2000")
		equal(t, "user by number", d.do(t, "exec", "-u", "4000:5000", id, "sh", "-c", "echo $(id -u):$(id -g)"), "4000:5000")
	}},
	{"exec/terminal", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		cmd := d.command("exec", "-it", id, "sh", "-c", `tty
until stty size 2>/dev/null | grep "44 99"; do sleep 0.1; done; echo typed: $(head -1)`)
		out := typeInto(t, cmd, "hello\r", 44, 99)
		for _, want := range []string{"/dev/pts/", "44 99", "typed: hello"} {
			if !strings.Contains(out, want) {
				t.Errorf("terminal shows %q, want %q in it", out, want)
			}
		}
	}},
	{"exec/detached", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		d.do(t, "exec", "-d", id, "sh", "-c", "echo done >/tmp/mark")
		eventually(t, "the detached process", func() error {
			return d.command("exec", id, "grep", "done", "/tmp/mark").Run()
		})
	}},
	{"exec/same-container", false, func(t *testing.T, d *docker) {
		id := d.container(t, "--hostname", "web1", "busybox", "sleep", "1000")
		script := "for n in user pid mnt net ipc uts cgroup; do readlink /proc/self/ns/$n; done; hostname; cat /proc/self/cgroup"
		first := d.do(t, "exec", id, "sh", "-c", strings.ReplaceAll(script, "self", "1"))
		equal(t, "namespaces, name and cgroups of exec", d.do(t, "exec", id, "sh", "-c", script), first)
	}},
	{"exec/needs-a-running-container", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "true")
		d.do(t, "wait", id)
		refused(t, d.try(t, "exec", id, "true"), "is not running")
	}},
	{"exec/confined", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		for _, args := range [][]string{{}, {"--privileged"}, {"-u", "0"}, {"-u", "app"}, {"--privileged", "-u", "0:0"}, {"-t"}} {
			all := append(append([]string{"exec"}, args...), id, "cat", "/proc/self/status")
			checkConfined(t, "docker exec "+strings.Join(args, " "), parseStatus(strings.ReplaceAll(d.do(t, all...), "\r", "")))
		}
	}},
	{"exec/user-outside-the-range", true, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sleep", "1000")
		refused(t, d.try(t, "exec", "-u", "70000", id, "true"), "rule user")
	}},
	{"exec/no-way-around-create", true, func(t *testing.T, d *docker) {
		id := d.container(t, append(privileged(), "--security-opt", "seccomp=unconfined", "busybox", "sleep", "1000")...)
		checkHardened(t, d.pid(t, id))
		checkConfined(t, "docker exec", parseStatus(d.do(t, "exec", "--privileged", id, "cat", "/proc/self/status")))
		r := d.try(t, "exec", "--privileged", id, "mount", "-t", "tmpfs", "none", "/mnt")
		refused(t, r)
	}},
}
