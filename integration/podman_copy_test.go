package integration

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the scenarios of podman cp copy, as made by a shell in a directory: owners, modes, and links of both kinds.
const (
	copyTree = "mkdir -p tree/sub && echo one >tree/file && chown 7:8 tree/file && chmod 640 tree/file && ln tree/file tree/sub/hard && " +
		"ln -s ../file tree/sub/soft && ln -s /gone tree/sub/dangling && echo two >tree/sub/other && chown 1000:1000 tree/sub/other && chown 9:10 tree/sub"
	showTree = "cd $1 && find . | sort | while read -r f; do stat -c '%n %F %a %u:%g' $f; readlink $f || :; done; cat file sub/other sub/hard"
)

// show lists a copied tree inside a container.
func (p *podman) show(t testing.TB, container, dir string) string {
	t.Helper()
	return p.do(t, "exec", container, "sh", "-ec", showTree, "sh", dir)
}

// What a tree is where podman cp has put it: it gives everything the user of the container, or with --archive=false keeps owners.
const (
	copiedTree = `. directory 755 0:0
./file regular file 640 0:0
./sub directory 755 0:0
./sub/dangling symbolic link 777 0:0
/gone
./sub/hard regular file 640 0:0
./sub/other regular file 644 0:0
./sub/soft symbolic link 777 0:0
../file
one
two
one`
	keptTree = `. directory 755 0:0
./file regular file 640 7:8
./sub directory 755 9:10
./sub/dangling symbolic link 777 0:0
/gone
./sub/hard regular file 640 7:8
./sub/other regular file 644 1000:1000
./sub/soft symbolic link 777 0:0
../file
one
two
one`
)

// hostTree makes the tree on the host.
func hostTree(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-ec", copyTree)
	cmd.Dir = dir
	must(t, run(t, cmd))
	return filepath.Join(dir, "tree")
}

// archived lists the archive that podman cp writes to its standard output.
func (p *podman) archived(t testing.TB, from string) string {
	t.Helper()
	var out strings.Builder
	r := tar.NewReader(bytes.NewReader([]byte(p.try(t, "cp", from, "-").stdout)))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return strings.TrimSpace(out.String())
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %c %o %d:%d %s\n", filepath.Clean(h.Name), h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname)
	}
}

// podmanCopyOut copies out of a running container: what podman cp reads in the container's mount namespace is what the
// container has at that moment, volumes and file systems in memory among it.
func podmanCopyOut(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "out", "--tmpfs", "/mem", "-v", "outvol:/vol", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "out"); p.do(t, "volume", "rm", "outvol") })
	dir := t.TempDir()
	for i, place := range []string{"/root", "/mem", "/vol"} {
		p.do(t, "exec", "-w", place, "out", "sh", "-ec", copyTree)
		equal(t, "archive of "+place, p.archived(t, "out:"+place+"/tree/sub"), `sub 5 755 0:0 
sub/dangling 2 777 0:0 /gone
sub/hard 0 640 0:0 
sub/other 0 644 0:0 
sub/soft 2 777 0:0 ../file`)
		to := fmt.Sprint(dir, "/", i)
		p.do(t, "cp", "out:"+place+"/tree", to)
		equal(t, "copy of "+place, must(t, run(t, exec.Command("sh", "-ec", showTree, "sh", to))), copiedTree)
	}
	for _, content := range []string{"first\n", "second\n"} {
		p.do(t, "exec", "out", "sh", "-c", "printf '"+content+"' >/root/new && mv /root/new /root/changing")
		p.do(t, "cp", "out:/root/changing", dir+"/changing")
		data, err := os.ReadFile(dir + "/changing")
		equal(t, "what changes", string(data), content)
		equal(t, "error", err, nil)
	}
}

