package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestShiftRefusesOverlays(t *testing.T) {
	dir := ownMounts(t)
	i := newImage(t, dir+"/overlay2")
	base := i.layer(t, "base")
	mkdirs(t, base+"/sub")
	root := i.mount(t, base)
	ns := namespace(t, testRange)

	_, err := ShiftRoot(openPath(t, i.merged+"/sub"), testRange, ns, nil, nil)
	wantError(t, err, `shift "`+i.merged+`/sub": it is a directory inside an overlay; only an overlay's own root can be shifted`)

	must(t, unix.Mount("tmpfs", i.merged+"/sub", "tmpfs", 0, ""))
	_, err = ShiftRoot(root, testRange, ns, nil, nil)
	wantError(t, err, `shift overlay at "`+i.merged+`": tmpfs is mounted in it at "`+i.merged+`/sub"`)
	must(t, unix.Unmount(i.merged+"/sub", 0))

	must(t, os.Rename(base, base+".away"))
	_, err = ShiftRoot(root, testRange, ns, nil, nil)
	wantError(t, err, `open layer "`+base+`": nothing is there`)
	must(t, os.Rename(base+".away", base))

	must(t, unix.Mount("", i.merged, "", unix.MS_SHARED, ""))
	_, err = ShiftRoot(root, testRange, ns, nil, nil)
	wantError(t, err, `shift overlay at "`+i.merged+`": its mount is shared with other mount namespaces`)
	must(t, unix.Mount("", i.merged, "", unix.MS_PRIVATE, ""))

	// A mount over the engine's directory after the engine's mount: the path leads elsewhere.
	mkdirs(t, dir+"/other")
	must(t, unix.Mount(dir+"/other", i.upper, "", unix.MS_BIND, ""))
	_, err = ShiftRoot(root, testRange, ns, nil, nil)
	wantError(t, err, `use layer "`+i.upper+`": it is not the directory that the overlay at "`+i.merged+`" shows`)
	must(t, unix.Unmount(i.upper, 0))

	// A lower layer that takes no mapping.
	i2 := newImage(t, dir+"/second")
	must(t, unix.Mount("overlay", i2.merged, "overlay", 0, fmt.Sprintf("index=off,lowerdir=%s,upperdir=%s,workdir=%s",
		i.merged, i2.upper, i2.work)))
	_, err = ShiftRoot(openPath(t, i2.merged), testRange, ns, nil, nil)
	wantError(t, err, `overlay at "`+i.merged+`" takes no idmapped mount`)
	if _, err := os.Lstat(filepath.Dir(i2.upper) + "/" + workName); !os.IsNotExist(err) {
		t.Errorf("a refusal left the work directory: %v", err)
	}
}

// A mount option that this package refuses, on a real mount.
func TestShiftRefusesAnIndexedUpper(t *testing.T) {
	i := newImage(t, ownMounts(t)+"/overlay2")
	must(t, unix.Mount("overlay", i.merged, "overlay", 0, fmt.Sprintf("index=on,lowerdir=%s,upperdir=%s,workdir=%s",
		i.layer(t, "base"), i.upper, i.work)))
	_, err := ShiftRoot(openPath(t, i.merged), testRange, namespace(t, testRange), nil, nil)
	wantError(t, err, `use upper directory "`+i.upper+
		`": index=on lets the kernel mount it only once; mount the engine's overlay with index=off`)
}

func TestShiftTriesOlderWays(t *testing.T) {
	old := func(*os.File, *layers, []overlayOption, Range) (*os.File, error) {
		return nil, fmt.Errorf("new: %w", errOldKernel)
	}
	broken := func(*os.File, *layers, []overlayOption, Range) (*os.File, error) { return nil, unix.ELOOP }
	works := func(*os.File, *layers, []overlayOption, Range) (*os.File, error) { return os.Stdin, nil }
	got, err := firstWay([]overlayWay{old, works, broken}, nil, nil, nil, Range{})
	if got != os.Stdin || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	_, err = firstWay([]overlayWay{broken, works}, nil, nil, nil, Range{})
	wantError(t, err, "too many levels of symbolic links")
	_, err = firstWay([]overlayWay{old, broken, works}, nil, nil, nil, Range{})
	wantError(t, err, "too many levels of symbolic links (before that: new: this kernel lacks a part of it)")
}

// What a kernel that takes neither way answers is told, and nothing is left: here an option that no kernel knows.
func TestShiftTellsWhatTheKernelSays(t *testing.T) {
	eachWay(t, func(t *testing.T, ways []overlayWay) {
		i := newImage(t, ownMounts(t)+"/overlay2")
		root := i.mount(t, i.layer(t, "base"))
		l, err := openLayers(overlayOptions{lower: []string{i.home + "/base/diff"}, upper: i.upper}, nil)
		must(t, err)
		defer l.close()
		_, err = makeWorkDir(l.beside, nil)
		must(t, err)
		mine, err := l.shifted(namespace(t, testRange))
		must(t, err)
		defer mine.close()
		before, _ := state(t)
		_, err = ways[0](root, mine, []overlayOption{{"redirect_dir", "sideways"}}, testRange)
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EOPNOTSUPP) { // the latter by file before 6.7
			t.Errorf("got %v", err)
		}
		if after, _ := state(t); !reflect.DeepEqual(before, after) {
			t.Errorf("mounts before %q\nafter %q", before, after)
		}
	})
}
