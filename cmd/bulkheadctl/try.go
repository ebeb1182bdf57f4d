package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

const tryHelp = `Runs a command in a container made of this machine's own programs: /usr and what programs need of /etc, read-only; a
/tmp, /run and home of its own that are empty and vanish; no network but its own loopback. No engine and no image is needed.

Without a command: a shell, when this is a terminal; else a demonstration of what is enforced.

   bulkheadctl try
   bulkheadctl try -- sh -c 'id; cat /proc/self/uid_map'
   bulkheadctl try --memory 256m -- make -C /usr/share/doc

The exit status is that of the command, 128 and the signal when a signal ended it, and 1 when there was no container.`

func tryCommand() *cli.Command {
	return &cli.Command{
		Name: "try", Usage: "run a command in a hardened sandbox of this machine's files", ArgsUsage: "[--] [COMMAND...]", Description: tryHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "profile", Usage: "hardening profile `NAME`"},
			&cli.BoolFlag{Name: "network", Usage: "refused: a network takes an engine, see the message"},
			&cli.BoolFlag{Name: "rw", Usage: "let the command write to the sandbox's own root directory (never to this machine's files)"},
			&cli.StringFlag{Name: "memory", Usage: "`LIMIT` of memory in bytes, or with k, m or g"},
			&cli.BoolFlag{Name: "demo", Usage: "show what is enforced, also on a terminal"},
		},
		Action: withArgs(0, -1, try),
	}
}

// errNetwork says what is not possible, and what is.
var errNetwork = errors.New("try --network: a container of bulkhead never has this machine's own network, and a network of its own " +
	"takes an engine that makes it; use docker run --runtime=bulkhead, or try without --network (it has a loopback device)")

func try(ctx *cli.Context) error {
	if ctx.Bool("network") {
		return errNetwork
	}
	if os.Geteuid() != 0 {
		return errors.New("try: bulkhead gives each container its own range of user IDs, which only root can do; run it with sudo")
	}
	binary, err := runtimeBinary("")
	if err != nil {
		return err
	}
	s, err := newSandbox(ctx)
	if err != nil {
		return err
	}
	return s.runAndRemove(binary)
}

// runAndRemove runs the sandbox from a bundle of its own. The error has the command's status.
func (s *sandbox) runAndRemove(binary string) error {
	dir, err := os.MkdirTemp("", "bulkhead-try-")
	if err != nil {
		return fmt.Errorf("make bundle: %w", err)
	}
	// From here on only the end of the command ends this program: the bundle has to go.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	status, err := s.run(binary, dir, signals)
	if rm := os.RemoveAll(dir); rm != nil {
		err = errors.Join(err, fmt.Errorf("remove bundle: %w", rm))
	}
	if err != nil || status != 0 {
		return &statusError{status: max(status, 1), err: err}
	}
	return nil
}

// A sandbox is what try was asked for.
type sandbox struct {
	args     []string
	demo     bool
	terminal bool
	rw       bool
	memory   int64
	profile  profiles.Profile
	flag     string   // --profile as given
	record   []string // the runtime's options for a recording
	filter   *specs.LinuxSeccomp
}

func newSandbox(ctx *cli.Context) (*sandbox, error) { return newSandboxOf(ctx, ctx.Args().Slice()) }

func newSandboxOf(ctx *cli.Context, args []string) (*sandbox, error) {
	cfg, err := loadConfig()
	if err != nil {
		return nil, err
	}
	s := &sandbox{args: args, rw: ctx.Bool("rw"), flag: ctx.String("profile")}
	name, err := profiles.Select(s.flag, "bulkhead", cfg)
	if err != nil {
		return nil, err
	}
	if s.profile, err = profiles.Load(name, cfg.ProfilesDir); err != nil {
		return nil, err
	}
	if s.profile.Mounts.Noexec.On {
		return nil, fmt.Errorf("try: profile %q lets nothing run from a directory of this machine (noexec), and the sandbox has no other programs; "+
			"try it with an image, or use the profile default or compatible here", name)
	}
	if m := ctx.String("memory"); m != "" {
		if s.memory, err = parseSize(m); err != nil {
			return nil, fmt.Errorf("read --memory: %w", err)
		}
	}
	s.terminal = isTerminal(os.Stdin) && isTerminal(os.Stdout)
	if len(s.args) == 0 {
		s.demo = !s.terminal || ctx.Bool("demo")
		s.args = []string{"/bin/sh", "-i"}
		if s.demo {
			s.args, s.terminal = []string{demoProgram, demoCommandName}, false
			if !s.profile.NoNewPrivileges.On {
				s.args = append(s.args, "--"+demoSetuidFlag)
			}
		}
	}
	return s, nil
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// parseSize reads bytes with an optional k, m, g or t of 1024.
func parseSize(text string) (int64, error) {
	digits, shift := strings.ToLower(text), 0
	digits = strings.TrimSuffix(digits, "b")
	for i, unit := range []string{"k", "m", "g", "t"} {
		if rest, ok := strings.CutSuffix(digits, unit); ok {
			digits, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is no size, want a number of bytes, or one with k, m or g", text)
	}
	return n << shift, nil
}

// run makes the bundle in dir, hands it to the runtime and waits for the command.
func (s *sandbox) run(binary, dir string, signals chan os.Signal) (int, error) {
	id := filepath.Base(dir)
	if err := s.makeBundle(dir, id); err != nil {
		return 1, err
	}
	args := slices.Clone(s.record)
	if s.flag != "" {
		args = append(args, "--profile", s.flag)
	}
	cmd := exec.Command(binary, append(args, "run", "--bundle", dir, id)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("run %s: %w", binary, err)
	}
	go pass(signals, cmd.Process)
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		// The runtime itself was killed, so it has not cleaned up.
		_ = exec.Command(binary, "delete", "--force", id).Run()
		return 1, fmt.Errorf("run %s: %w", binary, err)
	}
	return 0, nil
}

func (s *sandbox) makeBundle(dir, id string) error {
	r := hostRoot{from: "/", to: filepath.Join(dir, "rootfs")}
	if err := r.make(); err != nil {
		return err
	}
	if s.demo {
		if err := copyProgram(filepath.Join(r.to, demoProgram)); err != nil {
			return err
		}
	}
	data, err := json.Marshal(s.spec(id, r.mounts))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write bundle: %w", err)
	}
	return nil
}

// pass hands signals on to the runtime, which hands them to the command. Those of the keyboard have reached it already.
func pass(signals chan os.Signal, p *os.Process) {
	for s := range signals {
		if (s == unix.SIGINT || s == unix.SIGQUIT) && isTerminal(os.Stdin) {
			continue
		}
		_ = p.Signal(s)
	}
}

// copyProgram copies this program into the sandbox, for the demonstration.
func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("copy demonstration: %w", err)
	}
	data, err := os.ReadFile(self)
	if err == nil {
		err = os.WriteFile(to, data, 0o755) //nolint:gosec // a program for the container's users
	}
	if err != nil {
		return fmt.Errorf("copy demonstration: %w", err)
	}
	return nil
}
