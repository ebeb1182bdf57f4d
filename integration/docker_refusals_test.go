package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is dangerous whoever asks is refused with the rule's name, and Docker says 125: its own "run" failed.
var refusalScenarios = []scenario{
	{"refused/host-namespaces", true, func(t *testing.T, d *docker) {
		for _, option := range []string{"--pid=host", "--network=host", "--ipc=host"} {
			d.refusedRun(t, "rule namespaces", option)
		}
	}},
	{"refused/host-directories", true, func(t *testing.T, d *docker) {
		for _, path := range []string{"/", "/proc", "/sys", "/dev", "/root", "/run", "/run/bulkhead", "/etc/shadow", "/proc/self/root", "/sys/fs/cgroup", "/var/run"} {
			d.refusedBind(t, path+":/host")
			d.refusedBind(t, path+":/host:ro")
		}
	}},
	{"refused/engine-socket", true, func(t *testing.T, d *docker) {
		for _, path := range []string{"/run/docker.sock", "/var/run/docker.sock"} {
			d.refusedBind(t, path+":/var/run/docker.sock")
		}
	}},
	// This daemon's own sockets and state are not where the distribution puts them.
	{"refused/engine-socket-elsewhere", true, func(t *testing.T, d *docker) {
		for _, path := range []string{d.socket(), d.dir + "/run/containerd/containerd.sock", d.dir + "/run", d.dir + "/lib", d.dir} {
			d.refusedBind(t, path+":/mnt/engine")
		}
	}},
	{"refused/aliases", true, func(t *testing.T, d *docker) {
		dir := t.TempDir()
		for _, link := range []struct{ name, target string }{
			{"root", "/"}, {"sock", "/run/docker.sock"}, {"up", dir + "/../../../.."}, {"chain", "root"}, {"through", dir + "/root/root"},
		} {
			if err := os.Symlink(link.target, filepath.Join(dir, link.name)); err != nil {
				t.Fatal(err)
			}
			d.refusedBind(t, filepath.Join(dir, link.name)+":/host")
		}
		// Bind mounts of / and /run that dockerd's own mount namespace has: see startDockerd.
		for _, alias := range []string{"/alias/root", "/alias/root/root", "/alias/root/etc/shadow", "/alias/run", "/alias/run/docker.sock", "/alias"} {
			d.refusedBind(t, d.dir+alias+":/host")
		}
		// A volume that is a bind of the host's directory lies where Docker's volumes are.
		for _, path := range []string{"/", "/root", "/boot", "/usr", d.dir + "/run"} {
			d.refusedRun(t, "rule mounts", "--mount", volumeOfHost(path))
		}
		own := sharedDir(t)
		d.run(t, "--mount", volumeOfHost(own), "busybox", "touch", "/host/made")
		if _, err := os.Stat(filepath.Join(own, "made")); err != nil {
			t.Error(err)
		}
	}},
	{"refused/system-directories-writable", true, func(t *testing.T, d *docker) {
		for _, path := range []string{"/usr", "/bin", "/lib", "/opt", "/srv", "/home"} {
			d.refusedBind(t, path+":/host")
			d.run(t, "-v", path+":/host:ro", "busybox", "ls", "/host")
		}
		equal(t, "a file of /etc", d.run(t, "-v", "/etc/os-release:/etc/os-release:ro", "busybox", "sh", "-c", "test -s /etc/os-release; echo $?"), "0")
	}},
	{"narrowed/bind-options", true, func(t *testing.T, d *docker) {
		dir := sharedDir(t)
		mounts := d.run(t, "-v", dir+":/a", "-v", dir+":/b:ro", "--tmpfs", "/c:exec,suid,dev", "busybox", "cat", "/proc/mounts")
		for _, at := range []string{"/a", "/b", "/c"} {
			options := mountOptions(mounts, at)
			for _, want := range []string{"nosuid", "nodev"} {
				if !strings.Contains(options, want) {
					t.Errorf("options of %s are %q, want %s", at, options, want)
				}
			}
		}
	}},
	{"refused/user-outside-the-range", true, func(t *testing.T, d *docker) {
		d.refusedRun(t, "rule user", "--user", "70000")
		d.refusedRun(t, "rule user", "--user", "0:70000")
		d.refusedRun(t, "rule user", "--group-add", "70000")
	}},
	{"refused/leaves-nothing", true, func(t *testing.T, d *docker) {
		d.refusedRun(t, "rule namespaces", "--pid=host", "--name", "refused-once")
		// The same name can be used at once, and so can the daemon.
		equal(t, "afterwards", d.run(t, "--name", "refused-once", "busybox", "echo", "fine"), "fine")
	}},
}

// refusedRun asserts that a container with these options is refused by a rule. Docker must not take the refusal for a
// program that is missing (127) or not to be executed (126).
func (d *docker) refusedRun(t *testing.T, rule string, options ...string) {
	t.Helper()
	r := d.tryRun(t, append(options, "busybox", "true")...)
	equal(t, "exit status with "+strings.Join(options, " "), r.code, 125)
	refused(t, r, "refused by profile", "("+rule+")")
}

// refusedBind asserts that a bind is refused. Without a network the engine has less to do before the runtime is asked, and scenarios ask
// dozens of times.
func (d *docker) refusedBind(t *testing.T, bind string) {
	t.Helper()
	d.refusedRun(t, "rule mounts", "--network=none", "-v", bind)
}

// mountOptions are the options of the last mount at a path in /proc/mounts.
func mountOptions(mounts, at string) string {
	options := ""
	for _, line := range strings.Split(mounts, "\n") {
		if f := strings.Fields(line); len(f) > 3 && f[1] == at {
			options = f[3]
		}
	}
	return options
}

// volumeOfHost asks for an anonymous volume of Docker's local driver that is a bind mount of a directory.
func volumeOfHost(path string) string {
	return "type=volume,dst=/host,volume-driver=local,volume-opt=type=none,volume-opt=o=bind,volume-opt=device=" + path
}
