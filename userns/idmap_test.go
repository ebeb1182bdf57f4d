package userns

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func asUser(id uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}, Pdeathsig: syscall.SIGKILL}
}

func TestNewNamespace(t *testing.T) {
	ownMounts(t)
	ns := namespace(t, testRange)
	kind, err := unix.IoctlRetInt(int(ns.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWUSER {
		t.Errorf("namespace type %#x, %v", kind, err)
	}
	children, err := os.ReadFile("/proc/thread-self/children")
	if err != nil || len(children) != 0 {
		t.Errorf("children of this thread are left: %q, %v", children, err)
	}
	for _, bad := range []Range{{0, 65536}, {100000, 0}, {4294900000, 67296}} {
		_, err := NewNamespace(bad)
		wantError(t, err, fmt.Sprintf(
			"make user namespace for %s: the range must have IDs and must not have 0 or 4294967295", bad))
	}
}

func TestCloneOfAFile(t *testing.T) {
	dir := ownMounts(t)
	ns := namespace(t, testRange)
	write(t, dir+"/hosts", "x")
	write(t, dir+"/at", "")
	must(t, os.Chown(dir+"/hosts", 0, 7))
	mnt, err := Clone(openPath(t, dir+"/hosts"), ns, false)
	must(t, err)
	defer func() { must(t, mnt.Close()) }()
	must(t, SetAttr(mnt, unix.MOUNT_ATTR_RDONLY, 0, false))
	must(t, Attach(mnt, dir+"/at"))
	if got := owner(t, dir+"/at"); got != "700000:700007 0644" {
		t.Errorf("got %s", got)
	}
	if err := os.WriteFile(dir+"/at", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("read-only: %v", err)
	}
}

func TestCloneNamesTheMountThatRefuses(t *testing.T) {
	dir := ownMounts(t)
	ns := namespace(t, testRange)
	mkdirs(t, dir+"/src/a", dir+"/src/sys", dir+"/other")
	must(t, unix.Mount(dir+"/other", dir+"/src/a", "", unix.MS_BIND, ""))
	must(t, unix.Mount("sysfs", dir+"/src/sys", "sysfs", 0, ""))
	src := openPath(t, dir+"/src")
	_, err := Clone(src, ns, true)
	wantError(t, err, `sysfs at "`+dir+`/src/sys" takes no idmapped mount`)
	var not *NotIDMappable
	if !errors.As(err, &not) || !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %#v", err)
	}
	must(t, IDMapSupported(src, ns))
	err = IDMapSupported(openPath(t, dir+"/src/sys"), ns)
	wantError(t, err, `sysfs at "`+dir+`/src/sys" takes no idmapped mount`)
	mnt, err := Clone(src, ns, false)
	must(t, err)
	closeAll(mnt)
}

func TestCloneOfAnIDMappedMount(t *testing.T) {
	dir := ownMounts(t)
	ns := namespace(t, testRange)
	mkdirs(t, dir+"/src", dir+"/at")
	mnt, err := Clone(openPath(t, dir+"/src"), ns, false)
	must(t, err)
	defer closeAll(mnt)
	must(t, Attach(mnt, dir+"/at"))
	_, err = Clone(openPath(t, dir+"/at"), ns, false)
	wantError(t, err, `ext4 at "`+dir+`/at" is idmapped already`)
}

func TestCloneOfAnotherNamespacesFile(t *testing.T) {
	dir := ownMounts(t)
	write(t, dir+"/f", "x")
	f := openPath(t, dir+"/f")
	must(t, unix.Unshare(unix.CLONE_NEWNS))
	_, err := Clone(f, nil, false)
	wantError(t, err, `clone mount of "`+dir+`/f": invalid argument`)
}

func TestMakePrivate(t *testing.T) {
	dir := ownMounts(t)
	mkdirs(t, dir+"/src/late", dir+"/at")
	must(t, unix.Mount(dir+"/src", dir+"/src", "", unix.MS_BIND, ""))
	must(t, unix.Mount("", dir+"/src", "", unix.MS_SHARED, ""))
	mnt, err := Clone(openPath(t, dir+"/src"), nil, true)
	must(t, err)
	defer closeAll(mnt)
	must(t, MakePrivate(mnt))
	must(t, Attach(mnt, dir+"/at"))
	must(t, unix.Mount("tmpfs", dir+"/src/late", "tmpfs", 0, ""))
	table, err := readMounts()
	must(t, err)
	if got := table.below(dir + "/at"); len(got) != 0 {
		t.Errorf("received %+v", got[0])
	}
}

func TestAttachFollowsNoLink(t *testing.T) {
	dir := ownMounts(t)
	mkdirs(t, dir+"/src", dir+"/real")
	must(t, os.Symlink(dir+"/real", dir+"/link"))
	mnt, err := Clone(openPath(t, dir+"/src"), nil, false)
	must(t, err)
	defer closeAll(mnt)
	wantError(t, Attach(mnt, dir+"/link"), `attach mount to "`+dir+`/link": invalid argument`)
	must(t, AttachTo(mnt, openPath(t, dir+"/real")))
}

func TestWithFSID(t *testing.T) {
	ownMounts(t)
	before := threadStatus(t)
	var within string
	boom := errors.New("boom")
	err := withFSID(700000, func() error { within = threadStatus(t); return boom })
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	if after := threadStatus(t); after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
	if want := "fsuid 700000 fsgid 700000"; within[:len(want)] != want || within[len(want):] != before[len("fsuid 0 fsgid 0"):] {
		t.Errorf("within %s\nbefore %s", within, before)
	}
}

// threadStatus is the thread's file system IDs and its effective capabilities.
func threadStatus(t *testing.T) string {
	t.Helper()
	uid, _ := unix.SetfsuidRetUid(-1)
	gid, _ := unix.SetfsgidRetGid(-1)
	var data [2]unix.CapUserData
	must(t, unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]))
	return fmt.Sprintf("fsuid %d fsgid %d caps %x %x", uid, gid, data[0].Effective, data[1].Effective)
}

func BenchmarkNewNamespace(b *testing.B) {
	for b.Loop() {
		ns, err := NewNamespace(testRange)
		must(b, err)
		closeAll(ns)
	}
}

func BenchmarkShiftRoot(b *testing.B) {
	for _, way := range []struct {
		name string
		ways []overlayWay
	}{{"fd", []overlayWay{overlayByFD}}, {"path", []overlayWay{overlayByPath}}} {
		b.Run(way.name, func(b *testing.B) {
			i := newImage(b, ownMounts(b)+"/overlay2")
			root := i.mount(b, i.layer(b, "base"))
			ns := namespace(b, testRange)
			for b.Loop() {
				s, err := shiftOverlay(root, testRange, ns, nil, nil, way.ways)
				must(b, err)
				closeAll(s.Mount)
			}
		})
	}
}
