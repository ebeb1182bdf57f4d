package container

import (
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/rootview"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// The states of a view.
const (
	ViewNone   = "none"   // this container has none
	ViewShown  = "shown"  // the engine sees the container's files
	ViewHidden = "hidden" // an operator took it away
	ViewBroken = "broken" // the process that answers has died, or something else is mounted there
)

// ViewState tells the path and the state of a container's view, as the calling process's mount namespace has it.
func (r *Runtime) ViewState(id string) (path, state string, err error) {
	rec, err := r.readHolding(id)
	if err != nil {
		return "", "", err
	}
	if rec.View == nil {
		return "", ViewNone, nil
	}
	covered, err := rootview.Covered(rec.View.Path)
	switch {
	case err != nil:
		return "", "", err
	case rec.View.Hidden:
		return rec.View.Path, ViewHidden, nil
	case !covered || !alive(rec.View.PID, rec.View.Start):
		return rec.View.Path, ViewBroken, nil
	}
	return rec.View.Path, ViewShown, nil
}

// HideView takes the view away until [Runtime.ShowView]: the engine has its own mount again, which does not follow what
// the container writes. A container without a view is left alone.
func (r *Runtime) HideView(id string) error {
	return r.changeView(id, func(rec *Holding, decision []byte, dir string) error {
		if err := r.removeView(rec); err != nil {
			return err
		}
		rec.View.Hidden, rec.View.PID, rec.View.Start = true, 0, 0
		return writeRecordLines(dir, rec, decision)
	})
}

// ShowView makes the view of a running container anew where it is not in order: its process died, somebody unmounted it, or
// [Runtime.HideView] took it away. A container that was created without a view gets none: its engine's mount has been used meanwhile.
func (r *Runtime) ShowView(id string) error {
	return r.changeView(id, func(rec *Holding, decision []byte, dir string) error {
		covered, err := rootview.Covered(rec.View.Path)
		if err != nil || covered && alive(rec.View.PID, rec.View.Start) {
			return err
		}
		if err := endView(rec.View); err != nil {
			return err
		}
		own, err := ownRoot(rec)
		if err != nil {
			return err
		}
		defer func() { _ = own.Close() }()
		v, err := rootview.Make(r.viewRequest(rec, own))
		if err != nil {
			return err
		}
		rec.View.Hidden, rec.View.PID, rec.View.Start = false, v.PID, startTime(v.PID)
		if err := writeRecordLines(dir, rec, decision); err != nil {
			v.Close()
			return errors.Join(err, rootview.Uncover(rec.View.Path))
		}
		return v.Open()
	})
}

// changeView does something about the view of a container that runs, under its lock.
func (r *Runtime) changeView(id string, change func(rec *Holding, decision []byte, dir string) error) error {
	dir, err := r.dir(id)
	if err != nil {
		return err
	}
	l, err := lock(dir, id)
	if err != nil {
		return err
	}
	defer l.Close()
	rec, decision, err := r.readLines(id)
	if err != nil {
		return err
	}
	if rec.View == nil || rec.Creating || !alive(rec.InitPID, rec.InitStart) {
		return nil
	}
	if err := change(rec, decision, dir); err != nil {
		return fmt.Errorf("change the view of %q: %w", id, err)
	}
	return nil
}

// ownRoot is a mount of the container's root, found in the container's mount namespace. The root of that namespace counts and
// not that of a process: a process chooses its own. What is found there must be the overlay that create made.
func ownRoot(rec *Holding) (own *os.File, err error) {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", rec.InitPID))
	if err != nil {
		return nil, fmt.Errorf("open mount namespace: %w", err)
	}
	defer ns.Close()
	if !alive(rec.InitPID, rec.InitStart) {
		return nil, fmt.Errorf("open mount namespace: process %d has ended", rec.InitPID)
	}
	err = rootview.InNamespace(ns, func() error {
		root, err := rootview.OpenPlace("/", rec.View.Own)
		if err != nil {
			return fmt.Errorf("in the container: %w", err)
		}
		defer root.Close()
		if own, err = userns.Clone(root, nil, false); err != nil {
			return fmt.Errorf("in the container: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := clearReadOnly(own); err != nil {
		_ = own.Close()
		return nil, err
	}
	return own, nil
}

// clearReadOnly makes the clone private and writable: a read-only root is what the container has, not what its overlay is.
func clearReadOnly(own *os.File) error {
	if err := userns.MakePrivate(own); err != nil {
		return err
	}
	return userns.SetAttr(own, 0, unix.MOUNT_ATTR_RDONLY, false)
}

// keepView has the view of a running container made anew when its process has died. A view that cannot be made is no
// reason against what the caller is about to do.
func (r *Runtime) keepView(rec *Holding) {
	if rec.View == nil || rec.View.Hidden || alive(rec.View.PID, rec.View.Start) {
		return
	}
	if err := r.ShowView(rec.ID); err != nil {
		logrus.Warnf("%v", err)
	}
}
