package container

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/opencontainers/runc/libcontainer"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// ExecOptions are the flags of exec.
type ExecOptions struct {
	ID string
	// ProcessFile is a process.json; without it Process edits the container's own process.
	ProcessFile string
	// Args is the command, used without ProcessFile.
	Args []string
	// Edit changes the container's own process, used without ProcessFile.
	Edit func(*specs.Process) error

	ConsoleSocket, PidfdSocket, PidFile string
	PreserveFDs                         int
	Detach                              bool
	// IgnorePaused allows exec into a paused container: the process waits until it is resumed.
	IgnorePaused bool
	// SubCgroups are cgroups below the container's own, by controller ("" on cgroup v2).
	SubCgroups map[string]string
}

// Exec runs another process in the container, judged by the rules of its create: callers send the original process, so
// whatever create took away would otherwise come back. The kernel is read back right after the start, and a process that
// has more than the hardened spec gives is killed. Status is as [Runtime.Run]'s.
func (r *Runtime) Exec(o ExecOptions) (status int, err error) {
	if o.PidFile != "" {
		if o.PidFile, err = filepath.Abs(o.PidFile); err != nil {
			return -1, fmt.Errorf("resolve pid file: %w", err)
		}
	}
	rec, c, err := r.openRecord(o.ID)
	if err != nil {
		return -1, err
	}
	if err := execable(c, o.IgnorePaused); err != nil {
		return -1, err
	}
	hardened, err := r.judgeExec(rec, o)
	if err != nil {
		return -1, err
	}
	r.keepView(&rec.Holding)
	signals := catchSignals(CreateOptions{Detach: o.Detach})
	listening := catchOthers(signals)
	p, con, err := r.startExec(rec, c, hardened, o)
	if err != nil {
		return -1, explainFilter(err, hardened, true)
	}
	defer con.close()
	if o.Detach {
		return 0, nil
	}
	listening()
	return wait(p, con, signals)
}

func execable(c *libcontainer.Container, ignorePaused bool) error {
	status, err := c.Status()
	if err != nil {
		return fmt.Errorf("exec: %w", err)
	}
	switch {
	case status == libcontainer.Stopped:
		return errors.New("cannot exec in a stopped container")
	case status == libcontainer.Paused && !ignorePaused:
		return errors.New("cannot exec in a paused container (use --ignore-paused to override)")
	}
	return nil
}

// judgeExec puts the requested process into the saved hardened spec and runs the same rules.
func (r *Runtime) judgeExec(rec *Record, o ExecOptions) (*specs.Spec, error) {
	asked, err := execProcess(rec, o)
	if err != nil {
		return nil, err
	}
	if o.Detach && asked.Terminal && o.ConsoleSocket == "" {
		return nil, errors.New("cannot allocate tty if bulkhead will detach without setting console socket")
	}
	if (!o.Detach || !asked.Terminal) && o.ConsoleSocket != "" {
		return nil, errors.New("cannot use console socket if bulkhead will not detach or allocate tty")
	}
	hardened, _, err := harden.Exec(rec.Spec, asked, rec.policy())
	if err != nil {
		r.logRefusal("exec", rec.ID, rec.Bundle, err)
		return nil, err
	}
	return hardened, nil
}

// policy is the policy of create. Its seccomp ceiling is what create enforced.
func (rec *Record) policy() harden.Policy {
	p := rec.Policy
	p.Seccomp = rec.Spec.Linux.Seccomp
	return p
}

func execProcess(rec *Record, o ExecOptions) (*specs.Process, error) {
	if o.ProcessFile != "" {
		f, err := os.Open(o.ProcessFile)
		if err != nil {
			return nil, fmt.Errorf("read process: %w", err)
		}
		defer f.Close()
		p, _, err := bundle.LoadProcess(f)
		return p, err
	}
	if len(o.Args) == 0 {
		return nil, errors.New("exec args cannot be empty")
	}
	p := *rec.Spec.Process
	p.Env = slices.Clone(p.Env)
	p.User.AdditionalGids = slices.Clone(p.User.AdditionalGids)
	p.Args, p.Terminal = o.Args, false
	if p.Capabilities != nil {
		k := *p.Capabilities
		p.Capabilities = &k
	}
	if o.Edit != nil {
		if err := o.Edit(&p); err != nil {
			return nil, err
		}
	}
	return &p, nil
}

func (r *Runtime) startExec(rec *Record, c *libcontainer.Container, hardened *specs.Spec, o ExecOptions) (*libcontainer.Process, *console, error) {
	p, err := newProcess(hardened.Process, r.LogLevel)
	if err != nil {
		return nil, nil, err
	}
	p.SubCgroupPaths = o.SubCgroups
	if err := passDescriptors(p, o.PreserveFDs, r.Inherited, false); err != nil {
		return nil, nil, err
	}
	if err := r.inheritExecLimits(rec, p); err != nil {
		return nil, nil, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	config := c.Config()
	con, err := setupIO(p, owner{config: &config, user: hardened.Process.User}, ioOptions{
		terminal: hardened.Process.Terminal, detach: o.Detach, consoleSocket: o.ConsoleSocket, pidfdSocket: o.PidfdSocket,
	})
	if err != nil {
		return nil, nil, err
	}
	// The process inherits this umask. Callers run with all kinds (dockerd's shim with 0), create's processes with 0022.
	unix.Umask(execUmask(hardened.Process))
	start := func() error { return c.Start(p) }
	if f := config.Seccomp; f != nil && f.ListenerPath != rec.Spec.Linux.Seccomp.ListenerPath { // a recorder's, not an agent's
		start = func() error { return startServed(f.ListenerPath, func() error { return c.Start(p) }) }
	}
	if err := start(); err != nil {
		con.close()
		return nil, nil, fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	if err := r.confirmExec(rec, hardened, p, con, o); err != nil {
		_ = p.Signal(unix.SIGKILL)
		_, _ = p.Wait()
		con.close()
		return nil, nil, err
	}
	return p, con, nil
}

// inheritExecLimits is [inheritLimits] for a process in a user namespace that the engine made.
func (r *Runtime) inheritExecLimits(rec *Record, p *libcontainer.Process) error {
	if rec.Leased {
		return nil
	}
	ns, err := os.Open(filepath.Join("/proc", strconv.Itoa(rec.InitPID), "ns/user"))
	if err != nil {
		return fmt.Errorf("open its user namespace: %w", err)
	}
	defer ns.Close()
	return inheritLimits(p, ns, rec.Policy.Facts)
}

func execUmask(p *specs.Process) int {
	if p.User.Umask != nil {
		return int(*p.User.Umask & 0o777)
	}
	return 0o022
}

// confirmExec reads the kernel back and writes the pid file, last.
func (r *Runtime) confirmExec(rec *Record, hardened *specs.Spec, p *libcontainer.Process, con *console, o ExecOptions) error {
	if err := con.started(); err != nil {
		return fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	pid, err := p.Pid()
	if err != nil {
		return fmt.Errorf("exec in %q: %w", o.ID, err)
	}
	if err := verifyExec(pid, rec, hardened); err != nil {
		return err
	}
	if o.PidFile == "" {
		return nil
	}
	return writePidFile(o.PidFile, pid)
}
