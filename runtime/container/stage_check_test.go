package container

import (
	"os"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// TestCheckStaged: mounts that were judged go along into the container, one that came between is an error.
func TestCheckStaged(t *testing.T) {
	for name, c := range map[string]struct {
		late string // where something is mounted after the source was judged
		want string
	}{
		"nothing new": {"", ""},
		"below":       {"/new", `was mounted at "SOURCE/new" while it was prepared`},
		"on top":      {"", `was mounted at "SOURCE" while it was prepared`},
		"on another":  {"/old", `was mounted at "SOURCE/old" while it was prepared`},
	} {
		t.Run(name, func(t *testing.T) {
			runtime.LockOSThread() // never unlocked: the thread is thrown away
			if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
				t.Skipf("unshare a mount namespace: %v", err)
			}
			dir := t.TempDir()
			source, place := dir+"/source", dir+"/staged"
			if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
				t.Fatal(err)
			}
			mountTmpfs(t, source+"/old")
			for _, d := range []string{source + "/new", place} {
				if err := os.MkdirAll(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			f, src := describeOne(t, source)
			if name != "nothing new" {
				mountTmpfs(t, source+c.late)
			}
			mnt, err := userns.Clone(f, nil, true)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = mnt.Close() }()
			if err := userns.Attach(mnt, place); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				for unix.Unmount(place, unix.MNT_DETACH) == nil { // the clone, and what is on top of it
				}
			})
			create := &creation{}
			err = create.noteStaged(mnt, place, src)
			if err == nil {
				err = create.checkStaged()
			}
			if want := strings.ReplaceAll(c.want, "SOURCE", source); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func mountTmpfs(t *testing.T, at string) {
	t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(at, unix.MNT_DETACH) })
}

// describeOne opens a directory and describes it as the source of a bind.
func describeOne(t *testing.T, source string) (*os.File, bundle.Source) {
	t.Helper()
	spec := specWithBind(source)
	r, err := bundle.Resolve(spec, t.TempDir(), bundle.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Facts.Sources[0].Err; err != "" {
		t.Fatal(err)
	}
	return r.Source(0), r.Facts.Sources[0]
}

func specWithBind(source string) *specs.Spec {
	return &specs.Spec{
		Root: &specs.Root{Path: "/"}, Linux: &specs.Linux{},
		Mounts: []specs.Mount{{Destination: "/given", Type: "bind", Source: source, Options: []string{"rbind"}}},
	}
}
