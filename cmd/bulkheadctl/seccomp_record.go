package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

const recordHelp = `Records which system calls a workload makes, how often, with which arguments that a filter can decide on, and whether its filter
denied them, into one JSON file. The workload is hardened as always and is not slowed down by more than a tenth.

   bulkheadctl seccomp record CONTAINER             one that already runs: what it did before is not in the file
   bulkheadctl seccomp record --bundle DIR [ID]     run a bundle and record it from its first execve
   bulkheadctl seccomp record -- COMMAND...         the same with a sandbox of this machine's files, as of bulkheadctl try

For containers of an engine from their first execve: bulkheadctl install docker --recorder, then docker run --runtime bulkhead-record.

It ends with the container. Ctrl-C or SIGTERM ends the recording of one that already ran, and completes the file. The file is
written once a second while there is something new: it is as good as complete even if everything is killed, and says then that it
was cut short. The startup of a service ends with its first listen or accept, or when bulkheadctl seccomp mark says so.

It takes root, or CAP_BPF and CAP_PERFMON with the right to read bulkhead's state, and a kernel with BTF.

` + findHelp

func seccompRecordCommand() *cli.Command {
	return &cli.Command{
		Name: "record", Usage: "record the system calls of a workload into a file", ArgsUsage: "CONTAINER | --bundle DIR [ID] | -- COMMAND...",
		Description: recordHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the recording (default: the container's ID)"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the recording to `FILE`, which may not be there (default: a new one in " + recordingsDir + ")"},
			&cli.StringFlag{Name: "recorder", Value: "auto", Usage: "auto, bpf or notify"},
			&cli.StringSliceFlag{Name: "known", Usage: "recorder notify: let pass unseen, and so faster, what the recording `FILE` has; may be repeated"},
			&cli.BoolFlag{Name: "direct", Usage: "recorder notify: run the command as this user, without a container (default: when not root)"},
			&cli.DurationFlag{Name: "duration", Usage: "end the recording of a container that already runs after `TIME`, such as 30s or 5m"},
			&cli.StringFlag{Name: "bundle", Usage: "run the bundle in `DIR` and record it"},
			&cli.StringFlag{Name: "profile", Usage: "hardening profile `NAME` of a bundle or command"},
			rootFlag(),
		},
		Action: withArgs(0, -1, seccompRecord),
	}
}

func seccompRecord(ctx *cli.Context) error {
	if r := ctx.String("recorder"); r != "auto" && r != recording.ByBPF && r != recording.ByNotify {
		return fmt.Errorf("read --recorder: got %q, want auto, bpf or notify", r)
	}
	if ctx.Duration("duration") < 0 {
		return fmt.Errorf("read --duration: got %s, want a positive time", ctx.Duration("duration"))
	}
	command := ctx.NArg() > 0 && behindDashes(os.Args, ctx.NArg())
	switch {
	case (command || ctx.String("bundle") != "") && byNotification(ctx):
		return recordNotified(ctx)
	case ctx.String("bundle") != "":
		return recordBundle(ctx)
	case command:
		return recordCommand(ctx)
	case ctx.NArg() == 1:
		return recordContainer(ctx)
	}
	return fmt.Errorf("read arguments of seccomp record: want a container, --bundle or -- and a command, see bulkheadctl seccomp record --help")
}

// behindDashes tells whether the last n words of a command line stand behind "--", which package flag does not tell.
func behindDashes(args []string, n int) bool { return len(args) > n && args[len(args)-n-1] == "--" }

// recordContainer records one that already runs.
func recordContainer(ctx *cli.Context) error {
	found, err := findContainer(searchRoots(ctx.String("root")), ctx.Args().First())
	if err != nil {
		return err
	}
	rec, err := found.runtime.Explain(found.id)
	if err != nil {
		return err
	}
	if rec.Spec == nil {
		return fmt.Errorf("record %q: its create is not through", rec.ID)
	}
	init, _, err := denialsTarget(found)
	if err != nil {
		return err
	}
	defer init.Close()
	p := rec.Spec.Process
	s, err := beginRecording(container.RecordRequest{
		RecordOptions: container.RecordOptions{File: ctx.String("output"), Name: ctx.String("name"), Recorder: ctx.String("recorder"), Version: version},
		ID:            rec.ID, Image: profiles.ImageName(rec.Spec.Annotations), Profile: rec.Profile, StateDir: found.runtime.Config.StateDir,
		Command: p.Args, Env: p.Env, Cwd: p.Cwd, PID: rec.InitPID,
	}, init)
	if err != nil {
		return err
	}
	fmt.Fprintf(ctx.App.ErrWriter, "recording %s into %s; Ctrl-C ends it\n", rec.ID, s.file)
	if err := s.run(ctx.Duration("duration")); err != nil {
		return err
	}
	return sayRecorded(ctx.App.ErrWriter, s.file)
}

