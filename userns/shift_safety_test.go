package userns

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// state is what a call may not change: the mounts and the open files.
func state(t *testing.T) (table []string, files int) {
	t.Helper()
	all, err := readMounts()
	must(t, err)
	for _, m := range all {
		table = append(table, m.Mountpoint+" "+m.FSType+" "+m.Root)
	}
	names, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return table, len(names)
}

func TestShiftLeavesNoWayToTheLayers(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		root := i.mount(t, i.layer(t, "top"), i.layer(t, "base"))
		ns := namespace(t, testRange)
		mountsBefore, filesBefore := state(t)
		s, err := shiftOverlay(root, testRange, ns, nil, nil, ways)
		skipOnOldKernel(t, err)
		must(t, err)
		mountsAfter, filesAfter := state(t)
		if !reflect.DeepEqual(mountsBefore, mountsAfter) {
			t.Errorf("mounts before %q\nafter %q", mountsBefore, mountsAfter)
		}
		if filesAfter != filesBefore+1 {
			t.Errorf("%d open files before, %d after; want one more", filesBefore, filesAfter)
		}
		flags, err := unix.FcntlInt(s.Mount.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("the mount's file is inherited: flags %#x, %v", flags, err)
		}
		must(t, s.Close())
		must(t, RemoveWorkDir(s.WorkDir))
	})
}

func TestShiftRefusalLeavesNothing(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		root := i.mount(t, i.layer(t, "base"))
		ns := namespace(t, testRange)
		mountsBefore, filesBefore := state(t)
		// The namespace maps other IDs than the range says: the work directory has no owner in it.
		_, err := shiftOverlay(root, Range{Start: 10, Size: 10}, ns, nil, nil, ways)
		skipOnOldKernel(t, err)
		wantError(t, err, "mount overlay: the kernel made it read-only (it says why in the kernel log)")
		mountsAfter, filesAfter := state(t)
		if !reflect.DeepEqual(mountsBefore, mountsAfter) || filesBefore != filesAfter {
			t.Errorf("before %q, %d files\nafter %q, %d files", mountsBefore, filesBefore, mountsAfter, filesAfter)
		}
		if _, err := os.Lstat(filepath.Dir(i.upper) + "/" + workName); !os.IsNotExist(err) {
			t.Errorf("work directory is left: %v", err)
		}
	})
}

// Set-user-ID bits and file capabilities of the image work for the range and mean nothing outside it.
func TestShiftOfPrivilegedBinaries(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	base := i.layer(t, "base")
	id, err := os.ReadFile("/usr/bin/id")
	must(t, err)
	must(t, os.WriteFile(base+"/suid", id, 0o755))
	must(t, os.Chmod(base+"/suid", 0o755|os.ModeSetuid))
	// VFS_CAP_REVISION_2, cap_net_raw+ep: linux/capability.h.
	v2 := []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	must(t, unix.Setxattr(base+"/suid", "security.capability", v2, 0))
	_, at := shift(t, i.mount(t, base), testRange, newestFirst)
	if got := owner(t, at+"/suid"); got != "700000:700000 04755" {
		t.Errorf("seen from the host: %s", got)
	}
	// A host user who gets hold of it becomes the range's first ID at most.
	cmd := exec.Command(at+"/suid", "-u")
	cmd.SysProcAttr = asUser(12345)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "700000\n" {
		t.Errorf("as a host user: %q, %v", out, err)
	}
	out2 := inside(t, testRange, at, "setpriv --reuid 5 --clear-groups ./suid -u; chmod 700 suid")
	if out2 != "0\n" {
		t.Errorf("in the range: %q", out2)
	}
	if got := owner(t, i.upper+"/suid"); got != "0:0 0700" {
		t.Errorf("copied up: %s", got)
	}
	got := make([]byte, 64)
	n, err := unix.Getxattr(i.upper+"/suid", "security.capability", got)
	if err != nil || !reflect.DeepEqual(got[:n], v2) {
		t.Errorf("capability copied up: %v, %v", got[:max(n, 0)], err)
	}
}

