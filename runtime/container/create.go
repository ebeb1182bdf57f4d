package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/sirupsen/logrus"

	"github.com/bulkhead-runtime/bulkhead/rootview"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// CreateOptions are the flags of create and run.
type CreateOptions struct {
	ID string
	// Bundle directory, empty for the current one.
	Bundle string
	// ConsoleSocket and PidfdSocket are paths of AF_UNIX sockets that receive the terminal's master and the init's pidfd.
	ConsoleSocket, PidfdSocket string
	// PidFile receives the init's pid, last of all.
	PidFile string
	// PreserveFDs is how many descriptors from 3 on (behind LISTEN_FDS) the container inherits.
	PreserveFDs int
	// Detach returns once the container is created (create) or started (run --detach).
	Detach bool
	// Keep leaves the container in place after run's process has ended.
	Keep bool
	// Subreaper makes run adopt the orphans of the container's processes.
	Subreaper bool
}

// A creation is one create under way. Its steps run in the order of their methods here; each leaves what undo needs in
// the record before it has its effect.
type creation struct {
	*Runtime
	o    CreateOptions
	dir  string
	lock *os.File
	rec  *Record

	asked    *specs.Spec
	hardened *specs.Spec
	launched *specs.Spec // the hardened spec with staged paths
	notes    []string
	policy   harden.Policy
	resolved *bundle.Resolved
	joined   *os.File // the sibling's user namespace
	// What runs beside the steps: the table of protected paths, the policy without facts, the range's mapping, the record's second line.
	protected func() ([]bundle.ProtectedPath, error)
	chosen    func() (harden.Policy, error)
	mapping   func() (*os.File, error)
	decision  func() ([]byte, error)
	notify    *notifySocket
	asking    *Watch                         // a recorder by notification that was started for this container
	view      func() (*rootview.View, error) // being made, not yet answering

	overlays []int // mounts of the spec that were overlays
	staged   []stagedMount
	unsure   bool // there are mounts below what is staged, or the kernel does not tell

	container *libcontainer.Container
	process   *libcontainer.Process
	console   *console
	signals   chan os.Signal
	listening func() // waits until all signals are caught
}

// Create makes the container and leaves its first process waiting for [Runtime.Start]. When it returns without an
// error, the kernel has been read back: mapping, capabilities, filter, limits and mounts are what the hardened spec
// says. On an error nothing of the container is left.
func (r *Runtime) Create(o CreateOptions) error {
	o.Detach = true
	c, err := r.create(o, nil)
	if err != nil {
		return err
	}
	defer c.close()
	return c.writePidFile()
}

// create runs all steps but the last, the pid file. signals is where a foreground run listens, else nil.
func (r *Runtime) create(o CreateOptions, signals chan os.Signal) (_ *creation, err error) {
	c := &creation{Runtime: r, o: o, signals: signals}
	if err := c.load(); err != nil {
		return nil, err
	}
	warmEncoder()
	if err := c.privateMounts(); err != nil {
		return nil, err
	}
	if err := c.reserve(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = c.abandon(err)
		}
	}()
	steps := []func() error{
		c.resolve, c.lease, c.judge, c.stage, c.startNotified, c.prepare, c.startInit, c.startRecorder, c.finish,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// load reads the bundle and the profile: no effect on the host.
func (c *creation) load() (err error) {
	if err := checkID(c.o.ID); err != nil {
		return err
	}
	if c.o.PidFile != "" {
		if c.o.PidFile, err = filepath.Abs(c.o.PidFile); err != nil {
			return fmt.Errorf("resolve pid file: %w", err)
		}
	}
	if c.o.Bundle != "" {
		// libcontainer takes the working directory for the bundle, as runc does.
		if err := os.Chdir(c.o.Bundle); err != nil {
			return fmt.Errorf("enter bundle %q: %w", c.o.Bundle, err)
		}
	}
	if c.o.Bundle, err = os.Getwd(); err != nil {
		return fmt.Errorf("enter bundle: %w", err)
	}
	usual := beside(func() (ceiling, error) { return c.loadCeiling("") })
	c.protected = beside(func() ([]bundle.ProtectedPath, error) { return protectedPaths(c.Root) })
	if c.asked, c.notes, err = bundle.Load(c.o.Bundle); err != nil {
		return err
	}
	if err := c.checkTerminal(); err != nil {
		return err
	}
	c.chosen = beside(func() (harden.Policy, error) { return c.selectPolicy(c.asked, c.o.ID, usual) })
	return nil
}

// checkTerminal refuses combinations that would leave a terminal with nobody at its other end.
func (c *creation) checkTerminal() error {
	terminal := c.asked.Process.Terminal
	if c.o.Detach && terminal && c.o.ConsoleSocket == "" {
		return errors.New("cannot allocate tty if bulkhead will detach without setting console socket")
	}
	if (!c.o.Detach || !terminal) && c.o.ConsoleSocket != "" {
		return errors.New("cannot use console socket if bulkhead will not detach or allocate tty")
	}
	return nil
}

// reserve takes the ID: mkdir is atomic, so of two creates one wins. The record says from the first moment who is at it.
func (c *creation) reserve() (err error) {
	if c.dir, err = c.Runtime.dir(c.o.ID); err != nil {
		return err
	}
	// First, because the usual root lies in it: made on the way to that, it would be closed to the container's root.
	if err := c.makeStateDir(); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Root, 0o700); err != nil {
		return fmt.Errorf("make root directory: %w", err)
	}
	if err := os.Mkdir(c.dir, 0o711); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("create %q: %w", c.o.ID, ErrExist)
		}
		return fmt.Errorf("create %q: %w", c.o.ID, err)
	}
	if c.lock, err = lock(c.dir, c.o.ID); err != nil {
		_ = os.RemoveAll(c.dir)
		return err
	}
	pid := os.Getpid()
	c.rec = &Record{Holding: Holding{
		Version: recordVersion, ID: c.o.ID, Bundle: c.o.Bundle, Creating: true,
		CreatorPID: pid, CreatorStart: startTime(pid),
		Leased: true, // soon: to give back what was never leased is no error
	}}
	if err := writeRecord(c.dir, c.rec); err != nil {
		return c.abandon(err)
	}
	return nil
}