// sayRecorded says in a line or two what a recording holds.
func sayRecorded(w io.Writer, file string) error {
	rec, err := recording.Read(file)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(w, "nothing was recorded: the workload did not begin")
		return nil
	}
	if err != nil {
		return err
	}
	denied := 0
	for _, c := range rec.Calls {
		if c.Denied > 0 {
			denied++
		}
	}
	fmt.Fprintf(w, "%s: %s, %d of them denied\n", file, count(len(rec.Calls), "system call"), denied)
	if rec.Losses.Lost() {
		fmt.Fprintf(w, "NOT COMPLETE: %+v\n", rec.Losses)
	}
	return nil
}

// recordArgs are the runtime's options for a recording. The file is named here, so that it can be told.
func recordArgs(ctx *cli.Context) ([]string, string, error) {
	args := []string{"--record", "--recorder", ctx.String("recorder")}
	if name := ctx.String("name"); name != "" {
		args = append(args, "--record-name", name)
	}
	file := ctx.String("output")
	if file == "" {
		return args, "", nil
	}
	file, err := filepath.Abs(file)
	return append(args, "--record-file", file), file, err
}

// recordBundle has the runtime run a bundle as a recording runtime does.
func recordBundle(ctx *cli.Context) error {
	binary, err := runtimeBinary("")
	if err != nil {
		return err
	}
	args, file, err := recordArgs(ctx)
	if err != nil {
		return err
	}
	if ctx.String("profile") != "" {
		args = append(args, "--profile", ctx.String("profile"))
	}
	if ctx.String("root") != "" {
		args = append(args, "--root", ctx.String("root"))
	}
	id := ctx.Args().First()
	if ctx.NArg() > 1 {
		return fmt.Errorf("read arguments of seccomp record: got %d, want the container's ID at most", ctx.NArg())
	}
	if id == "" {
		id = fmt.Sprintf("recorded-%d-%d", os.Getpid(), time.Now().Unix())
	}
	cmd := exec.Command(binary, append(args, "run", "--bundle", ctx.String("bundle"), id)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGHUP)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", binary, err)
	}
	go pass(signals, cmd.Process)
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return &statusError{status: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", binary, err)
	}
	if file != "" {
		return sayRecorded(ctx.App.ErrWriter, file)
	}
	return nil
}

// recordCommand runs a command in the sandbox of try.
func recordCommand(ctx *cli.Context) error {
	if os.Geteuid() != 0 {
		return errors.New("record: bulkhead gives each container its own range of user IDs, which only root can do; run it with sudo")
	}
	binary, err := runtimeBinary("")
	if err != nil {
		return err
	}
	s, err := newSandbox(ctx)
	if err != nil {
		return err
	}
	var file string
	if s.record, file, err = recordArgs(ctx); err != nil {
		return err
	}
	err = s.runAndRemove(binary)
	var status *statusError
	ended := err == nil || errors.As(err, &status) && status.err == nil // with whatever status of the command
	if file == "" || !ended {
		return err
	}
	return errors.Join(err, sayRecorded(ctx.App.ErrWriter, file))
}

// seccompRecorderCommand is the process that the runtime starts beside a container. It is no command for people.
func seccompRecorderCommand() *cli.Command {
	return &cli.Command{
		Name: "recorder", Usage: "record a container for the runtime, which asks on standard input", Hidden: true,
		Action: withArgs(0, 0, func(ctx *cli.Context) error { return serveRuntime(ctx.App.Reader, os.Stdout) }),
	}
}

// serveRuntime answers with one line when the recorder is in place or cannot be, lets go of the runtime's pipes and records.
func serveRuntime(in io.Reader, out *os.File) error {
	s, err := sessionForRuntime(in)
	answer := container.RecordAnswer{}
	if err != nil {
		answer.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
	} else {
		answer.File, answer.Watch = s.file, s.watch
	}
	// A runtime that was killed meanwhile is no reason to end: delete takes its container away, and the recording ends with that.
	signal.Ignore(unix.SIGPIPE)
	if told := json.NewEncoder(out).Encode(answer); err != nil {
		return errors.Join(err, told)
	}
	if err := letGo(); err != nil {
		return err
	}
	return s.run(0)
}

func sessionForRuntime(in io.Reader) (*recordSession, error) {
	var q container.RecordRequest
	if err := json.NewDecoder(in).Decode(&q); err != nil {
		return nil, fmt.Errorf("read request of the runtime: %w", err)
	}
	fd, err := unix.PidfdOpen(q.PID, 0)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", q.PID, err)
	}
	init := os.NewFile(uintptr(fd), "pidfd")
	if processStart(q.PID) != q.Start {
		return nil, fmt.Errorf("record %q: its first process has ended", q.ID)
	}
	if q.Recorder == recording.ByNotify {
		return beginAnswering(q, init)
	}
	return beginRecording(q, init)
}

// letGo puts nothing in the place of the runtime's pipes.
func letGo() error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return fmt.Errorf("let go of the runtime: %w", err)
		}
	}
	return nil
}
