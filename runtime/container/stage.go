package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// stage clones the root and the bind sources from the files that were judged, shows them through the range, and puts
// them into a mount namespace that only this process and the container's init share. libcontainer gets only these
// paths, so nothing that was judged is looked up again by name; and a crash leaves no mount behind, because the last
// process takes the namespace with it.
func (c *creation) stage() error {
	// Credentials and namespaces of the thread change for moments below.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	place := filepath.Join(c.Config.StateDir, "stage")
	// An empty directory of the same name stays on the host: libcontainer starts an exec in the directory that the
	// root had, before it enters the container.
	if err := os.MkdirAll(filepath.Join(place, "rootfs"), 0o700); err != nil {
		return fmt.Errorf("make staging directory: %w", err)
	}
	if err := mountStage(place, c.rec.Range); err != nil {
		return err
	}
	ns, err := c.mappingNamespace()
	if err != nil {
		return err
	}
	// The spec that libcontainer gets differs from the hardened one in these paths only.
	launched := *c.hardened
	root := *c.hardened.Root
	launched.Root, launched.Mounts = &root, slices.Clone(c.hardened.Mounts)
	if err := c.planView(); err != nil {
		return err
	}
	if err := c.stageRoot(place, launched.Root, ns); err != nil {
		return err
	}
	if err := c.makeView(launched.Root.Path); err != nil {
		return err
	}
	for i := range launched.Mounts {
		if err := c.stageMount(place, i, &launched.Mounts[i], ns); err != nil {
			return fmt.Errorf("prepare mount %q of %q: %w", launched.Mounts[i].Destination, c.o.ID, err)
		}
	}
	c.launched = &launched
	return c.checkStaged()
}

// mappingNamespace is the user namespace whose mapping idmapped mounts carry; nil when the caller brought its own user
// namespace, because then the caller has shifted everything already.
func (c *creation) mappingNamespace() (*os.File, error) {
	if c.rec.Range.Size == 0 {
		return nil, nil //nolint:nilnil // no namespace is a valid answer
	}
	if c.mapping == nil { // the range is a sibling's
		c.mapping = beside(func() (*os.File, error) { return userns.NewNamespace(c.rec.Range) })
	}
	return c.mapping() // close closes it
}

// stageRoot shows the root filesystem through the range. Its work directory is in the record before it is made.
func (c *creation) stageRoot(place string, root *specs.Root, ns *os.File) error {
	path := filepath.Join(place, "rootfs")
	if err := os.Mkdir(path, 0o700); err != nil {
		return fmt.Errorf("make staging directory: %w", err)
	}
	var mnt *os.File
	var err error
	if ns == nil {
		c.rec.RootHow = "as the caller mapped it"
		mnt, err = userns.Clone(c.resolved.Root(), nil, true)
	} else {
		var shifted *userns.Shifted
		shifted, err = userns.ShiftRoot(c.resolved.Root(), c.rec.Range, ns, c.keepWorkDir, c.judgeLayers)
		if err == nil {
			mnt, c.rec.RootHow = shifted.Mount, shifted.How
		}
	}
	var refused *harden.Refusal
	if errors.As(err, &refused) {
		return refused
	}
	if err != nil {
		return fmt.Errorf("prepare root filesystem of %q: %w", c.o.ID, err)
	}
	defer mnt.Close()
	if err := userns.MakePrivate(mnt); err != nil {
		return fmt.Errorf("prepare root filesystem of %q: %w", c.o.ID, err)
	}
	if err := userns.SetAttr(mnt, rootAttrs(c.hardened.Process), 0, true); err != nil {
		return fmt.Errorf("prepare root filesystem of %q: %w", c.o.ID, err)
	}
	if err := userns.Attach(mnt, path); err != nil {
		return fmt.Errorf("prepare root filesystem of %q: %w", c.o.ID, err)
	}
	root.Path = path
	return c.noteStaged(mnt, path, c.policy.Facts.Root)
}

// rootAttrs are the locked attributes of the root mount. An image's device nodes open nothing: a container's devices are
// bind-mounted into its /dev. With no_new_privs, programs with set-user-ID bits or file capabilities gain nothing; nosuid makes the
// kernel pass over them, too, where it would otherwise refuse to run a program whose file capabilities the bounding set
// lacks (capabilities(7)): ping then uses an ICMP socket, which needs none.
func rootAttrs(p *specs.Process) uint64 {
	attrs := uint64(unix.MOUNT_ATTR_NODEV)
	if p.NoNewPrivileges {
		attrs |= unix.MOUNT_ATTR_NOSUID
	}
	return attrs
}

// judgeLayers is judgeOverlay for the root: a refusal goes to the log.
func (c *creation) judgeLayers(lower []*os.File, upper *os.File) error {
	err := c.judgeOverlay(lower, upper)
	var refused *harden.Refusal
	if errors.As(err, &refused) {
		c.logRefusal("create", c.o.ID, c.o.Bundle, err)
	}
	return err
}

// judgeOverlay judges the layers of an overlay by the open files that are used: its own place says nothing of what it
// shows, and an overlay of the host's directories would be those directories.
func (c *creation) judgeOverlay(lower []*os.File, upper *os.File) error {
	if err := c.describeLayers(lower, upper); err != nil {
		return err
	}
	return harden.JudgeLayers(c.hardened, c.policy)
}

