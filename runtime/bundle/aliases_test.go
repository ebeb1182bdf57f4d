package bundle

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// knows tells whether what a source is at in its file system is protected for the sake of a path.
func knows(t *testing.T, spec *specs.Spec, dir, source string, p ProtectedPath, wanted string) bool {
	t.Helper()
	spec.Mounts = []specs.Mount{bindOf(source)}
	r := mustResolve(t, spec, dir, Options{Protected: []ProtectedPath{p}})
	defer r.Close()
	s := r.Facts.Sources[0]
	if s.Err != "" {
		t.Fatalf("%s: %s", source, s.Err)
	}
	return slices.ContainsFunc(r.Facts.Protected, func(q ProtectedPath) bool {
		return q.Path == wanted && q.Class == p.Class && q.FSDev == s.FSDev && q.FSPath == s.FSPath
	})
}

// TestLayersByOtherNames: the layers of an overlay are found when the overlay was mounted by a relative path, through a symbolic link,
// or by names that have changed since.
func TestLayersByOtherNames(t *testing.T) {
	for name, mountIt := range map[string]string{
		"relative":         `cd "$1" && mount -t overlay overlay -o "lowerdir=low:$1/lowest,upperdir=$1/high,workdir=$1/work" "$1/shown"`,
		"relative alone":   `cd "$1" && mount -t overlay overlay -o "lowerdir=low:lowest" "$1/shown"`,
		"relative upwards": `mkdir "$1/x" && cd "$1/x" && mount -t overlay overlay -o "lowerdir=../low:../lowest,upperdir=../high,workdir=../work" "$1/shown"`,
		"a link":           `ln -s . "$1/l" && mount -t overlay overlay -o "lowerdir=$1/l/low:$1/l/lowest,upperdir=$1/high,workdir=$1/work" "$1/shown"`,
		"a relative link":  `mkdir "$1/l" && ln -s ../low "$1/l/ABC" && ln -s ../lowest "$1/l/DEF" && cd "$1" && mount -t overlay overlay -o "lowerdir=l/ABC:l/DEF,upperdir=high,workdir=work" "$1/shown"`,
		"renamed": `mkdir "$1/before" "$1/before/low" "$1/before/lowest" && cp -a "$1"/low/. "$1/before/low" && cp -a "$1"/lowest/. "$1/before/lowest" && rm -r "$1/low" "$1/lowest" &&
			mount -t overlay overlay -o "lowerdir=$1/before/low:$1/before/lowest,upperdir=$1/high,workdir=$1/work" "$1/shown" && mv "$1/before/low" "$1/before/lowest" "$1"`,
	} {
		t.Run(name, func(t *testing.T) {
			spec, dir := specWith(t)
			for _, d := range []string{"/low", "/lowest/ssh", "/high", "/work", "/shown"} {
				must(t, os.MkdirAll(dir+d, 0o755))
			}
			must(t, os.WriteFile(dir+"/low/key", []byte("k"), 0o600), os.WriteFile(dir+"/lowest/ssh/host", []byte("h"), 0o600))
			privateMounts(t)
			if out, err := exec.Command("sh", "-c", mountIt, "sh", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Cleanup(func() { must(t, unix.Unmount(dir+"/shown", unix.MNT_DETACH)) })
			if name == "renamed" && !givesHandles(dir+"/shown") {
				t.Skip("this kernel's overlays give no handles of files (Linux 6.6)")
			}
			for protected, source := range map[string]string{dir + "/shown/key": dir + "/low/key", dir + "/shown/ssh": dir + "/lowest/ssh"} {
				if !knows(t, spec, dir, source, ProtectedPath{Path: protected, Class: "refused"}, protected) {
					t.Errorf("%s is not known as %s", source, protected)
				}
			}
		})
	}
}

// givesHandles tells whether an overlay gives handles of its files.
func givesHandles(name string) bool {
	_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, name, atHandleFID)
	return err == nil
}

// TestHomesInLayers: patterns are filled in with the names that a source in a layer can touch.
func TestHomesInLayers(t *testing.T) {
	spec, dir := specWith(t)
	must(t, os.MkdirAll(dir+"/low/home/ann/.ssh", 0o755), os.MkdirAll(dir+"/high", 0o755), os.MkdirAll(dir+"/work", 0o755))
	privateMounts(t)
	mount(t, "overlay", dir+"/shown", "overlay", 0, "lowerdir="+dir+"/low,upperdir="+dir+"/high,workdir="+dir+"/work")
	p := ProtectedPath{Path: dir + "/shown/home/*/.ssh", Class: "readonly"}
	if !knows(t, spec, dir, dir+"/low/home/ann/.ssh", p, dir+"/shown/home/ann/.ssh") {
		t.Error("a home in a layer is not known")
	}
}

