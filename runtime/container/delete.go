package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"github.com/opencontainers/runc/libcontainer"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// killTimeout bounds the wait for a killed container. Processes in uninterruptible sleep may take it.
const killTimeout = 10 * time.Second

// Delete removes a stopped or created container and everything that it held: processes, cgroup, work directory, lease,
// directory. With force a running one is killed first, and one that is not there is a success, so that a caller may
// repeat it. What a killed create left behind is removed without force, too: nothing of it runs for anybody.
func (r *Runtime) Delete(id string, force bool) error {
	dir, err := r.dir(id)
	if err != nil {
		return err
	}
	if _, err := r.readHolding(id); err != nil && !errors.Is(err, errHalfMade) {
		if force && errors.Is(err, ErrNotExist) {
			return nil
		}
		return err
	}
	l, err := lock(dir, id)
	if err != nil {
		if errors.Is(err, ErrNotExist) && force {
			return nil
		}
		return err
	}
	defer l.Close()
	// Under the lock the record is final: a create that was under way is through, or dead.
	rec, err := r.readHolding(id)
	if errors.Is(err, errHalfMade) {
		return r.destroy(dir, &Holding{ID: id, Creating: true, Leased: true}, nil)
	}
	if err != nil {
		return err
	}
	if !force {
		if err := r.deletable(rec); err != nil {
			return err
		}
	}
	return r.destroy(dir, rec, nil)
}

// deletable refuses a container that runs or is paused.
func (r *Runtime) deletable(rec *Holding) error {
	if rec.Creating {
		return nil
	}
	_, c, err := r.open(rec.ID)
	if err != nil {
		return err
	}
	status, err := c.Status()
	if err != nil {
		return fmt.Errorf("delete %q: %w", rec.ID, err)
	}
	if status != libcontainer.Stopped && status != libcontainer.Created {
		return fmt.Errorf("cannot delete container %s that is not stopped: %s", rec.ID, status)
	}
	return nil
}

// destroy takes a container apart. Every step can be repeated, the directory goes last: as long as it stands, another
// delete finds what is left. The lease is given back only when no process is left that could use its IDs.
//
// c is libcontainer's view where the caller has it; otherwise it is loaded.
func (r *Runtime) destroy(dir string, rec *Holding, c *libcontainer.Container) error {
	if err := r.end(dir, rec, c); err != nil {
		return fmt.Errorf("delete %q: %w", rec.ID, err)
	}
	awaitRecorder(rec)
	if err := r.removeView(rec); err != nil {
		return fmt.Errorf("delete %q: %w", rec.ID, err)
	}
	for _, dir := range rec.workDirs() {
		if err := userns.RemoveWorkDir(dir); err != nil {
			return fmt.Errorf("delete %q: %w", rec.ID, err)
		}
	}
	if rec.Leased {
		store, err := r.leases()
		if err == nil {
			err = store.Release(r.Root, rec.ID)
			_ = store.Close()
		}
		if err != nil {
			return fmt.Errorf("delete %q: %w", rec.ID, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("delete %q: %w", rec.ID, err)
	}
	return nil
}

// end kills the container's processes and removes its cgroup, with libcontainer's view where there is one, else from the
// record.
func (r *Runtime) end(dir string, rec *Holding, c *libcontainer.Container) (err error) {
	if rec.InitPID > 0 {
		if err := killAndWait(rec.InitPID, rec.InitStart, int(killTimeout.Milliseconds()), func() { thaw(rec) }); err != nil {
			return err
		}
	}
	if c == nil {
		if c, err = libcontainer.Load(dir, rec.ID); err != nil && !errors.Is(err, libcontainer.ErrNotExist) {
			logrus.Warnf("delete %q: %v: removing it by its record", rec.ID, err)
		}
		if err == nil {
			if err := endInit(c); err != nil {
				return err
			}
		}
	}
	m, err := emptyCgroup(rec)
	if err != nil {
		return err
	}
	if c != nil {
		return c.Destroy() // with the cgroup, and the caller's poststop hooks
	}
	if m != nil {
		if err := m.Destroy(); err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// endInit kills the first process that libcontainer knows, which a half-made container's record may not.
func endInit(c *libcontainer.Container) error {
	state, err := c.State()
	if err != nil || state.InitProcessPid <= 0 {
		return nil //nolint:nilerr // no state, no process; what is in the cgroup is killed next
	}
	_ = c.Signal(unix.SIGKILL) // thaws a frozen cgroup, ends a shared pid namespace
	return killAndWait(state.InitProcessPid, state.InitProcessStartTime, int(killTimeout.Milliseconds()), nil)
}

// thaw thaws the container's cgroup, so that its processes can end.
func thaw(rec *Holding) {
	if m, err := cgroupOf(rec); err == nil && m != nil {
		if err := m.Freeze(cgroups.Thawed); err != nil {
			logrus.Warnf("thaw cgroup of %q: %v", rec.ID, err)
		}
	}
}

// cgroupOf is the manager of the container's cgroup, nil when there never was one.
func cgroupOf(rec *Holding) (cgroups.Manager, error) {
	if rec.Cgroup == nil {
		return nil, nil //nolint:nilnil // the cgroup was never made
	}
	named := *rec.Cgroup
	named.Resources = &cgroups.Resources{} // not kept in the record, and the v1 manager wants one
	m, err := manager.New(&named)
	if err != nil {
		return nil, fmt.Errorf("find cgroup: %w", err)
	}
	return m, nil
}

// emptyCgroup kills whatever is left in the container's cgroup. It gives the cgroup's manager, or nil when there never was one.
func emptyCgroup(rec *Holding) (cgroups.Manager, error) {
	m, err := cgroupOf(rec)
	if m == nil {
		return nil, err
	}
	for end := time.Now().Add(killTimeout); ; time.Sleep(2 * time.Millisecond) {
		pids, err := m.GetAllPids()
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("list processes of cgroup: %w", err)
		}
		if len(pids) == 0 {
			return m, nil
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("end cgroup: %d processes are still there %s after SIGKILL", len(pids), killTimeout)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		_ = m.Freeze(cgroups.Thawed)
	}
}
