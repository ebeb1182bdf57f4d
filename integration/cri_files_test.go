package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Volumes as kubelet makes them before it asks for a container.
var podFileScenarios = []podScenario{
	{"emptyDir, on disk and in memory, shared by the containers", false, func(t *testing.T, c *cri) {
		disk, memory := c.volume(t, "kubernetes.io~empty-dir", "work", 0o777), c.volume(t, "kubernetes.io~empty-dir", "cache", 0o777)
		must(t, run(t, c.inside("mount", "-t", "tmpfs", "-o", "size=8m,mode=1777", "tmpfs", memory)))
		t.Cleanup(func() { must(t, run(t, c.inside("umount", memory))) })
		p := c.pod(t)
		mounts := set("mounts", []object{{"containerPath": "/shared", "hostPath": disk}, {"containerPath": "/cache", "hostPath": memory}})
		a, b := p.start(t, "a", sleep, mounts), p.start(t, "b", sleep, mounts, asUser("1000"))
		c.sh(t, a, "echo root >/shared/of-a; echo memory >/cache/of-a; mkdir -m 755 /shared/dir; chown 1000 /shared/dir")
		c.sh(t, b, "echo user >/shared/of-b; echo user >/shared/dir/x")
		equal(t, "contents", c.sh(t, b, "cat /shared/of-a /cache/of-a")+" "+c.sh(t, a, "cat /shared/of-b"), "root\nmemory user")
		equal(t, "owners", c.sh(t, b, "stat -c %u /shared/of-a /cache/of-a /shared/of-b /shared/dir/x | tr '\\n' ' '"), "0 0 1000 1000 ")
		equal(t, "owners on the host", ownersOnHost(t, filepath.Join(disk, "of-a"), filepath.Join(disk, "of-b")), "0 1000")
	}},
	{"fsGroup", false, func(t *testing.T, c *cri) {
		data := c.volume(t, "kubernetes.io~csi", "data", 0o2775)
		must(t, run(t, exec.Command("chown", "0:2000", data)))
		must(t, run(t, exec.Command("chmod", "2775", data)))
		p := c.pod(t)
		a := p.start(t, "a", sleep, asUser("1000"), set("linux.securityContext.supplementalGroups", []string{"2000"}), set("mounts", []object{{"containerPath": "/vol", "hostPath": data}}))
		equal(t, "a file of the group", c.sh(t, a, "touch /vol/x; stat -c %u:%g /vol/x; id -G"), "1000:2000\n1000 2000")
	}},
	{"projected volume: token, configuration, what the pod says of itself", false, func(t *testing.T, c *cri) {
		token := c.volume(t, "kubernetes.io~projected", "kube-api-access", 0o777)
		must(t, run(t, c.inside("mount", "-t", "tmpfs", "-o", "size=1m,mode=777", "tmpfs", token)))
		t.Cleanup(func() { must(t, run(t, c.inside("umount", token))) })
		// AtomicWriter: the names are links to ..data, which is a link to a directory that each update replaces.
		project := `set -e; cd "$1"; mkdir "$2"; chmod 755 "$2"; echo "$3" >"$2/token"; chmod 644 "$2/token"; ln -s "$2" ..data_tmp; mv -T ..data_tmp ..data; [ -L token ] || ln -s ..data/token token`
		must(t, run(t, c.inside("sh", "-c", project, "sh", token, "..2026_01", "first")))
		p := c.pod(t)
		a := p.start(t, "a", sleep, asUser("1000"), set("mounts", []object{{"containerPath": "/var/run/secrets/kubernetes.io/serviceaccount", "hostPath": token, "readonly": true}}))
		file := "/var/run/secrets/kubernetes.io/serviceaccount/token"
		equal(t, "token", c.sh(t, a, "cat "+file), "first")
		must(t, run(t, c.inside("sh", "-c", project, "sh", token, "..2026_02", "second")))
		equal(t, "token after an update", c.sh(t, a, "cat "+file), "second")
		if c.exec(t, a, "sh", "-c", "echo x >"+file).code == 0 {
			t.Error("a read-only volume was written")
		}
	}},
	{"subPath, the files of kubelet, a termination message", false, func(t *testing.T, c *cri) {
		data := c.volume(t, "kubernetes.io~empty-dir", "data", 0o777)
		for _, dir := range []string{"/one", "/two"} {
			must(t, run(t, exec.Command("mkdir", "-m", "777", data+dir)))
		}
		// kubelet binds a subPath to a place below the pod's own directory, so that it cannot be exchanged any more.
		sub := c.volume(t, "volume-subpaths/data/a", "0", 0o755)
		must(t, run(t, c.inside("mount", "--bind", data+"/one", sub)))
		t.Cleanup(func() { must(t, run(t, c.inside("umount", sub))) })
		hosts, message := c.podFile(t, "etc-hosts", "127.0.0.1 localhost\n"), c.podFile(t, "containers/a/message", "")
		must(t, run(t, exec.Command("chmod", "666", message)))
		p := c.pod(t)
		a := p.start(t, "a", sleep, asUser("1000"), set("mounts", []object{{"containerPath": "/sub", "hostPath": sub},
			{"containerPath": "/etc/hosts", "hostPath": hosts}, {"containerPath": "/dev/termination-log", "hostPath": message}}))
		c.sh(t, a, "echo x >/sub/file; echo the end >/dev/termination-log")
		equal(t, "hosts", c.sh(t, a, "cat /etc/hosts"), "127.0.0.1 localhost")
		equal(t, "file of the subPath", readTrimmed(t, data+"/one/file"), "x")
		equal(t, "termination message", readTrimmed(t, message), "the end")
		equal(t, "what else there is", c.sh(t, a, "ls /sub"), "file")
	}},
	{"mounts that come later", false, func(t *testing.T, c *cri) {
		data := c.volume(t, "kubernetes.io~csi", "later", 0o755)
		must(t, run(t, c.inside("mount", "--bind", data, data)))
		must(t, run(t, c.inside("mount", "--make-shared", data)))
		t.Cleanup(func() { must(t, run(t, c.inside("umount", "-R", data))) })
		must(t, run(t, exec.Command("mkdir", data+"/at")))
		p := c.pod(t)
		a := p.start(t, "a", sleep, set("mounts", []object{{"containerPath": "/vol", "hostPath": data, "propagation": "PROPAGATION_HOST_TO_CONTAINER"}}))
		must(t, run(t, c.inside("mount", "-t", "tmpfs", "tmpfs", data+"/at")))
		must(t, run(t, c.inside("touch", data+"/at/new")))
		want := "new"
		if c.runtime == "bulkhead" { // no rule has judged it: docs/kubernetes.md
			want = ""
		}
		equal(t, "what was mounted after the start", c.sh(t, a, "ls /vol/at"), want)
	}},
	{"recursive read-only mounts", false, func(t *testing.T, c *cri) {
		if strings.HasPrefix(c.line.name, "1.") && c.runtime != "bulkhead" { // which makes each read-only mount a recursive one
			t.Skip("containerd 1 ignores the field")
		}
		data := c.volume(t, "kubernetes.io~csi", "tree", 0o777)
		must(t, run(t, exec.Command("mkdir", data+"/below")))
		must(t, run(t, c.inside("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", data+"/below")))
		t.Cleanup(func() { must(t, run(t, c.inside("umount", data+"/below"))) })
		p := c.pod(t)
		a := p.start(t, "a", sleep, set("mounts", []object{{"containerPath": "/vol", "hostPath": data, "readonly": true, "recursiveReadOnly": true}}))
		for _, path := range []string{"/vol/x", "/vol/below/x"} {
			if r := c.exec(t, a, "touch", path); r.code == 0 || !strings.Contains(r.stderr, "Read-only file system") {
				t.Errorf("touch %s: %s", path, r)
			}
		}
	}},
	{"read-only root", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a := p.start(t, "a", sleep, set("linux.securityContext.readonlyRootfs", true))
		for _, path := range []string{"/x", "/etc/x", "/tmp/x"} {
			if r := c.exec(t, a, "touch", path); r.code == 0 || !strings.Contains(r.stderr, "Read-only file system") {
				t.Errorf("touch %s: %s", path, r)
			}
		}
		c.sh(t, a, "touch /dev/shm/x")
	}},
	{"host paths", true, func(t *testing.T, c *cri) {
		p := c.pod(t)
		for i, path := range []string{"/", "/etc/shadow", "/proc", "/root", c.dir + "/c.sock"} {
			r := p.tryStart(t, fmt.Sprintf("host%d", i), sleep, set("mounts", []object{{"containerPath": "/host", "hostPath": path}}))
			refused(t, r, "rule mounts")
		}
	}},
}

// volume is a directory of kubelet's for the test's pod, as it is called on a node: below pods/UID.
func (c *cri) volume(t testing.TB, kind, name string, mode os.FileMode) string {
	t.Helper()
	dir := filepath.Join(c.podDir(t), "volumes", kind, name)
	if strings.HasPrefix(kind, "volume-subpaths") {
		dir = filepath.Join(c.podDir(t), kind, name)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}

// podFile is a file of kubelet's for the test's pod.
func (c *cri) podFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(c.podDir(t), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil { //nolint:gosec // as kubelet does
		t.Fatal(err)
	}
	return path
}

// podDir is where kubelet keeps what belongs to the test's pod.
func (c *cri) podDir(t testing.TB) string {
	return filepath.Join(c.dir, "kubelet/pods", strings.ReplaceAll(t.Name(), "/", "-"))
}

func asUser(uid string) edit { return set("linux.securityContext.runAsUser", object{"value": uid}) }

func ownersOnHost(t testing.TB, paths ...string) string {
	t.Helper()
	owners := make([]string, len(paths))
	for i, path := range paths {
		owners[i] = must(t, run(t, exec.Command("stat", "-c", "%u", path)))
	}
	return strings.Join(owners, " ")
}

func readTrimmed(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}
