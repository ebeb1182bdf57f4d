package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPodmanCopy copies to and from a running container of podman. podman mount, export and diff see what the container sees, and
// what is written to the mounted root has the right owner inside. podman cp enters the container's mount namespace instead, as host
// root, where host root's ID has no place: copying in is an error, and nothing is written.
func TestPodmanCopy(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "podman", "conmon")
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			p := newPodman(t, name)
			p.describe(t)
			p.do(t, "import", imageTar(t, "busybox"), "box")
			p.do(t, "run", "-d", "--name", "c", "--network", "none", "--cgroup-parent", p.cgroup,
				"--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "box", "/bin/sleep", "1000")
			root := p.do(t, "mount", "c")
			_, err := os.Stat(root + "/root/made")
			equal(t, "a file that is not there", os.IsNotExist(err), true)
			p.do(t, "exec", "c", "sh", "-c", "echo inside >/root/made; chown 5:6 /root/made")
			data, err := os.ReadFile(root + "/root/made")
			equal(t, "content in the mounted root", string(data), "inside\n")
			equal(t, "error", err, nil)
			equal(t, "owner in the mounted root", owner(t, root+"/root/made"), "5:6")
			equal(t, "in the export", strings.Contains(listTar(t, p.try(t, "export", "c").stdout), "root/made|0|644|5:6"), true)
			equal(t, "in the copy", strings.Contains(p.try(t, "cp", "c:/root/made", "-").stdout, "inside\n"), true)

			file := filepath.Join(t.TempDir(), "in")
			if err := os.WriteFile(file, []byte("outside\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			must(t, run(t, exec.Command("cp", file, root+"/root/mounted")))
			equal(t, "inside", p.do(t, "exec", "c", "sh", "-c", "cat /root/mounted; stat -c %u:%g /root/mounted"), "outside\n0:0")
			if r := p.try(t, "cp", file, "c:/root/in"); name == "bulkhead" {
				refused(t, r, "value too large for defined data type")
				refused(t, p.try(t, "exec", "c", "ls", "/root/in"))
			} else {
				must(t, r)
			}
			p.do(t, "umount", "c")
			p.do(t, "rm", "-f", "-t", "0", "c")
		})
	}
}
