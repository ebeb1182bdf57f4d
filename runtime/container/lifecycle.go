package container

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"
)

// open loads a container: what it holds and libcontainer's view of it. A container whose create was killed has a record
// and no view.
func (r *Runtime) open(id string) (*Holding, *libcontainer.Container, error) {
	h, err := r.readHolding(id)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.view(h)
	return h, c, err
}

// openRecord is open with the decision, for what judges.
func (r *Runtime) openRecord(id string) (*Record, *libcontainer.Container, error) {
	rec, err := r.readRecord(id)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.view(&rec.Holding)
	if err == nil && rec.Spec == nil {
		err = fmt.Errorf("load container %q: %s has no decision", id, recordFile)
	}
	return rec, c, err
}

// view is libcontainer's view of a container that is created.
func (r *Runtime) view(h *Holding) (*libcontainer.Container, error) {
	if h.Creating {
		if alive(h.CreatorPID, h.CreatorStart) {
			return nil, fmt.Errorf("load container %q: it is being created", h.ID)
		}
		return nil, fmt.Errorf("load container %q: %w", h.ID, errHalfMade)
	}
	dir, err := r.dir(h.ID)
	if err != nil {
		return nil, err
	}
	c, err := libcontainer.Load(dir, h.ID)
	if err != nil {
		return nil, fmt.Errorf("load container %q: %w", h.ID, err)
	}
	return c, nil
}

// Start lets the process of a created container run. Where AppArmor is to confine it, the kernel is read back once more.
func (r *Runtime) Start(id string) error {
	rec, c, err := r.open(id)
	if err != nil {
		return err
	}
	status, err := c.Status()
	if err != nil {
		return fmt.Errorf("start %q: %w", id, err)
	}
	switch status {
	case libcontainer.Created:
	case libcontainer.Stopped:
		return r.explainStart(id, errors.New("cannot start a container that has stopped"))
	case libcontainer.Running:
		return errors.New("cannot start an already running container")
	default:
		return fmt.Errorf("cannot start a container in the %s state", status)
	}
	dir, err := r.dir(id)
	if err != nil {
		return err
	}
	notify := newNotifySocket(dir, os.Getenv("NOTIFY_SOCKET"))
	if err := notify.bind(); err != nil {
		return err
	}
	if err := rec.begin(c.Exec); err != nil {
		return r.explainStart(id, fmt.Errorf("start %q: %w", id, err))
	}
	return notify.forward(rec.InitPID)
}

// Kill sends a signal to the container's first process. With all, a container that has ended is no error: callers
// use it to be sure.
func (r *Runtime) Kill(id string, sig unix.Signal, all bool) error {
	rec, err := r.readHolding(id)
	if err != nil {
		return err
	}
	_, c, err := r.open(id)
	if err != nil {
		// A half-made container has nothing to signal but what delete --force removes.
		if rec.Creating && all {
			return nil
		}
		return err
	}
	if err := c.Signal(sig); err != nil {
		if errors.Is(err, libcontainer.ErrNotRunning) {
			if all {
				return nil
			}
			return err // its bare text is what engines look for
		}
		return fmt.Errorf("kill %q: %w", id, err)
	}
	return nil
}

// Pause freezes all processes of the container.
func (r *Runtime) Pause(id string) error {
	rec, c, err := r.open(id)
	if err != nil {
		return err
	}
	if why := rec.Delegation.None; why != "" {
		return fmt.Errorf("pause %q: the container has no cgroup: %s", id, why)
	}
	if err := c.Pause(); err != nil {
		return fmt.Errorf("pause %q: %w", id, err)
	}
	return nil
}

// Resume thaws what [Runtime.Pause] froze.
func (r *Runtime) Resume(id string) error {
	rec, c, err := r.open(id)
	if err != nil {
		return err
	}
	if why := rec.Delegation.None; why != "" {
		return fmt.Errorf("resume %q: the container has no cgroup: %s", id, why)
	}
	if err := c.Resume(); err != nil {
		return fmt.Errorf("resume %q: %w", id, err)
	}
	return nil
}

// Processes are the host's process IDs of the container's processes. Some may have ended by the time they are
// looked at, unless the container is paused.
func (r *Runtime) Processes(id string) ([]int, error) {
	_, c, err := r.open(id)
	if err != nil {
		return nil, err
	}
	pids, err := c.Processes()
	if err != nil {
		return nil, fmt.Errorf("list processes of %q: %w", id, err)
	}
	return pids, nil
}

// Events sends the container's usage to send: once with every 0, else every so often until the container's cgroup
// is gone, with an "oom" event for each process that the kernel killed for memory.
func (r *Runtime) Events(id string, every time.Duration, send func(Event) error) error {
	_, c, err := r.open(id)
	if err != nil {
		return err
	}
	status, err := c.Status()
	if err != nil {
		return fmt.Errorf("read statistics of %q: %w", id, err)
	}
	if status == libcontainer.Stopped {
		return fmt.Errorf("container with id %s is not running", id)
	}
	sendStats := func() error {
		s, err := c.Stats()
		if err != nil {
			return fmt.Errorf("read statistics of %q: %w", id, err)
		}
		return send(Event{Type: "stats", ID: id, Data: statistics(s)})
	}
	if every == 0 {
		return sendStats()
	}
	oom, err := c.NotifyOOM()
	if err != nil {
		return fmt.Errorf("watch %q for out of memory: %w", id, err)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case _, open := <-oom:
			if !open {
				return nil // the cgroup is gone
			}
			err = send(Event{Type: "oom", ID: id})
		case <-tick.C:
			err = sendStats()
		}
		if err != nil {
			return err
		}
	}
}
