// bulkhead is an OCI container runtime that enforces hardened defaults whatever its caller asks for.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// version and commit are set by the build.
var (
	version = "0.1.0-dev"
	commit  = ""
)

// configFile is the host's configuration. It counts only when root alone can write it.
const configFile = "/etc/bulkhead/bulkhead.json"

const description = `bulkhead runs containers of the Open Container Initiative's format. Docker, containerd, podman and CRI-O call it in
place of runc. Whatever a container asks for, it gets a user namespace of its own with its own range of host IDs, a strict seccomp
filter, limits and few capabilities; what is dangerous is refused with the name of the rule.

To start a container by hand, from a bundle (a directory with config.json and a root filesystem):

   bulkhead run --bundle DIR ID

To let Docker use it, and to see what was changed or refused, see bulkheadctl(8).`

// An exitError carries the exit status of a container's process, or of a failed exec.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	// Before anything is opened: what the caller passed can be told from our own files only now.
	inherited := container.Inherited()
	err := run(newApp(inherited), os.Args)
	if err == nil {
		return
	}
	status := 1
	var exit *exitError
	if errors.As(err, &exit) {
		status, err = exit.status, exit.err
	}
	if err != nil {
		fatal(err)
	}
	os.Exit(status)
}

// fatal reports the error where callers look: as the last line of the log, and on standard error.
func fatal(err error) {
	logrus.Error(err)
	if f, ok := logrus.StandardLogger().Out.(*os.File); !ok || f.Fd() != os.Stderr.Fd() {
		fmt.Fprintln(os.Stderr, err)
	}
}

func newApp(inherited int) *cli.App {
	r := &container.Runtime{Inherited: inherited, OwnMounts: ownMounts, HostMounts: hostMounts(), Program: filepath.Base(os.Args[0])}
	return &cli.App{
		Name:        "bulkhead",
		Usage:       "run containers, hardened whatever was asked",
		Description: description,
		Version:     version,
		Writer:      os.Stdout,
		Flags:       globalFlags(),
		Before:      func(ctx *cli.Context) error { return configure(ctx, r) },
		Commands: []*cli.Command{
			createCommand(r), startCommand(r), runCommand(r), execCommand(r), killCommand(r), deleteCommand(r),
			stateCommand(r), listCommand(r), psCommand(r), pauseCommand(r), resumeCommand(r), updateCommand(r),
			eventsCommand(r), specCommand(), featuresCommand(r), checkpointCommand(), restoreCommand(),
		},
	}
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Value: container.DefaultRoot, Usage: "keep the containers' state in `DIR` (a tmpfs)"},
		&cli.StringFlag{Name: "log", Usage: "write the log to `FILE` (default: standard error)"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "`FORMAT` of the log: text or json"},
		&cli.BoolFlag{Name: "debug", Usage: "log more"},
		&cli.BoolFlag{Name: "systemd-cgroup", Usage: "use the systemd cgroup driver: linux.cgroupsPath is slice:prefix:name"},
		&cli.StringFlag{Name: "rootless", Value: "auto", Usage: "ignore cgroup errors, but never those of the host's own root: true, false or auto"},
		&cli.BoolFlag{Name: "require-generated", Usage: "refuse containers whose filter is not within a registered seccomp profile; so does the program's name bulkhead-generated"},
		&cli.BoolFlag{Name: "record", Usage: "record the system calls of created containers; so does the program's name bulkhead-record"},
		&cli.StringFlag{Name: "record-file", Usage: "write the recording to `FILE` (default: a new one in /var/lib/bulkhead/recordings)"},
		&cli.StringFlag{Name: "record-name", Usage: "give the recording the `NAME` (default: the container's ID)"},
		&cli.StringFlag{Name: "recorder", Value: "auto", Usage: "record with `RECORDER`: auto, bpf or notify"},
		&cli.StringFlag{Name: "seccomp-watch", Usage: "ask a recorder about system calls as `FILE` says: for bulkheadctl seccomp"},
		&cli.StringFlag{Name: "profile", Usage: "hardening profile `NAME`: default, restricted, compatible, or one of the site's own"},
	}
}

// configure reads the global flags and the host's configuration.
func configure(ctx *cli.Context, r *container.Runtime) error {
	if err := configureLog(ctx); err != nil {
		return err
	}
	if ctx.String("root") == "" {
		return errors.New("read --root: it must not be empty")
	}
	root, err := filepath.Abs(ctx.String("root"))
	if err != nil {
		return fmt.Errorf("resolve --root: %w", err)
	}
	if root == "/" {
		return errors.New("read --root: it must not be /")
	}
	r.Root, r.SystemdCgroup, r.Rootless, r.Profile = root, ctx.Bool("systemd-cgroup"), ctx.String("rootless"), ctx.String("profile")
	if program, ok := recordingProgram(r.Program); ok || ctx.Bool("record") {
		r.Program = program
		r.Record = &container.RecordOptions{
			File: ctx.String("record-file"), Name: ctx.String("record-name"), Recorder: ctx.String("recorder"), Version: version,
		}
	}
	program, ok := profiles.RequiringProgram(r.Program)
	r.Program, r.RequireGenerated = program, ok || ctx.Bool("require-generated")
	if path := ctx.String("seccomp-watch"); path != "" {
		if r.Watch, err = container.LoadWatch(path); err != nil {
			return err
		}
	}
	r.LogLevel = fmt.Sprint(int(logrus.GetLevel()))
	if r.Config, err = profiles.LoadConfig(configFile); err != nil {
		return err
	}
	if r.Config, err = container.PlaceForUser(r.Config); err == nil && !isGiven(ctx, "root") && r.Config.StateDir != filepath.Dir(container.DefaultRoot) {
		r.Root = filepath.Join(r.Config.StateDir, filepath.Base(container.DefaultRoot))
	}
	return err
}

// recordingProgram tells whether a program's name asks for recordings, and gives the name without that: bulkhead-record selects no
// profile, bulkhead-record-NAME the profile NAME.
func recordingProgram(name string) (string, bool) {
	const recording = "bulkhead-record"
	if name == recording {
		return "bulkhead", true
	}
	if profile, ok := strings.CutPrefix(name, recording+"-"); ok {
		return "bulkhead-" + profile, true
	}
	return name, false
}

// configureLog sets up the log as callers expect it: appended, one JSON object a line with --log-format json.
func configureLog(ctx *cli.Context) error {
	if ctx.Bool("debug") {
		logrus.SetLevel(logrus.DebugLevel)
	}
	switch f := ctx.String("log-format"); f {
	case "", "text":
	case "json":
		logrus.SetFormatter(new(logrus.JSONFormatter))
	default:
		return fmt.Errorf("read --log-format: %q is not one of text, json", f)
	}
	path := ctx.String("log")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND|os.O_SYNC, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	logrus.SetOutput(f)
	return nil
}
