package bundle

import (
	"os"
	"reflect"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func pathsOf(protected []ProtectedPath) []string {
	var paths []string
	for _, p := range protected {
		paths = append(paths, p.Path)
	}
	return paths
}

// TestProtectedPaths: links in every position lead to the same place; what is not there is dropped; order is kept.
func TestProtectedPaths(t *testing.T) {
	spec, dir := specWith(t)
	must(t, os.MkdirAll(dir+"/real/below", 0o755), os.WriteFile(dir+"/real/below/key", nil, 0o600),
		os.Symlink("real", dir+"/link"), os.Symlink("key", dir+"/real/below/alias"), os.Symlink("nowhere", dir+"/dangling"))
	spec.Mounts = []specs.Mount{bindOf(dir + "/real/below/key"), bindOf(dir + "/real"), bindOf("/")}
	table := []ProtectedPath{
		{Path: dir + "/real/below/key", Class: "refused", Why: "a key"},
		{Path: dir + "/missing", Class: "refused"}, {Path: dir + "/missing/below", Class: "refused"},
		{Path: dir + "/dangling", Class: "refused"}, {Path: dir + "/real/below/key/x", Class: "refused"},
		{Path: dir + "/link/below/alias", Class: "readonly", Why: "the same key"},
		{Path: dir + "/link", Class: "self", Why: "a directory"},
		{Path: "/", Class: "refused", Why: "everything"},
	}
	r := mustResolve(t, spec, dir, Options{Protected: table, StateDir: dir + "/real/"})
	s := r.Facts.Sources
	at := func(path string, s Source, class, why string) ProtectedPath {
		return ProtectedPath{Path: path, FSDev: s.FSDev, FSPath: s.FSPath, Dev: s.Dev, Inode: s.Inode, Class: class, Why: why}
	}
	want := []ProtectedPath{
		at(table[0].Path, s[0], "refused", "a key"), at(table[5].Path, s[0], "readonly", "the same key"),
		at(table[6].Path, s[1], "self", "a directory"), at("/", s[2], "refused", "everything"),
		at(dir+"/real/", s[1], "refused", "bulkhead's own state"),
	}
	if !reflect.DeepEqual(r.Facts.Protected, want) {
		t.Errorf("got  %+v\nwant %+v", r.Facts.Protected, want)
	}
}

// TestPatterns: "*" stands for the names that a source can touch.
func TestPatterns(t *testing.T) {
	spec, dir := specWith(t)
	home, data := dir+"/home", dir+"/data"
	for _, name := range []string{"ann", "bob", "eve"} {
		must(t, os.MkdirAll(home+"/"+name+"/.ssh", 0o700))
	}
	must(t, os.MkdirAll(data+"/zoe/.ssh", 0o700), os.Symlink(data+"/zoe", home+"/zoe"), os.MkdirAll(dir+"/alias", 0o700))
	privateMounts(t)
	mount(t, home+"/bob", dir+"/alias", "", unix.MS_BIND, "")
	mount(t, "tmpfs", home+"/eve", "tmpfs", 0, "")
	must(t, os.MkdirAll(home+"/eve/.ssh", 0o700))
	mount(t, home+"/eve", dir+"/other", "", unix.MS_BIND, "")
	ssh := func(names ...string) (paths []string) {
		for _, n := range names {
			paths = append(paths, home+"/"+n+"/.ssh")
		}
		return paths
	}
	for _, c := range []struct {
		source string
		want   []string
	}{
		{"/usr", ssh("zoe")},
		{home + "/ann/.ssh", ssh("ann", "zoe")},
		{home + "/nobody", ssh("zoe")},
		{dir + "/alias", ssh("bob", "zoe")},
		{dir + "/other", ssh("eve", "zoe")},
		{home, ssh("ann", "bob", "eve", "zoe")},
		{dir, ssh("ann", "bob", "eve", "zoe")},
		{"/", ssh("ann", "bob", "eve", "zoe")},
	} {
		spec.Mounts = []specs.Mount{bindOf(c.source)}
		r := mustResolve(t, spec, dir, Options{Protected: []ProtectedPath{{Path: home + "/*/.ssh"}, {Path: home + "/*/.gone"}}})
		got := pathsOf(slices.DeleteFunc(slices.Clone(r.Facts.Protected), func(p ProtectedPath) bool { return p.Why == covered }))
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.source, got, c.want)
		}
		for _, p := range r.Facts.Protected {
			if p.Path == home+"/zoe/.ssh" && p.FSPath[len(p.FSPath)-len("/data/zoe/.ssh"):] != "/data/zoe/.ssh" {
				t.Errorf("the link is not followed: %+v", p)
			}
		}
		r.Close()
	}
}

func TestEngineRoots(t *testing.T) {
	for _, c := range []struct {
		name, dir, root, upper string
		want                   []string
	}{
		{
			"Docker, overlay2", "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/abc", "/srv/docker/overlay2/abc/merged", "/srv/docker/overlay2/abc/diff",
			[]string{"/run/docker/containerd/daemon", "/srv/docker"},
		},
		{
			"Docker, snapshotter", "/run/containerd/io.containerd.runtime.v2.task/moby/abc", "/srv/docker/rootfs/overlayfs/abc", "/srv/docker/containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs",
			[]string{"/run/containerd", "/srv/docker", "/srv/docker/containerd/daemon"},
		},
		{
			"containerd", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/abc", "/run/containerd/io.containerd.runtime.v2.task/k8s.io/abc/rootfs", "/data/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs",
			[]string{"/run/containerd", "/data"},
		},
		{
			"podman", "/srv/containers/storage/overlay-containers/abc/userdata", "/srv/containers/storage/overlay/abc/merged", "/srv/containers/storage/overlay/abc/diff",
			[]string{"/srv/containers/storage"},
		},
		{"Docker, vfs", "/b", "/srv/docker/vfs/dir/abc", "", []string{"/srv/docker"}},
		{"a plain bundle", "/home/me/b", "/home/me/b/rootfs", "", nil},
		{"nothing above", "/overlay2/abc/diff", "/b/rootfs", "diff", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := engineRoots(c.dir, Source{Path: c.root, Real: c.root}, c.upper)
			if !reflect.DeepEqual(pathsOf(got), c.want) {
				t.Errorf("got %q, want %q", pathsOf(got), c.want)
			}
			for _, p := range got {
				if p.Class != "engine" || p.Why == "" {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}
