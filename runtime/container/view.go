package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/rootview"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// A RootView is the view of the container's root that lies over the engine's own mount of it while the container exists.
type RootView struct {
	// Path is where the engine's mount is.
	Path string `json:"path"`
	// PID and Start name the process that answers.
	PID   int    `json:"pid,omitempty"`
	Start uint64 `json:"start,omitempty"`
	// Hidden tells that an operator took the view away.
	Hidden bool `json:"hidden,omitempty"`
	// Engine and Own are the roots of the engine's overlay and of the container's.
	Engine rootview.Place `json:"engine,omitzero"`
	Own    rootview.Place `json:"own,omitzero"`
}

// planView decides whether the engine gets a view of this root, and has the plan in the record before anything of it is made.
//
// Only an overlay that is shown through a second one needs it, and only an engine that looks into it at its own place.
// One that mounts the root inside the bundle (containerd, Kubernetes) does not.
func (c *creation) planView() error {
	if c.rec.Range.Size == 0 || c.Config.RootView == "off" {
		return nil
	}
	root := c.resolved.Root()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(root.Fd()), &st); err != nil {
		return fmt.Errorf("stat root: %w", err)
	}
	path := filepath.Clean(c.asked.Root.Path)
	if st.Type != unix.OVERLAYFS_SUPER_MAGIC || !filepath.IsAbs(path) || strings.HasPrefix(path, c.o.Bundle+"/") {
		return nil
	}
	engine, err := rootview.PlaceOf(root)
	if err != nil {
		return nil //nolint:nilerr // a directory in an overlay: no engine mounted this for the container
	}
	c.rec.View = &RootView{Path: path, Engine: engine}
	return nil
}

// clearLeftView takes a view off the root that was left by a create which was killed and that nobody deleted. The engine's overlay
// below it is what this create is about.
func (c *creation) clearLeftView() error {
	path := filepath.Clean(c.asked.Root.Path)
	if !filepath.IsAbs(path) {
		return nil
	}
	var st unix.Statfs_t
	switch err := unix.Statfs(path, &st); {
	case err == nil && st.Type != unix.FUSE_SUPER_MAGIC, err != nil && !errors.Is(err, unix.ENOTCONN):
		return nil // what is wrong with the path is said where the root is opened
	}
	other, err := c.runningWith(func(rec *Holding) bool { return rec.View != nil && rec.View.Path == path })
	if err != nil {
		return err
	}
	if other != nil {
		return fmt.Errorf("its root is in use by container %q", other.ID)
	}
	// The mounts were copied when this process got its own namespace: the view is in both.
	for _, ns := range []*os.File{nil, c.HostMounts} {
		err := rootview.InNamespace(ns, func() error {
			if err := rootview.Uncover(path); err != nil {
				return err
			}
			return rootview.Refresh(path)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeView covers the engine's mount beside what create does next. own is the container's mount, attached at path.
func (c *creation) makeView(path string) error {
	if c.rec.View == nil {
		return nil
	}
	own, err := cloneAt(path)
	if err != nil {
		return err
	}
	if c.rec.View.Own, err = rootview.PlaceOf(own); err != nil {
		_ = own.Close()
		return err
	}
	request := c.viewRequest(&c.rec.Holding, own)
	c.view = beside(func() (*rootview.View, error) {
		defer func() { _ = own.Close() }()
		return rootview.Make(request)
	})
	return nil
}

func (r *Runtime) viewRequest(rec *Holding, own *os.File) rootview.Request {
	return rootview.Request{
		ID: rec.ID, Path: rec.View.Path, At: rec.View.Engine, Own: own, Namespace: r.HostMounts,
		Start: rec.Range.Start, Size: rec.Range.Size,
	}
}

func cloneAt(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() { _ = f.Close() }()
	own, err := userns.Clone(f, nil, false)
	if err != nil {
		return nil, err
	}
	if err := userns.MakePrivate(own); err != nil {
		_ = own.Close()
		return nil, err
	}
	return own, nil
}

// recordView waits for the view and puts its process into the record, which the caller writes. Where no view can be made,
// the container goes without one unless the site wants it always.
func (c *creation) recordView() error {
	if c.view == nil {
		return nil
	}
	v, err := c.view()
	if err == nil {
		c.rec.View.PID, c.rec.View.Start = v.PID, startTime(v.PID)
		return nil
	}
	c.view = nil
	if c.Config.RootView == "always" {
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	logrus.Warnf("create %q: %v: docker cp and docker export of this running container may show old contents", c.o.ID, err)
	c.rec.View = nil
	c.rec.ViewError = err.Error()
	return nil
}

// openView lets the view answer. The record names its process by now.
func (c *creation) openView() error {
	if c.view == nil {
		return nil
	}
	v, err := c.view()
	if err != nil {
		return err
	}
	c.view = nil
	return v.Open()
}

// closeView ends a view that create did not get to open.
func (c *creation) closeView() {
	if c.view == nil {
		return
	}
	if v, err := c.view(); err == nil {
		v.Close()
	}
	c.view = nil
}

// removeView gives the engine its own mount back. The container's processes are dead by now. The process that answers
// holds the container's overlay, so it has to be gone before the upper directory is used again; then the engine's mount, which
// has seen none of the container's changes, has to forget what it remembers.
func (r *Runtime) removeView(rec *Holding) error {
	if rec.View == nil {
		return nil
	}
	return rootview.InNamespace(r.HostMounts, func() error {
		if err := endView(rec.View); err != nil {
			return err
		}
		err := rootview.Refresh(rec.View.Path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // the engine has removed everything
		}
		return err
	})
}

func endView(v *RootView) error {
	if err := rootview.Uncover(v.Path); err != nil {
		return err
	}
	if v.PID == 0 {
		return nil
	}
	return killAndWait(v.PID, v.Start, int(killTimeout.Milliseconds()), nil)
}