// A device node in an image opens the host's device unless the mount forbids it; one made inside does not come into being.
func TestShiftOfDeviceNodes(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	base := i.layer(t, "base")
	must(t, unix.Mknod(base+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	must(t, os.Chmod(base+"/null", 0o666))
	s, at := shift(t, i.mount(t, base), testRange, newestFirst)
	const script = "(echo x > null) 2>/dev/null && echo opened || echo refused; mknod n c 1 3 2>/dev/null || echo not made"
	if got := inside(t, testRange, at, script); got != "opened\nnot made\n" {
		t.Errorf("without nodev: %q", got)
	}
	must(t, SetAttr(s.Mount, unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOSUID, 0, false))
	if got := inside(t, testRange, at, script); got != "refused\nnot made\n" {
		t.Errorf("with nodev: %q", got)
	}
}

func TestRemoveWorkDir(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, workName)
	must(t, RemoveWorkDir(path))
	must(t, RemoveWorkDir(filepath.Join(dir, "gone", workName)))
	wantError(t, RemoveWorkDir(dir+"/diff"), `remove work directory "`+dir+`/diff": not a work directory of ours`)
	wantError(t, RemoveWorkDir(workName), `remove work directory "bulkhead-work": not a work directory of ours`)

	target := filepath.Join(dir, "target")
	must(t, os.MkdirAll(target+"/work", 0o700))
	must(t, os.Symlink(target, path))
	wantError(t, RemoveWorkDir(path),
		`remove work directory "`+path+`": not a work directory of ours: open "`+path+`": not a directory`)
	must(t, os.Remove(path))

	must(t, os.Mkdir(path, 0o755))
	wantError(t, RemoveWorkDir(path), `remove work directory "`+path+`": not a work directory of ours: it is 0:0 with mode 0755`)
	must(t, os.Chmod(path, 0o700))
	write(t, path+"/mine", "x")
	wantError(t, RemoveWorkDir(path), `remove work directory "`+path+`": not a work directory of ours: it holds "mine"`)
	must(t, os.Remove(path+"/mine"))

	// What a container can leave in it: directories, whiteouts, links that lead out.
	mkdirs(t, path+"/work/#1/deep")
	must(t, os.Symlink(target, path+"/work/link"))
	must(t, os.Symlink("/", path+"/work/#1/root"))
	must(t, unix.Mknod(path+"/work/#2", unix.S_IFCHR, 0))
	must(t, RemoveWorkDir(path))
	must(t, RemoveWorkDir(path))
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is left: %v", err)
	}
	if _, err := os.Lstat(target + "/work"); err != nil {
		t.Errorf("followed a link: %v", err)
	}
}

func TestShiftReplacesTheWorkDirOfACrash(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	root := i.mount(t, i.layer(t, "base"))
	work := filepath.Dir(i.upper) + "/" + workName
	must(t, os.Mkdir(work, 0o700))
	mkdirs(t, work+"/work/work/#1")
	must(t, os.Mkdir(work+"/index", 0o700))
	s, at := shift(t, root, testRange, newestFirst)
	inside(t, testRange, at, "echo x >> from-base")
	if s.WorkDir != work {
		t.Errorf("work directory %q", s.WorkDir)
	}
	if _, err := os.Lstat(work + "/work/work"); !os.IsNotExist(err) {
		t.Errorf("not emptied: %v", err)
	}
}

func TestShiftRefusesAForeignWorkDir(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	root := i.mount(t, i.layer(t, "base"))
	work := filepath.Dir(i.upper) + "/" + workName
	must(t, os.Symlink(i.home, work))
	_, err := ShiftRoot(root, testRange, namespace(t, testRange), nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `remove work directory "`+work+`": not a work directory of ours: `) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(i.home + "/base/diff/from-base"); err != nil {
		t.Errorf("followed a link: %v", err)
	}
}