// describeLayers puts the layers into the facts.
func (c *creation) describeLayers(lower []*os.File, upper *os.File) error {
	files := lower
	if upper != nil {
		files = append(slices.Clone(lower), upper)
	}
	found, err := c.resolved.Describe(files)
	if err != nil {
		return err
	}
	layers := make([]bundle.Layer, len(found))
	for i, source := range found {
		layers[i] = bundle.Layer{Source: source, Writable: i == len(lower)}
	}
	c.policy.Facts.Layers, c.policy.Facts.Protected = layers, c.resolved.Facts.Protected
	return nil
}

// keepWorkDir remembers the work directory. One that is there already was left by a crash, or belongs to a running
// container that has the same root: two overlays on one upper directory would damage it.
func (c *creation) keepWorkDir(path string) error {
	if _, err := os.Lstat(path); err == nil {
		other, err := c.runningWith(func(rec *Holding) bool { return slices.Contains(rec.workDirs(), path) })
		if err != nil {
			return err
		}
		if other != nil {
			return fmt.Errorf("its upper directory is in use by container %q", other.ID)
		}
	}
	if c.rec.WorkDir == "" {
		c.rec.WorkDir = path
	} else {
		c.rec.MoreWorkDirs = append(c.rec.MoreWorkDirs, path)
	}
	return writeRecord(c.dir, c.rec)
}

// stageMount clones one bind source into the staging place and points the mount at it.
func (c *creation) stageMount(place string, i int, m *specs.Mount, ns *os.File) error {
	if !bundle.IsBind(*m) {
		switch m.Type {
		case "sysfs":
			return c.stageSysfs(place, i, m)
		case "mqueue":
			return c.stageMqueue(place, i, m)
		}
		return nil
	}
	f, src, err := c.source(i)
	if err != nil {
		return err
	}
	var mnt *os.File
	if ns == nil && callerMaps(m) {
		mnt, err = c.cloneMapped(f, m)
	} else {
		mnt, err = c.cloneOverlay(place, i, f, src, m, ns)
		if mnt == nil && err == nil {
			mnt, err = cloneSource(f, src, m, ns, slices.Contains(m.Options, "rbind"))
		}
		if err != nil && harden.EngineFile(src, c.hardened, c.policy) {
			mnt, err = c.cloneEngineFile(f, src, m, err)
		}
	}
	if err != nil {
		return err
	}
	defer mnt.Close()
	// A clone receives what the host mounts into the source later, and that was judged by no rule.
	if err := userns.MakePrivate(mnt); err != nil {
		return err
	}
	if err := setSourceAttrs(mnt, m.Options); err != nil {
		return err
	}
	path := filepath.Join(place, strconv.Itoa(i))
	if err := makeTarget(path, src.Kind == "dir"); err != nil {
		return err
	}
	if err := userns.Attach(mnt, path); err != nil {
		return err
	}
	if err := c.noteStaged(mnt, path, src); err != nil {
		return err
	}
	m.Source = path
	m.UIDMappings, m.GIDMappings = nil, nil
	m.Options = slices.DeleteFunc(slices.Clone(m.Options), func(o string) bool { return o == "idmap" || o == "ridmap" })
	return nil
}

// source is the open file of a mount of the hardened spec. The rules keep the order and number of the caller's mounts,
// and this checks it, because a source that belongs to another mount would be a hole.
func (c *creation) source(i int) (*os.File, bundle.Source, error) {
	src := c.policy.Facts.Sources[min(i, len(c.policy.Facts.Sources)-1)]
	if i >= len(c.asked.Mounts) || filepath.Clean("/"+c.asked.Mounts[i].Destination) != filepath.Clean("/"+c.hardened.Mounts[i].Destination) || !src.Bind {
		return nil, src, errors.New("BUG: the rules moved a bind mount")
	}
	f := c.resolved.Source(i)
	if f == nil {
		return nil, src, errors.New("BUG: the source was not resolved")
	}
	return f, src, nil
}

// cloneSource makes the detached mount of a bind source. What takes no idmapped mount is mounted as it is only where
// ownership does not matter: read-only, or a directory that everybody may write (a shared /dev/shm of an engine).
func cloneSource(f *os.File, src bundle.Source, m *specs.Mount, ns *os.File, recursive bool) (*os.File, error) {
	mnt, err := userns.Clone(f, ns, recursive)
	if err == nil || ns == nil {
		return mnt, err
	}
	everybody := src.Kind == "dir" && src.Mode&0o1777 == 0o1777
	readonly := mountAttrs(m.Options)&unix.MOUNT_ATTR_RDONLY != 0
	if src.Kind == "char" || readonly || everybody {
		return userns.Clone(f, nil, recursive)
	}
	return nil, fmt.Errorf("%w (needs one of ext4, xfs, btrfs, tmpfs)", err)
}

func makeTarget(path string, dir bool) error {
	if dir {
		return os.Mkdir(path, 0o700)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// unstage lets go of the staged mounts in this process once the container has its own copies.
func (c *creation) unstage() {
	_ = unix.Unmount(filepath.Join(c.Config.StateDir, "stage"), unix.MNT_DETACH)
}