// copyBothWays copies in, has the container change what came, and copies it out again, all by podman cp, while hold and release
// stand around each copy.
func (p *podman) copyBothWays(t *testing.T, name string, hold, release func()) {
	t.Helper()
	tree, dir := hostTree(t), t.TempDir()
	cp := func(args ...string) {
		t.Helper()
		hold()
		defer release()
		p.do(t, append([]string{"cp"}, args...)...)
	}
	cp(tree, name+":/root") // under its own name: podman loses hard links in a tree that it renames, with every runtime
	equal(t, "copied in", p.show(t, name, "/root/tree"), copiedTree)
	cp("--archive=false", tree, name+":/home")
	equal(t, "copied in with its owners", p.show(t, name, "/home/tree"), keptTree)
	p.do(t, "exec", name, "sh", "-ec", "cd /root/tree; echo changed >new; mv new file; mkdir more; rm sub/other")
	cp(name+":/root/tree", dir+"/out")
	equal(t, "copied out", must(t, run(t, exec.Command("sh", "-ec", "cd $1; find . | sort; cat file", "sh", dir+"/out"))),
		".\n./file\n./more\n./sub\n./sub/dangling\n./sub/hard\n./sub/soft\nchanged")
	cp(tree+"/file", name+":/root/tree/file")
	equal(t, "a file in place of another", p.do(t, "exec", name, "sh", "-c", "cat /root/tree/file; stat -c %u:%g /root/tree/file"), "one\n0:0")
}

// podmanCopyPaused: of a container that does not run at the moment podman works on its own mount of the root, which is the
// view of the container's.
func podmanCopyPaused(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "paused", "-v", "pausedvol:/vol", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "paused"); p.do(t, "volume", "rm", "pausedvol") })
	hold, release := func() { p.do(t, "pause", "paused") }, func() { p.do(t, "unpause", "paused") }
	p.copyBothWays(t, "paused", hold, release)
	hold()
	p.do(t, "cp", hostTree(t), "paused:/vol")
	release()
	equal(t, "copied into a volume", p.show(t, "paused", "/vol/tree"), copiedTree)
}

// podmanCopyMapped: podman knows the mapping that it made itself, and translates.
func podmanCopyMapped(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "mapped", "--userns=auto:size=65536", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "mapped") })
	p.copyBothWays(t, "mapped", func() {}, func() {})
}

// podmanCopyIn: podman cp enters the mount namespace of a container that runs as host root, whose ID has no place in a root that
// is shown through a range. That is an error, which leaves nothing behind, neither inside nor on the engine's side.
func podmanCopyIn(t *testing.T, p *podman) {
	p.do(t, p.args("-d", "--name", "in", "--tmpfs", "/mem", "-v", "involv:/vol", "box", "sleep", "1000")...)
	t.Cleanup(func() { p.do(t, "rm", "-f", "-t", "0", "in"); p.do(t, "volume", "rm", "involv") })
	tree := hostTree(t)
	for _, place := range []string{"/root", "/mem", "/vol"} {
		for _, from := range []string{tree, tree + "/file"} {
			refused(t, p.try(t, "cp", from, "in:"+place+"/new"), "value too large for defined data type")
			equal(t, "left in "+place, p.do(t, "exec", "in", "ls", "-A", place), "")
		}
	}
	equal(t, "changes", strings.Contains(p.do(t, "diff", "in"), "/root/"), false)
	pack := p.onHost("tar", "-c", "-C", filepath.Dir(tree), "tree")
	unpack := p.command(p.global("exec", "-i", "in", "tar", "-x", "-C", "/vol")...)
	archive, err := pack.Output()
	equal(t, "error", err, nil)
	unpack.Stdin = bytes.NewReader(archive)
	must(t, run(t, unpack))
	equal(t, "unpacked by a program of the image", p.show(t, "in", "/vol/tree"), keptTree)
}

// podmanViewKilled: podman reads the container's users at its own mount before it calls the runtime, so its exec does not make a new view as
// Docker's does. bulkheadctl does.
func podmanViewKilled(t *testing.T, p *podman) {
	p.background(t, "dead", "sleep", "1000")
	pids := viewProcesses(t, p.do(t, "inspect", "-f", "{{.Id}}", "dead"))
	equal(t, "servers", len(pids), 1)
	must(t, run(t, exec.Command("kill", "-KILL", fmt.Sprint(pids[0]))))
	eventually(t, "its end", func() error {
		if err := p.command(p.global("exec", "dead", "true")...).Run(); err == nil {
			return fmt.Errorf("exec works")
		}
		return nil
	})
	refused(t, p.try(t, "exec", "dead", "true"), "transport endpoint is not connected")
	must(t, run(t, p.onHost(filepath.Join(filepath.Dir(p.runtime), "bulkheadctl"), "views", "show", "--root", "/run/bulkhead/containers")))
	equal(t, "exec", p.do(t, "exec", "dead", "echo", "fine"), "fine")
	equal(t, "the archive", strings.Contains(p.archived(t, "dead:/data/seed"), "seed"), true)
}
