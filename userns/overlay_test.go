package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShiftHonoursTheMarksOfLowerLayers(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		base, top := i.layer(t, "base"), i.layer(t, "top")
		mkdirs(t, base+"/dir", top+"/dir", base+"/keep")
		write(t, base+"/dir/hidden", "x")
		write(t, base+"/whited", "x")
		must(t, unix.Mknod(top+"/whited", unix.S_IFCHR, 0))
		must(t, unix.Setxattr(top+"/dir", "trusted.overlay.opaque", []byte("y"), 0))
		_, at := shift(t, i.mount(t, top, base), testRange, ways)
		out := inside(t, testRange, at, "ls; ls dir")
		if out != "dir\nfrom-base\nfrom-top\nkeep\n" {
			t.Errorf("got %q", out)
		}
	})
}

func TestShiftAgainWithAnotherRange(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		base := i.layer(t, "base")
		mkdirs(t, base+"/d")
		root := i.mount(t, base)
		s, at := shift(t, root, testRange, ways)
		inside(t, testRange, at, "echo one > f; chown 9:9 f; touch d/x; rm from-base")
		must(t, unix.Unmount(at, unix.MNT_DETACH))
		must(t, unix.Mount("none", at, "tmpfs", 0, "")) // for the clean-up to unmount
		must(t, s.Close())
		must(t, RemoveWorkDir(s.WorkDir))

		other := Range{Start: 900000, Size: 65536}
		_, at = shift(t, root, other, ways)
		out := inside(t, other, at, "stat -c %u:%g f d/x; ls; echo two >> f; rm d/x; rmdir d; touch from-base")
		if out != "9:9\n0:0\nd\nf\n" {
			t.Errorf("got %q", out)
		}
		if got := owner(t, at+"/f"); got != "900009:900009 0644" {
			t.Errorf("seen from the host %s", got)
		}
	})
}

func TestShiftLeavesTheEnginesOverlayAlive(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		base := i.layer(t, "base")
		write(t, base+"/a", "a")
		write(t, base+"/b", "b")
		root := i.mount(t, base)
		s, at := shift(t, root, testRange, ways)
		inside(t, testRange, at, "echo x >> a; rm from-base")
		must(t, unix.Unmount(at, unix.MNT_DETACH))
		must(t, unix.Mount("none", at, "tmpfs", 0, ""))
		must(t, s.Close())
		must(t, RemoveWorkDir(s.WorkDir))
		// Copy-up, whiteout and rename all need the engine's work directory.
		write(t, i.merged+"/b", "engine")
		must(t, os.Remove(i.merged+"/a"))
		must(t, os.Rename(i.merged+"/b", i.merged+"/c"))
		if got := owner(t, i.upper+"/c"); got != "0:0 0644" {
			t.Errorf("on disk %s", got)
		}
		if _, err := os.Lstat(filepath.Dir(i.upper) + "/" + workName); !os.IsNotExist(err) {
			t.Errorf("work directory is left: %v", err)
		}
	})
}

// Relative paths as Docker and podman give them for images of many layers, and as containerd gives its lowers.
func TestShiftWithRelativeLayers(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		for _, absoluteUpper := range []bool{false, true} {
			i := newImage(t, ownMounts(t)+"/overlay2")
			var lower []string
			for n := range 120 {
				name := fmt.Sprintf("L%03d", n)
				i.layer(t, name)
				lower = append(lower, "l/"+name)
			}
			here, err := os.Getwd()
			must(t, err)
			must(t, unix.Chdir(i.home)) // of this thread alone: CLONE_FS
			upper, work := "c1/diff", "c1/work"
			if absoluteUpper {
				upper, work = i.upper, i.work
			}
			must(t, unix.Mount("overlay", i.merged, "overlay", 0, fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s",
				strings.Join(lower, ":"), upper, work)))
			must(t, unix.Chdir(here))
			s, at := shift(t, openPath(t, i.merged), testRange, ways)
			if s.How != "overlay of 121 layers" {
				t.Errorf("how: %s", s.How)
			}
			inside(t, testRange, at, "test $(ls | wc -l) = 120; echo x >> from-L119; rm from-L000")
			must(t, unix.Unmount(i.merged, unix.MNT_DETACH))
		}
	})
}

