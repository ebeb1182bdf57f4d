package integration

import (
	"archive/tar"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// oneFile is an archive of one file.
func oneFile(t testing.TB, h tar.Header, data string) string {
	t.Helper()
	var b strings.Builder
	w := tar.NewWriter(&b)
	h.Typeflag, h.Size, h.Format, h.ModTime = tar.TypeReg, int64(len(data)), tar.FormatPAX, time.Unix(1, 0)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (d *docker) putArchive(t testing.TB, id, dir, archive string) result {
	t.Helper()
	cmd := d.command("cp", "-a", "-", id+":"+dir)
	cmd.Stdin = strings.NewReader(archive)
	return run(t, cmd)
}

// flips exchanges a directory, a link to the root, a named pipe and a file for one another, as fast as it can.
const flips = `mkdir -p /h/real/deep; echo in >/h/real/deep/f; i=0; while :; do i=$((i+1));
mv /h/real /h/x 2>/dev/null; mv /h/x /h/real; ln -s / /h/x; rm -f /h/x; mkfifo /h/x; rm -f /h/x; echo $i >/h/x; rm -f /h/x
ln -s /h/real /h/y; mv -T /h/y /h/z; rm -f /h/z; mkdir -p /h/z; mv -T /h/z /h/w; ln -s .. /h/z; rm -f /h/z; rm -rf /h/w; done`

// TestDockerCopyConfined looks at the process that answers, and at what it answers to a hostile container and to what a range
// has no place for.
func TestDockerCopyConfined(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "runc", "ip", "iptables", "busybox")
	d := dockerWith(t, "bulkhead")
	d.image(t, "busybox")
	t.Run("process", d.confinedProcess)
	t.Run("hostile tree", d.hostileTree)
	t.Run("owners beyond the range", func(t *testing.T) {
		seed := d.do(t, "run", "-d", "--runtime", "runc", "busybox", "sh", "-c", "echo x >/far; chown 70000:80000 /far")
		d.cleanUp(t, seed)
		d.do(t, "wait", seed)
		d.do(t, "commit", seed, "far")
		t.Cleanup(func() { d.do(t, "rmi", "-f", "far") })
		id := d.container(t, "far", "sleep", "1000")
		list := listTar(t, d.try(t, "cp", "-a", id+":/far", "-").stdout)
		equal(t, "owner of a file of the image", strings.Contains(list, "|65534:65534|"), true)
		refused(t, d.putArchive(t, id, "/root", oneFile(t, tar.Header{Name: "far", Mode: 0o644, Uid: 70000}, "x")), "invalid argument")
		must(t, d.putArchive(t, id, "/root", oneFile(t, tar.Header{Name: "near", Mode: 0o644, Uid: 65535, Gid: 65535}, "x")))
		equal(t, "the last owner of the range", d.do(t, "exec", id, "stat", "-c", "%u:%g", "/root/near"), "65535:65535")
	})
}

func (d *docker) confinedProcess(t *testing.T) {
	id := d.container(t, "busybox", "sleep", "1000")
	bothWays(t, d, id, "first")
	pids := viewProcesses(t, id)
	if len(pids) != 1 {
		t.Fatalf("processes that answer: %v", pids)
	}
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	status := parseStatus(string(data))
	for field, want := range map[string]string{
		"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "000000008000001f", "CapPrm": "000000008000001f", "CapBnd": "000000008000001f",
		"CapAmb": "0000000000000000", "Groups": "",
	} {
		equal(t, field, strings.TrimSpace(status[field]), want)
	}
	uidMap, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pids[0]))
	if err != nil {
		t.Fatal(err)
	}
	containers, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", d.pid(t, id)))
	equal(t, "ID map", string(uidMap), string(containers))
	equal(t, "error", err, nil)
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/root/", pids[0]))
	equal(t, "files in its root", fmt.Sprint(entries, err), "[] <nil>")
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pids[0]))
	equal(t, "mounts", strings.Count(string(mounts), "\n"), 1)
	equal(t, "error", err, nil)
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pids[0]))
	if err != nil || len(fds) > 20 {
		t.Errorf("it has %d descriptors open, %v", len(fds), err)
	}
}

// hostileTree copies out of and into a tree that changes under the server's hands. What comes of it is the container's affair; it ends,
// names nothing outside of the tree, and the server lives.
func (d *docker) hostileTree(t *testing.T) {
	id := d.container(t, "busybox", "sh", "-c", flips)
	for range 15 {
		out := d.try(t, "cp", "-a", id+":/h", "-").stdout
		for _, name := range tarNames(out) {
			if !strings.HasPrefix(name, "h/") {
				t.Fatalf("the archive has %q", name)
			}
		}
		for _, path := range []string{"/h/x", "/h/x/deep/f", "/h/z/h/real/deep", "/h/y/deep"} {
			d.try(t, "cp", id+":"+path, "-")
		}
		d.putArchive(t, id, "/h/real", oneFile(t, tar.Header{Name: "deep/in", Mode: 0o644}, "outside"))
	}
	equal(t, "servers", len(viewProcesses(t, id)), 1)
	bothWays(t, d, id, "still")
}

// tarNames are the names in an archive, as far as it can be read: one of a changing tree may break off.
func tarNames(archive string) []string {
	var names []string
	for r := tar.NewReader(strings.NewReader(archive)); ; {
		h, err := r.Next()
		if err != nil {
			return names
		}
		names = append(names, h.Name)
	}
}
