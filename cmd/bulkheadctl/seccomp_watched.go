package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
)

// launcherCommand is what this program is between a filter and a command. It is no command for people.
func launcherCommand() *cli.Command {
	return &cli.Command{
		Name: notify.LauncherWord, Usage: "load a filter and become a command", Hidden: true,
		Action: withArgs(0, 0, func(*cli.Context) error { return notify.LaunchMain() }),
	}
}

// runBundle has the runtime run something and hands signals on.
func runBundle(binary string, args []string) (int, error) {
	cmd := exec.Command(binary, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := catchSignals()
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("run %s: %w", binary, err)
	}
	go pass(signals, cmd.Process)
	return exitStatus(cmd.Wait())
}

func catchSignals() chan os.Signal {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	return signals
}

// exitStatus is a command's status as shells tell it: 128 and the signal, when one ended it.
func exitStatus(err error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		if err != nil {
			return 1, fmt.Errorf("wait for command: %w", err)
		}
		return 0, nil
	}
	if st, ok := exit.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// watchContainer runs something with the runtime's options for a listener, and serves all listeners until it has ended.
func watchContainer(quiet seccomp.Profile, j notify.Judge, run func(options []string) (int, error)) (status int, err error) {
	dir, err := os.MkdirTemp("", "bulkhead-watch-")
	if err != nil {
		return 1, fmt.Errorf("make directory of the listener: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	watch := container.Watch{Socket: filepath.Join(dir, "listener.sock"), Quiet: quiet.ToOCI()}
	text, err := json.Marshal(watch)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "watch.json"), text, 0o600)
	}
	if err != nil {
		return 1, fmt.Errorf("write watch: %w", err)
	}
	socket, err := notify.NewSocket(watch.Socket)
	if err != nil {
		return 1, err
	}
	s := &listeners{socket: socket, judge: j}
	ended := make(chan struct{})
	go func() { defer close(ended); s.accept() }()
	status, err = run([]string{"--seccomp-watch", filepath.Join(dir, "watch.json")})
	return status, errors.Join(err, socket.Close(), s.end(ended))
}

// listeners are those of one container.
type listeners struct {
	socket *notify.Socket
	judge  notify.Judge

	mu      sync.Mutex
	serving []*notify.Listener
	errs    []error
	group   sync.WaitGroup
}

func (s *listeners) accept() {
	for {
		l, _, err := s.socket.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.mu.Lock()
		if err != nil {
			s.errs = append(s.errs, err)
		} else {
			s.serving = append(s.serving, l)
			s.group.Go(func() {
				if err := l.Serve(s.judge); err != nil {
					s.mu.Lock()
					s.errs = append(s.errs, err)
					s.mu.Unlock()
				}
			})
		}
		s.mu.Unlock()
	}
}

// end waits for the listeners. The container is gone, and with it the last process under each filter.
func (s *listeners) end(accepted <-chan struct{}) error {
	<-accepted
	s.group.Wait()
	return errors.Join(s.errs...)
}

// watchCommand runs a command of this user's under a program that notifies, until the last process that has it ends. A signal
// goes to the command; when only others are left, it ends the watching, and they get ENOSYS from then on.
func watchCommand(args []string, program []bpf.RawInstruction, j notify.Judge) (int, error) {
	signals := catchSignals()
	defer signal.Stop(signals)
	launch, err := notify.Prepare(args, os.Environ(), nil)
	if err != nil {
		return 1, err
	}
	// The command has this user's rights: it may neither trace this program nor take the listener from it (ptrace(2), pidfd_getfd(2)).
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return 1, errors.Join(fmt.Errorf("keep the command out of this program: %w", err), launch.Abandon())
	}
	listener, served, err := launch.Go(program, j)
	if err != nil {
		return 1, err
	}
	waited := make(chan error, 1)
	go func() { waited <- launch.Cmd.Wait() }()
	status, running := 0, true
	for {
		select {
		case sig := <-signals:
			switch {
			case !running:
				return status, errors.Join(listener.Stop(), <-served)
			case (sig == unix.SIGINT || sig == unix.SIGQUIT) && isTerminal(os.Stdin):
			default:
				_ = launch.Cmd.Process.Signal(sig)
			}
		case err := <-waited:
			running, waited = false, nil
			if status, err = exitStatus(err); err != nil {
				return status, errors.Join(err, listener.Stop(), <-served)
			}
		case err := <-served:
			if running {
				if err != nil {
					_ = launch.Cmd.Process.Kill() // nobody answers it any more
				}
				status, _ = exitStatus(<-waited)
			}
			return status, err
		}
	}
}