func TestShiftWithStrangeNames(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		for _, odd := range []string{"a:b", "a,b", "a b", "a\nb", `a\b`, `a"b`, "a=b", `a\:b`, `"a`, "ü", `a\054b`} {
			i := newImage(t, ownMounts(t)+"/over"+odd)
			base := i.layer(t, "base")
			esc := strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`)
			must(t, unix.Mount("overlay", i.merged, "overlay", 0, fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s",
				esc.Replace(base), esc.Replace(i.upper), esc.Replace(i.work))))
			s, at := shift(t, openPath(t, i.merged), testRange, ways)
			inside(t, testRange, at, "cat from-base; echo x > f")
			if got := owner(t, i.upper+"/f"); got != "0:0 0644" {
				t.Errorf("%q: on disk %s", odd, got)
			}
			if s.WorkDir != filepath.Dir(i.upper)+"/"+workName {
				t.Errorf("%q: work directory %q", odd, s.WorkDir)
			}
			must(t, unix.Unmount(i.merged, unix.MNT_DETACH))
		}
	})
}

func TestShiftOfAReadOnlyOverlay(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		must(t, unix.Mount("overlay", i.merged, "overlay", 0, "lowerdir="+i.layer(t, "top")+":"+i.layer(t, "base")))
		s, at := shift(t, openPath(t, i.merged), testRange, ways)
		if s.How != "read-only overlay of 2 layers" || s.WorkDir != "" {
			t.Errorf("got %+v", s)
		}
		if out := inside(t, testRange, at, "stat -c %u:%g from-top; touch f 2>/dev/null || echo kept"); out != "0:0\nkept\n" {
			t.Errorf("got %q", out)
		}
	})
}

func TestShiftKeepsOptionsAndAttributes(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		data := i.home + "/data"
		mkdirs(t, data)
		base, dataLayers := i.layer(t, "base"), 1
		options := "index=off,metacopy=on,redirect_dir=on,xino=off,volatile,upperdir=" + i.upper + ",workdir=" + i.work + ",lowerdir="
		const flags = unix.MS_NODEV | unix.MS_NOSUID
		err := unix.Mount("overlay", i.merged, "overlay", flags, options+base+"::"+data)
		if errors.Is(err, unix.EINVAL) { // before kernel 6.5
			dataLayers = 0
			must(t, os.RemoveAll(i.work+"/work")) // the refused mount left its volatile mark there
			err = unix.Mount("overlay", i.merged, "overlay", flags, options+base)
		}
		must(t, err)
		root := openPath(t, i.merged)
		_, at := shift(t, root, testRange, ways)
		table, err := readMounts()
		must(t, err)
		for _, m := range table {
			if m.Mountpoint != at {
				continue
			}
			got, err := parseOverlayOptions(m.VFSOptions)
			must(t, err)
			if len(got.lower) != 1 || len(got.data) != dataLayers || m.Optional != "" {
				t.Errorf("layers %+v, propagation %q", got, m.Optional)
			}
			for _, want := range []string{"metacopy=on", "redirect_dir=on", "volatile"} {
				if !strings.Contains(m.VFSOptions, want) {
					t.Errorf("no %s in %s", want, m.VFSOptions)
				}
			}
			if !strings.HasPrefix(m.Options, "rw,nosuid,nodev,") {
				t.Errorf("attributes %s", m.Options)
			}
			return
		}
		t.Error("the mount is not there")
	})
}

// An engine's home that is a symbolic link, as people make it to move /var/lib/docker to another disk.
func TestShiftThroughALinkedHome(t *testing.T) {
	dir := ownMounts(t)
	mkdirs(t, dir+"/disk")
	must(t, os.Symlink(dir+"/disk", dir+"/home"))
	i := newImage(t, dir+"/home/overlay2")
	s, at := shift(t, i.mount(t, i.home+"/l/base:"+i.layer(t, "base")+"/../../l"), testRange, newestFirst)
	if want := dir + "/disk/overlay2/c1/" + workName; s.WorkDir != want {
		t.Errorf("work directory %q, want %q", s.WorkDir, want)
	}
	inside(t, testRange, at, "echo x >> from-base; test -L base")
}

// An engine that gives its layers one by one (kernel 6.7), where a colon needs no escape.
func TestShiftOfLayersGivenOneByOne(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/o:ver,lay er2")
	fd, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	must(t, err)
	defer func() { must(t, unix.Close(fd)) }()
	for _, opt := range []overlayOption{{"lowerdir+", i.layer(t, "top")}, {"lowerdir+", i.layer(t, "base")},
		{"upperdir", i.upper}, {"workdir", i.work}, {"index", "off"}} {
		if opt.key == "upperdir" || opt.key == "workdir" {
			opt.value = strings.ReplaceAll(opt.value, ":", `\:`)
		}
		if err := unix.FsconfigSetString(fd, opt.key, opt.value); err != nil && opt.key == "lowerdir+" {
			t.Skip("lowerdir+:", err)
		} else {
			must(t, err)
		}
	}
	must(t, unix.FsconfigCreate(fd))
	mfd, err := unix.Fsmount(fd, unix.FSMOUNT_CLOEXEC, 0)
	must(t, err)
	mnt := os.NewFile(uintptr(mfd), "engine")
	defer closeAll(mnt)
	must(t, Attach(mnt, i.merged))
	s, at := shift(t, openPath(t, i.merged), testRange, newestFirst)
	if s.How != "overlay of 3 layers" {
		t.Errorf("how: %s", s.How)
	}
	inside(t, testRange, at, "cat from-top from-base; echo x >> from-base")

	// Our own overlay names its layers by what the kernel knows of detached mounts. It is not found, and not guessed.
	_, err = ShiftRoot(openPath(t, at), testRange, namespace(t, testRange), nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), `open layer "/`) {
		t.Errorf("got %v", err)
	}
}

func TestShiftTellsTheWorkDirectoryBefore(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	root := i.mount(t, i.layer(t, "base"))
	boom := errors.New("boom")
	var told string
	_, err := ShiftRoot(root, testRange, namespace(t, testRange), func(path string) error { told = path; return boom }, nil)
	wantError(t, err, "boom")
	if want := filepath.Dir(i.upper) + "/" + workName; told != want {
		t.Errorf("told %q, want %q", told, want)
	}
	if _, err := os.Lstat(told); !os.IsNotExist(err) {
		t.Errorf("made before it was told: %v", err)
	}
}