// resolve opens what the spec names, once. No effect on the host.
func (c *creation) resolve() (err error) {
	if err := c.enterPrivateMounts(); err != nil {
		return err
	}
	if err := c.clearLeftView(); err != nil {
		return err
	}
	if err := c.mountOverlays(); err != nil {
		return err
	}
	return c.look()
}

// look resolves in the mount namespace that this thread is in, and completes the policy.
func (c *creation) look() error {
	table, err := c.protected()
	if err != nil {
		return err
	}
	resolved, resolveErr := bundle.Resolve(c.asked, c.o.Bundle, bundle.Options{Protected: table, StateDir: c.Config.StateDir, Mounted: c.overlays, Sibling: c.sibling})
	c.resolved = resolved
	// A profile that there is not is what to say first: nothing else counts then.
	if c.policy, err = c.chosen(); err != nil {
		return err
	}
	if resolveErr != nil {
		return resolveErr
	}
	c.rec.Profile = c.policy.Profile.Name
	c.policy.Facts = c.resolved.Facts
	return nil
}

// judge runs the rule table. A refusal goes to the log.
func (c *creation) judge() error {
	err := c.decide()
	if err != nil {
		c.logRefusal("create", c.o.ID, c.o.Bundle, err)
	}
	return err
}

// decide runs the rule table and puts the outcome into the creation.
func (c *creation) decide() (err error) {
	var changes []harden.Change
	c.hardened, changes, err = harden.Harden(c.asked, c.policy)
	if err != nil {
		return err
	}
	for _, n := range c.notes {
		changes = append(changes, harden.Change{Rule: "spec", Field: n, Why: "this property is not known and was not applied", Note: true})
	}
	c.rec.Changes = append(changes, c.overlayChanges()...)
	return nil
}

// abandon undoes what was done, by the same way as delete --force, and returns cause with what could not be undone.
func (c *creation) abandon(cause error) error {
	c.close()
	c.endNotified()
	if c.rec != nil {
		if err := c.destroy(c.dir, &c.rec.Holding, nil); err != nil {
			logrus.Warnf("undo create of %q: %v", c.o.ID, err)
			cause = fmt.Errorf("%w (and undo: %w)", cause, err)
		}
		c.rec = nil
	}
	c.unlock()
	return cause
}

// close gives back what the process holds; the container needs none of it.
func (c *creation) close() {
	c.closeView()
	if c.console != nil {
		c.console.close()
		c.console = nil
	}
	if c.resolved != nil {
		c.resolved.Close()
		c.resolved = nil
	}
	if c.mapping != nil {
		if ns, err := c.mapping(); err == nil {
			_ = ns.Close()
		}
		c.mapping = nil
	}
	if c.joined != nil {
		_ = c.joined.Close()
		c.joined = nil
	}
}

func (c *creation) unlock() {
	if c.lock != nil {
		_ = c.lock.Close()
		c.lock = nil
	}
}
