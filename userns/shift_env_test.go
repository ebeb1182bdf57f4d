package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var testRange = Range{Start: 700000, Size: 65536}

// ownMounts gives the test a thread and a mount namespace of its own and an empty directory that the range may traverse.
// The thread is never unlocked: it ends with the test, and the namespace with it.
func ownMounts(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	runtime.LockOSThread()
	must(t, unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS))
	must(t, unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""))
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o711))
	must(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Fatalf("error\n got %v\nwant %s", err, want)
	}
}

func namespace(t testing.TB, r Range) *os.File {
	t.Helper()
	ns, err := NewNamespace(r)
	must(t, err)
	t.Cleanup(func() { closeAll(ns) })
	return ns
}

func openPath(t testing.TB, path string) *os.File {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	f := os.NewFile(uintptr(fd), path)
	t.Cleanup(func() { closeAll(f) })
	return f
}

func mkdirs(t testing.TB, paths ...string) {
	t.Helper()
	for _, path := range paths {
		must(t, os.MkdirAll(path, 0o755))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

// An image is laid out as Docker's overlay2 does it: home/ID/{diff,work,merged}, home/l/... for the layers.
type image struct{ home, upper, work, merged string }

func newImage(t testing.TB, home string) image {
	c := filepath.Join(home, "c1")
	i := image{home, filepath.Join(c, "diff"), filepath.Join(c, "work"), filepath.Join(c, "merged")}
	mkdirs(t, i.upper, i.work, i.merged, filepath.Join(home, "l"))
	return i
}

// layer makes a layer with one file of its own name, found by the short link home/l/NAME.
func (i image) layer(t testing.TB, name string) string {
	dir := filepath.Join(i.home, name, "diff")
	mkdirs(t, dir)
	write(t, filepath.Join(dir, "from-"+name), name)
	must(t, os.Symlink(filepath.Join("..", name, "diff"), filepath.Join(i.home, "l", name)))
	return dir
}

func (i image) mount(t testing.TB, lower ...string) *os.File {
	t.Helper()
	must(t, unix.Mount("overlay", i.merged, "overlay", 0, fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s",
		strings.Join(lower, ":"), i.upper, i.work)))
	return openPath(t, i.merged)
}

// shift shifts root and attaches it at a new directory, whose path it gives.
func shift(t testing.TB, root *os.File, r Range, ways []overlayWay) (*Shifted, string) {
	t.Helper()
	s, err := shiftOverlay(root, r, namespace(t, r), nil, nil, ways)
	skipOnOldKernel(t, err)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s, attach(t, s.Mount)
}

// skipOnOldKernel skips a test of one way of mounting that the kernel does not know.
func skipOnOldKernel(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errOldKernel) {
		t.Skip(err)
	}
}

func attach(t testing.TB, mnt *os.File) string {
	t.Helper()
	at := t.TempDir()
	must(t, Attach(mnt, at))
	t.Cleanup(func() { must(t, unix.Unmount(at, unix.MNT_DETACH)) })
	return at
}

// inside runs a shell script in dir as root of a user namespace that has the range, without any power over the host's.
func inside(t testing.TB, r Range, dir, script string) string {
	t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(r.Start), Size: int(r.Size)}}
	cmd := exec.Command("/bin/sh", "-euc", script)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:                 syscall.CLONE_NEWUSER,
		UidMappings:                ids,
		GidMappings:                ids,
		GidMappingsEnableSetgroups: true,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
		Pdeathsig:                  syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("script in the namespace: %v\n%s", err, out)
	}
	return string(out)
}

// owner is "uid:gid mode" as the host sees it.
func owner(t testing.TB, path string) string {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return fmt.Sprintf("%d:%d %#o", st.Uid, st.Gid, st.Mode&0o7777)
}

// eachWay runs the test with either way of mounting an overlay.
func eachWay(t *testing.T, f func(t *testing.T, ways []overlayWay)) {
	t.Run("by fd", func(t *testing.T) { f(t, []overlayWay{overlayByFD}) })
	t.Run("by path", func(t *testing.T) { f(t, []overlayWay{overlayByPath}) })
}