// TestOverlayOfProtected: a protected directory that an overlay shows elsewhere is known there.
func TestOverlayOfProtected(t *testing.T) {
	spec, dir := specWith(t)
	must(t, os.MkdirAll(dir+"/etc/ssh/keys", 0o755), os.MkdirAll(dir+"/home/ann/.ssh", 0o755), os.MkdirAll(dir+"/empty", 0o755))
	privateMounts(t)
	mount(t, "overlay", dir+"/whole", "overlay", 0, "lowerdir="+dir+"/empty:"+dir+"/etc")
	mount(t, "overlay", dir+"/part", "overlay", 0, "lowerdir="+dir+"/empty:"+dir+"/etc/ssh")
	mount(t, "overlay", dir+"/homes", "overlay", 0, "lowerdir="+dir+"/empty:"+dir+"/home")
	must(t, os.Symlink("etc/ssh/keys", dir+"/l"))
	mount(t, "overlay", dir+"/link", "overlay", 0, "lowerdir="+dir+"/empty:"+dir+"/l/../../ssh")
	ssh := dir + "/etc/ssh"
	must(t, os.MkdirAll(dir+"/a,b", 0o755), os.MkdirAll(dir+"/comma", 0o755))
	// A name with a comma before "..": the mount options end there for who decodes them before splitting.
	if out, err := exec.Command("mount", "-i", "-t", "overlay", "overlay", "-o", "lowerdir="+dir+"/empty:"+dir+`/a\,b/../etc`, dir+"/comma").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir+"/comma", unix.MNT_DETACH)) })
	for source, p := range map[string]ProtectedPath{
		dir + "/whole/ssh":       {Path: ssh, Class: "refused"},
		dir + "/comma/ssh":       {Path: ssh, Class: "refused"},
		dir + "/part":            {Path: ssh, Class: "refused"},
		dir + "/link":            {Path: ssh, Class: "refused"},
		dir + "/homes/ann/.ssh":  {Path: dir + "/home/ann/.ssh", Class: "refused"},
		dir + "/homes//ann/.ssh": {Path: dir + "/home/*/.ssh", Class: "refused"},
	} {
		wanted := p.Path
		if strings.HasPrefix(p.Path, dir+"/home/") {
			wanted = dir + "/home/ann/.ssh"
		}
		if !knows(t, spec, dir, source, p, wanted) {
			t.Errorf("%s is not known as %s", source, wanted)
		}
	}
	for _, p := range []ProtectedPath{{Path: dir, Class: "engine"}, {Path: dir, Class: "self"}} {
		if knows(t, spec, dir, dir+"/part", p, dir) {
			t.Errorf("an overlay of an ordinary directory below %s is taken for it (class %s)", dir, p.Class)
		}
	}
}

// TestAliasesOfMounts: what is mounted below a protected directory is known where it is mounted as well, and so is what a
// mount on a protected directory covers.
func TestAliasesOfMounts(t *testing.T) {
	spec, dir := specWith(t)
	must(t, os.MkdirAll(dir+"/etc/below", 0o755), os.MkdirAll(dir+"/var", 0o755))
	privateMounts(t)
	mount(t, dir, dir+"/all", "", unix.MS_BIND, "")
	mount(t, "tmpfs", dir+"/etc/below", "tmpfs", 0, "")
	mount(t, dir+"/etc/below", dir+"/alias", "", unix.MS_BIND, "")
	mount(t, "tmpfs", dir+"/var", "tmpfs", 0, "")
	for source, c := range map[string]struct{ protected, wanted string }{
		dir + "/alias":   {dir + "/etc", dir + "/etc/below"},
		dir + "/all/var": {dir + "/var", dir + "/var"},
	} {
		if !knows(t, spec, dir, source, ProtectedPath{Path: c.protected, Class: "refused"}, c.wanted) {
			t.Errorf("%s is not known as %s", source, c.wanted)
		}
	}
}

// TestTwins: a file system that is mounted from a second block device, as a loop device or a snapshot is one, is known as the
// same.
func TestTwins(t *testing.T) {
	spec, dir := specWith(t)
	privateMounts(t)
	script := `set -e
truncate -s 8M "$1/disk"; mkfs.ext4 -q "$1/disk"; cp "$1/disk" "$1/copy"
mkdir "$1/one" "$1/two"; mount -o loop "$1/disk" "$1/one"; mkdir -p "$1/one/etc" "$1/one/home/ann/.ssh"; umount "$1/one"; cp "$1/disk" "$1/copy"
mount -o loop "$1/disk" "$1/one"; mount -o loop "$1/copy" "$1/two"`
	if out, err := exec.Command("sh", "-c", script, "sh", dir).CombinedOutput(); err != nil {
		t.Skipf("mount a disk twice: %v: %s", err, out)
	}
	t.Cleanup(func() { must(t, unix.Unmount(dir+"/one", 0), unix.Unmount(dir+"/two", 0)) })
	if !knows(t, spec, dir, dir+"/two/etc", ProtectedPath{Path: dir + "/one/etc", Class: "refused"}, dir+"/one/etc") {
		t.Error("the twin is not known")
	}
	p := ProtectedPath{Path: dir + "/one/home/*/.ssh", Class: "readonly"}
	if !knows(t, spec, dir, dir+"/two/home/ann/.ssh", p, dir+"/one/home/ann/.ssh") {
		t.Error("a home on the twin is not known")
	}
}
