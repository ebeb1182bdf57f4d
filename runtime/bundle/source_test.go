package bundle

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestIsBind(t *testing.T) {
	for _, c := range []struct {
		mount specs.Mount
		want  bool
	}{
		{specs.Mount{Type: "bind"}, true},
		{specs.Mount{Type: "rbind"}, true},
		{specs.Mount{Type: "none", Options: []string{"ro", "rbind"}}, true},
		{specs.Mount{Type: "tmpfs", Options: []string{"bind"}}, true},
		{specs.Mount{Type: "tmpfs", Options: []string{"ro"}}, false},
		{specs.Mount{}, false},
	} {
		if got := IsBind(c.mount); got != c.want {
			t.Errorf("%+v: %v", c.mount, got)
		}
	}
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSourceKinds resolves one file of each kind, by name and through links.
func TestSourceKinds(t *testing.T) {
	d := t.TempDir()
	at := func(name string) string { return filepath.Join(d, name) }
	l, err := net.Listen("unix", at("socket"))
	must(t, err)
	defer func() { _ = l.Close() }()
	must(t,
		os.MkdirAll(at("a/b"), 0o750),
		os.WriteFile(at("file"), nil, 0o640),
		os.WriteFile(at("odd (deleted)"), nil, 0o640),
		os.Symlink("a/b", at("link")),
		os.Symlink(at("link"), at("link2")),
		os.Symlink("nowhere", at("dangling")),
		unix.Mkfifo(at("fifo"), 0o600),
		unix.Mknod(at("null"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))),
		unix.Mknod(at("disk"), unix.S_IFBLK|0o600, int(unix.Mkdev(7, 200))),
		os.Chown(at("file"), 1234, 5678))
	for _, c := range []struct{ source, real, kind, rdev, err string }{
		{source: "a/b", real: "a/b", kind: "dir"},
		{source: "file", real: "file", kind: "file"},
		{source: "odd (deleted)", real: "odd (deleted)", kind: "file"},
		{source: "socket", real: "socket", kind: "socket"},
		{source: "fifo", real: "fifo", kind: "fifo"},
		{source: "null", real: "null", kind: "char", rdev: "1:3"},
		{source: "disk", real: "disk", kind: "block", rdev: "7:200"},
		{source: "link", real: "a/b", kind: "dir"},
		{source: "link2", real: "a/b", kind: "dir"},
		{source: "a/../file", real: "file", kind: "file"},
		{source: "link/..", real: "a", kind: "dir"},
		{source: "a//./b/", real: "a/b", kind: "dir"},
		{source: "dangling", err: "not found"},
		{source: "missing", err: "not found"},
		{source: "file/x", err: "a part of the path is not a folder"},
	} {
		t.Run(c.source, func(t *testing.T) {
			spec, dir := specWith(t, bindOf(d+"/"+c.source))
			r := mustResolve(t, spec, dir, Options{})
			got := r.Facts.Sources[0]
			if c.err != "" {
				if want := (Source{Bind: true, Path: d + "/" + c.source, Err: c.err}); !reflect.DeepEqual(got, want) || r.Source(0) != nil {
					t.Errorf("got %+v, want %+v", got, want)
				}
				return
			}
			var st unix.Stat_t
			must(t, unix.Fstat(int(r.Source(0).Fd()), &st))
			want := Source{
				Bind: true, Path: d + "/" + c.source, Real: at(c.real), Kind: c.kind, UID: st.Uid, GID: st.Gid, Mode: st.Mode,
				Dev: st.Dev, Inode: st.Ino, FSType: got.FSType, FSDev: deviceOf(t, d), FSPath: got.FSPath, Rdev: c.rdev,
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			if !strings.HasSuffix(at(c.real), got.FSPath) || got.FSType == "" {
				t.Errorf("FSPath %q, FSType %q", got.FSPath, got.FSType)
			}
		})
	}
}

// deviceOf is major:minor of a directory on a file system without subvolumes.
func deviceOf(t testing.TB, path string) string {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Stat(path, &st))
	return strconv.Itoa(int(unix.Major(st.Dev))) + ":" + strconv.Itoa(int(unix.Minor(st.Dev)))
}

