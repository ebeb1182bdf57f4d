package userns

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShiftRootOnAPlainDirectory(t *testing.T) {
	for _, fs := range []string{"ext4", "tmpfs"} {
		t.Run(fs, func(t *testing.T) {
			dir := ownMounts(t)
			root := filepath.Join(dir, "root")
			mkdirs(t, root, dir+"/other")
			if fs == "tmpfs" {
				must(t, unix.Mount("tmpfs", root, "tmpfs", 0, "mode=755"))
				if err := IDMapSupported(openPath(t, root), namespace(t, testRange)); err != nil {
					t.Skip(err) // before kernel 6.3
				}
			}
			mkdirs(t, root+"/sub")
			must(t, unix.Mount(dir+"/other", root+"/sub", "", unix.MS_BIND, ""))
			s, err := ShiftRoot(openPath(t, root), testRange, namespace(t, testRange), nil, nil)
			must(t, err)
			defer func() { must(t, s.Close()) }()
			if s.How != "idmapped "+fs || s.WorkDir != "" {
				t.Fatalf("got %+v", s)
			}
			at := attach(t, s.Mount)
			inside(t, testRange, at, "test $(stat -c %u:%g .) = 0:0; echo hi > f; chown 7:8 f; echo deep > sub/f")
			if got := owner(t, root+"/f"); got != "7:8 0644" {
				t.Errorf("on disk %s", got)
			}
			if got := owner(t, at+"/f"); got != "700007:700008 0644" {
				t.Errorf("seen from the host %s", got)
			}
			if got := owner(t, root+"/sub/f"); got != "0:0 0644" {
				t.Errorf("submount on disk %s", got)
			}
		})
	}
}

func TestShiftRootRefusesWhatTakesNoMapping(t *testing.T) {
	dir := ownMounts(t)
	ns := namespace(t, testRange)
	mkdirs(t, dir+"/root/proc")
	must(t, unix.Mount("proc", dir+"/root/proc", "proc", 0, ""))
	const needs = " takes no idmapped mount (needs one of ext4, xfs, btrfs, tmpfs, overlay)"
	_, err := ShiftRoot(openPath(t, dir+"/root/proc"), testRange, ns, nil, nil)
	wantError(t, err, `proc at "`+dir+`/root/proc"`+needs)
	_, err = ShiftRoot(openPath(t, dir+"/root"), testRange, ns, nil, nil)
	wantError(t, err, `proc at "`+dir+`/root/proc"`+needs)
}

func TestShiftRootOnAnOverlay(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		base := i.layer(t, "base")
		write(t, base+"/conf", "old")
		write(t, base+"/gone", "x")
		write(t, base+"/linked", "x")
		mkdirs(t, base+"/etc", base+"/opaque", base+"/lib")
		write(t, base+"/opaque/hidden", "x")
		must(t, os.Chown(base+"/conf", 33, 44))
		root := i.mount(t, i.layer(t, "init"), base)
		s, at := shift(t, root, testRange, ways)
		if s.How != "overlay of 3 layers" {
			t.Errorf("how: %s", s.How)
		}
		inside(t, testRange, at, `
			test $(stat -c %u:%g conf) = 33:44
			echo new > conf; chmod 600 conf
			echo x > made; mkdir dir; touch dir/f; chown 5:6 dir/f
			rm gone; mv from-base moved; ln linked hard
			rm -r opaque; mkdir opaque; touch opaque/fresh
			mv dir dir2`)
		for name, want := range map[string]string{
			"conf": "33:44 0600", "made": "0:0 0644", "dir2": "0:0 0755", "dir2/f": "5:6 0644", "moved": "0:0 0644",
			"hard": "0:0 0644", "linked": "0:0 0644", "gone": "0:0 0", "from-base": "0:0 0", "opaque": "0:0 0755",
		} {
			if got := owner(t, filepath.Join(i.upper, name)); got != want {
				t.Errorf("%s: on disk %s, want %s", name, got, want)
			}
		}
		if _, err := os.Lstat(at + "/opaque/hidden"); !os.IsNotExist(err) {
			t.Errorf("opaque directory shows what it hides: %v", err)
		}
		var st unix.Stat_t
		must(t, unix.Lstat(i.upper+"/gone", &st))
		if st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != 0 {
			t.Errorf("whiteout: mode %#o rdev %d", st.Mode, st.Rdev)
		}
	})
}
