package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
)

var fileScenarios = []scenario{
	{"files/bind", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		equal(t, "content", d.run(t, "-v", dir+":/mnt", "busybox", "cat", "/mnt/file"), "from the host")
		d.run(t, "-v", dir+":/mnt", "busybox", "sh", "-c", "echo x >/mnt/root; touch /mnt/app; chown 1000:1000 /mnt/app")
		equal(t, "owner on disk of root's file", owner(t, dir+"/root"), "0:0")
		equal(t, "owner on disk of app's file", owner(t, dir+"/app"), "1000:1000")
		equal(t, "owners inside", d.run(t, "-v", dir+":/mnt", "busybox", "stat", "-c", "%u:%g", "/mnt/root", "/mnt/app"), "0:0\n1000:1000")
	}},
	{"files/bind-file", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		out := d.run(t, "-v", dir+"/file:/etc/one.conf", "busybox", "sh", "-c", "cat /etc/one.conf; echo more >>/etc/one.conf")
		equal(t, "content", out, "from the host")
		data, err := os.ReadFile(dir + "/file")
		equal(t, "content afterwards", string(data), "from the host\nmore\n")
		equal(t, "read", err, nil)
	}},
	{"files/bind-read-only", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		r := d.tryRun(t, "-v", dir+":/mnt:ro", "busybox", "sh", "-c", "cat /mnt/file; touch /mnt/new")
		equal(t, "content", r.stdout, "from the host\n")
		refused(t, r, "Read-only file system")
	}},
	{"files/bind-of-mount-syntax", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		out := d.run(t, "--mount", "type=bind,src="+dir+",dst=/mnt,readonly", "busybox", "cat", "/mnt/file")
		equal(t, "content", out, "from the host")
		refused(t, d.tryRun(t, "--mount", "type=bind,src="+dir+"/none,dst=/mnt", "busybox", "true"))
	}},
	{"files/named-volume", false, func(t *testing.T, d *docker) {
		v := "v-" + d.runtime
		t.Cleanup(func() { d.do(t, "volume", "rm", v) })
		d.run(t, "-v", v+":/data", "busybox", "sh", "-c", "echo kept >/data/x; chown 1000:1000 /data/x")
		equal(t, "in the next container", d.run(t, "-v", v+":/data", "busybox", "sh", "-c", "cat /data/x /data/seed; stat -c %u /data/x /data/seed"),
			"kept\nseed\n1000\n1000")
		equal(t, "as a user", d.run(t, "-u", "app", "-v", v+":/data", "busybox", "sh", "-c", "echo more >>/data/x; cat /data/x"), "kept\nmore")
	}},
	{"files/volumes-from", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-v", "/shared", "busybox", "sh", "-c", "echo x >/shared/a; sleep 1000")
		eventually(t, "the file", func() error { return d.command("exec", id, "test", "-s", "/shared/a").Run() })
		equal(t, "seen", d.run(t, "--volumes-from", id, "busybox", "sh", "-c", "cat /shared/a; stat -c %u /shared/a"), "x\n0")
	}},
	{"files/tmpfs", false, func(t *testing.T, d *docker) {
		out := d.run(t, "--tmpfs", "/scratch:size=4m,mode=1777", "busybox", "sh", "-c",
			"grep ' /scratch ' /proc/mounts | cut -d' ' -f3; stat -c %u:%g:%a /scratch; df -k /scratch | tail -1 | awk '{print $2}'; echo x >/scratch/x && cat /scratch/x")
		equal(t, "tmpfs", out, "tmpfs\n0:0:1777\n4096\nx")
		equal(t, "as a user", d.run(t, "-u", "app", "--tmpfs", "/scratch", "busybox", "sh", "-c", "touch /scratch/x && stat -c %u /scratch/x"), "1000")
	}},
	{"files/shm", false, func(t *testing.T, d *docker) {
		script := "df -k /dev/shm | tail -1 | awk '{print $2}'; stat -c %a /dev/shm; echo x >/dev/shm/x && cat /dev/shm/x"
		equal(t, "usual", d.run(t, "busybox", "sh", "-c", script), "65536\n1777\nx")
		equal(t, "asked", d.run(t, "--shm-size", "8m", "-u", "app", "busybox", "sh", "-c", script), "8192\n1777\nx")
	}},
	{"files/read-only-root", false, func(t *testing.T, d *docker) {
		r := d.tryRun(t, "--read-only", "--tmpfs", "/run", "-v", "/data", "busybox", "sh", "-c", "touch /run/a /data/a /dev/shm/a && touch /new")
		refused(t, r, "/new: Read-only file system")
	}},
	{"files/commit", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "echo x >/root/new; chown 1000:2000 /root/new; rm /etc/group; chmod 700 /home; sleep 1000")
		eventually(t, "the changes", func() error { return d.command("exec", id, "test", "!", "-e", "/etc/group").Run() })
		eventually(t, "the last change", func() error { return d.command("exec", id, "sh", "-c", "stat -c %a /home | grep 700").Run() })
		name := "committed-" + d.runtime
		d.do(t, "commit", id, name)
		t.Cleanup(func() { d.do(t, "rmi", "-f", name) })
		out := d.run(t, name, "sh", "-c", "stat -c '%u:%g %a %n' /root/new /home /etc/passwd /home/app; ls /etc")
		equal(t, "owners in the new image", out, "1000:2000 644 /root/new\n0:0 700 /home\n0:0 644 /etc/passwd\n1000:1000 755 /home/app\n"+
			d.run(t, name, "ls", "/etc"))
		equal(t, "the removed file", strings.Contains(out, "group"), false)
	}},
	{"files/diff", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "touch /root/new /home/app/file; rm /etc/group; mkdir /made")
		d.do(t, "wait", id)
		lines := strings.Split(d.do(t, "diff", id), "\n")
		sort.Strings(lines)
		equal(t, "diff", strings.Join(lines, ", "), "A /home/app/file, A /made, A /root/new, C /etc, C /home, C /home/app, C /root, D /etc/group")
	}},
	{"files/copy-from-stopped", false, func(t *testing.T, d *docker) {
		id := d.container(t, "busybox", "sh", "-c", "mkdir /out; echo x >/out/a; chown 1000:2000 /out/a")
		d.do(t, "wait", id)
		cmd := exec.Command("tar", "-tv", "--numeric-owner")
		cmd.Stdin = strings.NewReader(d.try(t, "cp", "-a", id+":/out", "-").stdout)
		var owners []string
		for _, line := range strings.Split(must(t, run(t, cmd)), "\n") {
			f := strings.Fields(line)
			owners = append(owners, f[1]+" "+f[len(f)-1])
		}
		equal(t, "owners in the archive", strings.Join(owners, ", "), "0/0 out/, 1000/2000 out/a")
		dir := t.TempDir()
		d.do(t, "cp", id+":/out/a", dir)
		data, err := os.ReadFile(dir + "/a")
		equal(t, "content", string(data), "x\n")
		equal(t, "read", err, nil)
	}},
	{"files/copy-to-stopped", false, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		if err := os.Chown(filepath.Join(dir, "file"), 1000, 2000); err != nil {
			t.Fatal(err)
		}
		id := d.do(t, "create", "--runtime", d.runtime, "busybox", "stat", "-c", "%u:%g %n", "/in", "/in/file")
		d.cleanUp(t, id)
		d.do(t, "cp", "-a", dir, id+":/in")
		equal(t, "seen inside", d.do(t, "start", "-a", id), "0:0 /in\n1000:2000 /in/file")
	}},
	{"files/masked", false, func(t *testing.T, d *docker) {
		out := d.run(t, "busybox", "sh", "-c", "cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sysrq-trigger || echo refused")
		equal(t, "masked and read-only paths", out, "0\n0\nrefused")
	}},
}

// owner is the owner of a file as the host's disk has it.
func owner(t testing.TB, path string) string {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", st.Uid, st.Gid)
}
