package container

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"
	"github.com/opencontainers/runc/libcontainer/system"
	"github.com/opencontainers/runc/libcontainer/utils"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/rootview"
)

// signalBuffer is large, so that a burst of SIGCHLD does not lose the forwarded ones between.
const signalBuffer = 256

// Run creates the container, starts it and, unless detached, waits for its process: the status is that of the process,
// or 128 and the signal that ended it. The container is deleted afterwards unless o.Keep says otherwise.
func (r *Runtime) Run(o CreateOptions) (status int, err error) {
	signals := catchSignals(o)
	c, err := r.create(o, signals)
	if err != nil {
		return -1, err
	}
	defer c.close()
	c.listening() // from here on the program may tell others that it is there
	if err := c.notify.bind(); err != nil {
		return -1, c.abandon(err)
	}
	if err := c.rec.begin(c.container.Exec); err != nil {
		return -1, c.abandon(explainFilter(fmt.Errorf("start %q: %w", o.ID, err), c.hardened, false))
	}
	if err := c.writePidFile(); err != nil {
		return -1, err
	}
	if o.Detach {
		return 0, c.notify.forward(c.rec.InitPID)
	}
	if c.notify != nil {
		go func() { _ = c.notify.forward(os.Getpid()) }()
	}
	status, err = wait(c.process, c.console, signals)
	c.close()
	if err != nil || !o.Keep {
		err = errors.Join(err, c.end())
	} else {
		c.showChanges()
	}
	return status, err
}

// showChanges has the caller's overlay forget what it remembers from before the container wrote to its layers: BuildKit looks there
// for the mount points that a step left, before it deletes the container.
func (c *creation) showChanges() {
	if c.rec.View != nil {
		return // delete does it
	}
	root := c.hardened.Root.Path
	if !filepath.IsAbs(root) {
		root = filepath.Join(c.rec.Bundle, root)
	}
	if err := rootview.InNamespace(c.HostMounts, func() error { return rootview.Refresh(root) }); err != nil {
		logrus.Warnf("show the changes of %q in its root: %v", c.o.ID, err)
	}
}

// end deletes the container whose process this one has waited for, by the views that it has of it already.
func (c *creation) end() error {
	l, err := lock(c.dir, c.o.ID)
	if errors.Is(err, ErrNotExist) {
		return nil // somebody else has deleted it
	}
	if err != nil {
		return err
	}
	defer l.Close()
	return c.destroy(c.dir, &c.rec.Holding, c.container)
}

// atOnce are the signals that people, engines and the kernel send to end a program that they have just started, or that say that it
// has ended.
var atOnce = [...]os.Signal{unix.SIGCHLD, unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2}

// catchSignals begins to listen before the process exists, so that neither its end nor a signal for it is missed. The signals that
// are not in atOnce are left to catchOthers.
func catchSignals(o CreateOptions) chan os.Signal {
	if o.Detach {
		return nil
	}
	if o.Subreaper {
		if err := system.SetSubreaper(1); err != nil {
			logrus.Warnf("become subreaper: %v", err)
		}
	}
	signals := make(chan os.Signal, signalBuffer)
	signal.Notify(signals, atOnce[:]...)
	return signals
}

// catchOthers goes on listening for all other signals, beside the start of the process, and gives a function that waits until it does. The
// Go runtime takes two switches between threads for each of them, together longer than the rules take to judge a container.
func catchOthers(signals chan os.Signal) (listening func()) {
	if signals == nil {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		signal.Notify(signals)
		close(done)
	}()
	return func() { <-done }
}

// wait forwards signals to the process and returns its status once it has ended and its output is written.
func wait(p *libcontainer.Process, c *console, signals chan os.Signal) (int, error) {
	pid, err := p.Pid()
	if err != nil {
		return -1, err
	}
	c.terminal.resize()
	// The process may have ended before the first signal is looked at.
	if status, ended := reap(pid); ended {
		return finished(p, c, status), nil
	}
	for s := range signals {
		switch s {
		case unix.SIGCHLD:
			if status, ended := reap(pid); ended {
				return finished(p, c, status), nil
			}
		case unix.SIGWINCH:
			c.terminal.resize()
		case unix.SIGURG, unix.SIGPIPE:
			// Go's own preemption signal, and a write of this process that nobody reads: not for the container.
		default:
			if err := p.Signal(s); err != nil {
				logrus.Debugf("forward %s: %v", s, err)
			}
		}
	}
	return -1, errors.New("wait for the container's process: the signals ended")
}

func finished(p *libcontainer.Process, c *console, status int) int {
	_, _ = p.Wait() // closes what os/exec holds; the status was reaped already
	c.drain()
	return status
}

// reap collects all children that have ended and tells whether pid was among them.
func reap(pid int) (status int, ended bool) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(-1, &ws, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || got <= 0 {
			return status, ended
		}
		if got == pid {
			status, ended = utils.ExitStatus(ws), true
		}
	}
}
