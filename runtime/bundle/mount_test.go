package bundle

import (
	"os"
	"reflect"
	"runtime"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// privateMounts gives the test a thread with a mount namespace of its own, which ends with the test.
func privateMounts(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread is thrown away
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		t.Skipf("unshare a mount namespace: %v", err)
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// mount mounts below a temporary directory and unmounts before that directory is removed.
func mount(t *testing.T, source, target, fsType string, flags uintptr, data string) {
	t.Helper()
	must(t, os.MkdirAll(target, 0o755))
	if err := unix.Mount(source, target, fsType, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", fsType, target, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(target, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", target, err)
		}
	})
}

// TestBindAliases: a directory under another name is the same place in its file system.
func TestBindAliases(t *testing.T) {
	spec, dir := specWith(t)
	secret, alias := dir+"/secret", dir+"/alias dir"
	must(t, os.MkdirAll(secret+"/keys", 0o755))
	privateMounts(t)
	mount(t, secret, alias, "", unix.MS_BIND, "")
	mount(t, alias+"/keys", dir+"/again", "", unix.MS_BIND, "")
	spec.Mounts = []specs.Mount{bindOf(secret), bindOf(alias), bindOf(secret + "/keys"), bindOf(alias + "/keys"), bindOf(dir + "/again")}
	r := mustResolve(t, spec, dir, Options{Protected: []ProtectedPath{{Path: alias, Class: "refused", Why: "w"}}})
	s := r.Facts.Sources
	for _, pair := range [][2]int{{0, 1}, {2, 3}, {2, 4}} {
		a, b := s[pair[0]], s[pair[1]]
		if a.FSDev != b.FSDev || a.FSPath != b.FSPath || a.FSPath == "" || a.Real == b.Real {
			t.Errorf("not the same place:\n%+v\n%+v", a, b)
		}
	}
	if s[1].Real != alias || s[2].FSPath != s[0].FSPath+"/keys" {
		t.Errorf("%+v", s)
	}
	want := []ProtectedPath{{Path: alias, FSDev: s[0].FSDev, FSPath: s[0].FSPath, Dev: s[0].Dev, Inode: s[0].Inode, Class: "refused", Why: "w"}}
	want = append(want, elsewhere(want[0], s[0].FSDev, alias, covered))
	if !reflect.DeepEqual(r.Facts.Protected, want) {
		t.Errorf("protected %+v, want %+v", r.Facts.Protected, want)
	}
}

// TestMountsOfSources: read-only mounts, mounts below a source, mounts over a source.
func TestMountsOfSources(t *testing.T) {
	spec, dir := specWith(t)
	privateMounts(t)
	mount(t, "tmpfs", dir+"/t", "tmpfs", unix.MS_RDONLY, "")
	mount(t, "tmpfs", dir+"/v", "tmpfs", 0, "")
	mount(t, "tmpfs", dir+"/v/x/y", "tmpfs", 0, "")
	mount(t, dir+"/v", dir+"/v/a", "", unix.MS_BIND, "")
	before := openPath(dir+"/rootfs", true)
	defer func() { _ = before.file.Close() }()
	mount(t, "tmpfs", dir+"/rootfs", "tmpfs", 0, "")
	spec.Mounts = []specs.Mount{bindOf(dir + "/t"), bindOf(dir + "/v"), bindOf(dir + "/v/x")}
	r := mustResolve(t, spec, dir, Options{})
	s := r.Facts.Sources
	if !s[0].Readonly || s[0].FSType != "tmpfs" || s[0].FSPath != "/" {
		t.Errorf("%+v", s[0])
	}
	y := deviceOf(t, dir+"/v/x/y")
	if want := []Submount{{"/a", "tmpfs", deviceOf(t, dir+"/v"), "/"}, {"/x/y", "tmpfs", y, "/"}}; s[1].Readonly || !reflect.DeepEqual(s[1].Submounts, want) {
		t.Errorf("got %+v, want submounts %+v", s[1], want)
	}
	if want := []Submount{{"/y", "tmpfs", y, "/"}}; !reflect.DeepEqual(s[2].Submounts, want) {
		t.Errorf("got %+v, want submounts %+v", s[2], want)
	}
	if r.Facts.Root.FSType != "tmpfs" {
		t.Errorf("root %+v", r.Facts.Root)
	}
	res, err := newResolver()
	must(t, err)
	defer res.close()
	if under := res.source(before); under.Err != "" || under.FSType == "tmpfs" || under.Inode == r.Facts.Root.Inode {
		t.Errorf("what the mount covers: %+v", under)
	}
}

// TestOverlayRoot: the place of a file in an overlay, and the engine's root from the upper directory.
func TestOverlayRoot(t *testing.T) {
	spec, dir := specWith(t)
	privateMounts(t)
	state := dir + "/docker data"
	layer := state + "/overlay2/abc"
	must(t, os.MkdirAll(layer+"/diff", 0o755), os.MkdirAll(layer+"/work", 0o755), os.MkdirAll(state+"/lower/etc", 0o755))
	mount(t, "overlay", dir+"/rootfs", "overlay", 0, "lowerdir="+state+"/lower,upperdir="+layer+"/diff,workdir="+layer+"/work")
	spec.Mounts = []specs.Mount{bindOf(dir + "/rootfs/etc")}
	r := mustResolve(t, spec, dir, Options{})
	if s := r.Facts.Sources[0]; s.FSType != "overlay" || s.FSPath != "/etc" || s.FSDev != r.Facts.Root.FSDev || r.Facts.Root.FSPath != "/" {
		t.Errorf("%+v\n%+v", s, r.Facts.Root)
	}
	if p := r.Facts.Protected; len(p) != 1 || p[0].Path != state || p[0].Class != "engine" || p[0].Inode != inode(t, state) {
		t.Errorf("protected %+v", p)
	}
}

// TestOtherMountNamespaces: magic links into this mount namespace lead to the same place; those into another one lead
// to what this one cannot locate.
func TestOtherMountNamespaces(t *testing.T) {
	ns, _ := sleeper(t, unix.CLONE_NEWNS)
	spec, dir := specWith(t, bindOf("/proc/thread-self/root/etc"), bindOf("/etc"), bindOf(ns+"../root/etc"), bindOf(ns+"net"))
	s := mustResolve(t, spec, dir, Options{}).Facts.Sources
	if s[0].Real != "/etc" || s[0].FSPath != s[1].FSPath || s[0].FSDev != s[1].FSDev {
		t.Errorf("%+v", s[0])
	}
	if want := (Source{Bind: true, Path: ns + "../root/etc", Err: "its mount is not in this mount namespace"}); !reflect.DeepEqual(s[2], want) {
		t.Errorf("got %+v, want %+v", s[2], want)
	}
	if s[3].Err == "" || s[3].Real != "" {
		t.Errorf("a namespace file: %+v", s[3])
	}
}