func TestRelativePathsStartAtTheBundle(t *testing.T) {
	spec, dir := specWith(t, bindOf("rootfs"))
	t.Chdir(dir)
	for _, bundle := range []string{dir, "."} {
		r := mustResolve(t, spec, bundle, Options{})
		for _, s := range []Source{r.Facts.Sources[0], r.Facts.Root} {
			if s.Path != dir+"/rootfs" || s.Real != dir+"/rootfs" || s.Kind != "dir" || !s.Bind {
				t.Errorf("%q: %+v", bundle, s)
			}
		}
	}
}

func TestRootMustBeADirectory(t *testing.T) {
	spec, dir := specWith(t)
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	spec.Root.Path = "file"
	r := mustResolve(t, spec, dir, Options{})
	want := Source{Bind: true, Path: dir + "/file", Err: "a part of the path is not a folder"}
	if !reflect.DeepEqual(r.Facts.Root, want) || r.Root() != nil {
		t.Errorf("%+v", r.Facts.Root)
	}
}

// TestSwapAfterResolve: the descriptor refers to what was judged, whatever the path leads to later.
func TestSwapAfterResolve(t *testing.T) {
	spec, dir := specWith(t)
	good, bad := dir+"/good", dir+"/bad"
	must(t, os.Mkdir(good, 0o755), os.Mkdir(bad, 0o755), os.WriteFile(good+"/mark", nil, 0o600), os.Symlink(good, dir+"/link"))
	spec.Mounts = []specs.Mount{bindOf(dir + "/link"), bindOf(good)}
	r := mustResolve(t, spec, dir, Options{})
	must(t, os.Remove(dir+"/link"), os.Symlink(bad, dir+"/link"), os.Rename(good, dir+"/away"), os.Symlink(bad, good))
	for i := range spec.Mounts {
		var st unix.Stat_t
		must(t, unix.Fstatat(int(r.Source(i).Fd()), "mark", &st, 0), unix.Fstat(int(r.Source(i).Fd()), &st))
		if st.Ino != r.Facts.Sources[i].Inode || st.Dev != r.Facts.Sources[i].Dev {
			t.Errorf("source %d is another file now", i)
		}
	}
}

// TestDeletedSource opens a file that is deleted before it is described.
func TestDeletedSource(t *testing.T) {
	path := t.TempDir() + "/file"
	must(t, os.WriteFile(path, nil, 0o600))
	h := openPath(path, false)
	defer func() { _ = h.file.Close() }()
	must(t, os.Remove(path))
	r, err := newResolver()
	must(t, err)
	defer r.close()
	if got, want := r.source(h), (Source{Bind: true, Path: path, Err: "was deleted"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	must(t, os.WriteFile(path+" (deleted)", nil, 0o600))
	if got := r.source(h); got.Err != "was deleted" {
		t.Errorf("another file of that name hides it: %+v", got)
	}
}

// TestCloseClosesAll counts descriptors, and looks at their flags while they are open.
func TestCloseClosesAll(t *testing.T) {
	count := func() int {
		names, err := filepath.Glob("/proc/self/fd/*")
		must(t, err)
		return len(names)
	}
	spec, dir := specWith(t, bindOf("/etc/hostname"), bindOf("/nowhere"), bindOf("/usr"))
	spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: "uts", Path: "/proc/self/ns/uts"}, {Type: "ipc", Path: "/proc/self/ns/uts"}}
	before := count()
	r, err := Resolve(spec, dir, Options{Protected: []ProtectedPath{{Path: "/etc"}, {Path: "/bin"}, {Path: "/home/*/.ssh"}}})
	must(t, err)
	if got := count() - before; got != 4 {
		t.Errorf("%d descriptors, want 4: two sources, the root, a namespace", got)
	}
	for _, f := range []*os.File{r.Source(0), r.Source(2), r.Root(), r.Namespace(0)} {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v", f.Name(), flags, err)
		}
	}
	r.Close()
	r.Close()
	if got := count(); got != before {
		t.Errorf("%d descriptors left open", got-before)
	}
	if r.Source(0) != nil || r.Source(-1) != nil || r.Source(99) != nil || r.Root() != nil || r.Namespace(0) != nil {
		t.Error("a closed file is handed out")
	}
}
