package integration

import (
	"fmt"
	"strings"
	"testing"
)

var runScenarios = []scenario{
	{"run/output", false, func(t *testing.T, d *docker) {
		r := d.tryRun(t, "busybox", "sh", "-c", "echo out; echo err >&2")
		equal(t, "exit status", r.code, 0)
		equal(t, "stdout", r.stdout, "out\n")
		equal(t, "stderr", r.stderr, "err\n")
	}},
	{"run/exit-status", false, func(t *testing.T, d *docker) {
		for _, code := range []int{0, 1, 42, 255} {
			equal(t, "exit status", d.tryRun(t, "busybox", "sh", "-c", fmt.Sprintf("exit %d", code)).code, code)
		}
		equal(t, "exit status after SIGTERM", d.tryRun(t, "--init", "busybox", "sh", "-c", "kill -TERM $$; sleep 9").code, 143)
	}},
	{"run/no-such-program", false, func(t *testing.T, d *docker) {
		equal(t, "exit status", d.tryRun(t, "busybox", "nothing-of-the-kind").code, 127)
	}},
	{"run/not-a-program", false, func(t *testing.T, d *docker) {
		// libcontainer says EISDIR from 1.2 on, in which Docker sees the program's fault (126) only from version 23 on.
		if code := d.tryRun(t, "busybox", "/tmp").code; code != 126 && code != 125 {
			t.Errorf("exit status of a directory is %d, want 126 or 125", code)
		}
		equal(t, "exit status of a file", d.tryRun(t, "busybox", "/etc/passwd").code, 126)
	}},
	{"run/no-such-option", false, func(t *testing.T, d *docker) {
		equal(t, "exit status", d.tryRun(t, "--no-such-option", "busybox", "true").code, 125)
	}},
	{"run/stdin", false, func(t *testing.T, d *docker) {
		cmd := d.command("run", "--rm", "-i", "--runtime", d.runtime, "busybox", "wc", "-c")
		cmd.Stdin = strings.NewReader(strings.Repeat("x", 200000))
		equal(t, "bytes read", must(t, run(t, cmd)), "200000")
	}},
	{"run/terminal", false, func(t *testing.T, d *docker) {
		cmd := d.command("run", "--rm", "-it", "--runtime", d.runtime, "busybox", "sh", "-c",
			`test -t 0 && test -t 1 && tty
until stty size 2>/dev/null | grep "33 77"; do sleep 0.1; done; echo typed: $(head -1)`)
		out := typeInto(t, cmd, "hello\r", 33, 77)
		for _, want := range []string{"/dev/pts/0", "33 77", "typed: hello"} {
			if !strings.Contains(out, want) {
				t.Errorf("terminal shows %q, want %q in it", out, want)
			}
		}
	}},
	{"run/detached-with-logs", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "echo to stdout; echo to stderr >&2; exit 7")
		equal(t, "exit status by wait", d.do(t, "wait", id), "7")
		r := d.try(t, "logs", id)
		equal(t, "log of stdout", r.stdout, "to stdout\n")
		equal(t, "log of stderr", r.stderr, "to stderr\n")
		equal(t, "exit status by inspect", d.inspect(t, id, "{{.State.ExitCode}}"), "7")
	}},
	{"run/environment", false, func(t *testing.T, d *docker) {
		out := d.run(t, "-e", "A=1", "-e", "B=two words", "-w", "/new/dir", "--hostname", "web1", "busybox", "sh", "-c",
			`echo "$A/$B/$PWD/$(hostname)/$HOME"`)
		equal(t, "environment, directory and name", out, "1/two words//new/dir/web1//root")
	}},
	{"run/image-user", false, func(t *testing.T, d *docker) {
		d.image(t, "app")
		equal(t, "user of the image", d.run(t, "app"), "app")
		equal(t, "the image's settings", d.run(t, "app", "sh", "-c", `echo $GREETING $PWD $(id -G)`), "hello /home/app 1000 2000")
		equal(t, "owner of the image's volume", d.run(t, "app", "stat", "-c", "%u:%g", "/data", "/data/seed"), "1000:1000\n1000:1000")
		equal(t, "writes to the volume", d.run(t, "app", "sh", "-c", "echo more >>/data/seed && cat /data/seed"), "seed\nmore")
		equal(t, "writes to the home", d.run(t, "app", "sh", "-c", "touch x && stat -c %u x"), "1000")
	}},
	{"run/user", false, func(t *testing.T, d *docker) {
		for asked, want := range map[string]string{
			"app": "1000:1000 1000 2000", "1234": "1234:0 0", "1234:99": "1234:99 99", "app:extra": "1000:2000 2000",
			"65533:65533": "65533:65533 65533",
		} {
			equal(t, "user "+asked, d.run(t, "--user", asked, "busybox", "sh", "-c", "echo $(id -u):$(id -g) $(id -G)"), want)
		}
		equal(t, "groups", d.run(t, "--user", "app", "--group-add", "3000", "busybox", "id", "-G"), "1000 2000 3000")
		r := d.tryRun(t, "--user", "no-such-user", "busybox", "true")
		refused(t, r, "no-such-user")
	}},
	{"run/init", false, func(t *testing.T, d *docker) {
		equal(t, "process 1", d.run(t, "--init", "busybox", "cat", "/proc/1/comm"), "docker-init")
		equal(t, "exit status", d.tryRun(t, "--init", "busybox", "sh", "-c", "exit 5").code, 5)
	}},
	{"run/standard-devices", false, func(t *testing.T, d *docker) {
		out := d.run(t, "busybox", "sh", "-c", `
for f in null zero full random urandom tty ptmx; do test -c "$(readlink -f /dev/$f)" || echo no $f; done
echo x >/dev/null && head -c 4 /dev/zero | wc -c && head -c 8 /dev/urandom | wc -c
echo to stdout >/dev/stdout; readlink /dev/fd; echo y >/dev/full || echo full`)
		equal(t, "devices", out, "4\n8\nto stdout\n/proc/self/fd\nfull")
	}},
	{"run/root-owns-the-root", false, func(t *testing.T, d *docker) {
		out := d.run(t, "busybox", "sh", "-c", `
stat -c '%u:%g %a %n' / /etc/passwd /home/app /tmp /data/seed
touch /root/new && chown 1000:2000 /root/new && stat -c %u:%g /root/new
rm /etc/group && mkdir /opt && mv /etc/passwd /opt/ && ls /opt`)
		equal(t, "owners and changes", out, "0:0 755 /\n0:0 644 /etc/passwd\n1000:1000 755 /home/app\n0:0 1777 /tmp\n"+
			"1000:1000 644 /data/seed\n1000:2000\npasswd")
	}},
	{"run/engine-files", false, func(t *testing.T, d *docker) {
		out := d.run(t, "--add-host", "db:10.9.8.7", "--dns", "10.1.2.3", "--hostname", "web1", "busybox", "sh", "-c", `
stat -c %u:%g /etc/hosts /etc/resolv.conf /etc/hostname
grep -o '10.9.8.7.*db' /etc/hosts; grep ^nameserver /etc/resolv.conf; cat /etc/hostname
echo '10.0.0.1 other' >>/etc/hosts && tail -1 /etc/hosts; echo search example >>/etc/resolv.conf && tail -1 /etc/resolv.conf`)
		equal(t, "engine files", out, "0:0\n0:0\n0:0\n10.9.8.7\tdb\nnameserver 10.1.2.3\nweb1\n10.0.0.1 other\nsearch example")
	}},
	{"run/hardened", true, func(t *testing.T, d *docker) {
		checkHardened(t, d.pid(t, d.container(t, "busybox", "sleep", "1000")))
	}},
	{"run/ranges-differ", true, func(t *testing.T, d *docker) {
		maps := map[string]string{}
		for range 3 {
			id := d.container(t, "busybox", "sleep", "1000")
			text := procFile(t, d.pid(t, id), "uid_map")
			if other := maps[text]; other != "" {
				t.Errorf("%s and %s have the same host IDs: %s", id, other, text)
			}
			maps[text] = id
		}
	}},
}
