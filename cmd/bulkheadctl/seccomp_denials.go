package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
)

// Times of seccomp denials: between two looks, and of --once without --duration.
const (
	denialsInterval = time.Second
	denialsOnce     = 10 * time.Second
)

// denialsMaxProfile bounds a site's seccomp profile.
const denialsMaxProfile = 1 << 20

const denialsHelp = `Shows which system calls of a running container its seccomp filter denies: the process, the call with its arguments
where they matter, what the process got instead, how often, and which rule of which profile is the reason. A denial that the
program hides is among them. What another check of the kernel refuses (a capability, file modes, an LSM) is not.

It watches from now on until Ctrl-C, --duration, or the end of the container, and then prints a summary. On a terminal the table
is renewed every second; elsewhere each news is a line. The container is not touched, and no audit daemon is needed. While it
watches, every system call on the host takes about 0.2 microseconds longer.

It takes root, or CAP_BPF and CAP_PERFMON with the right to read bulkhead's state, and a kernel with BTF.

` + findHelp + `

   bulkheadctl seccomp denials 3fa9                          until Ctrl-C
   bulkheadctl seccomp denials --duration 1m --json 3fa9     one JSON document after a minute
   bulkheadctl seccomp denials --once 3fa9                   the summary of ten seconds`

func seccompDenialsCommand() *cli.Command {
	return &cli.Command{
		Name: "denials", Usage: "show which system calls of a running container are denied, live, and why", ArgsUsage: "CONTAINER",
		Description: denialsHelp,
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "duration", Usage: "watch for `TIME`, such as 30s or 5m (default: until Ctrl-C)"},
			&cli.BoolFlag{Name: "once", Usage: "print the summary only; without --duration after 10 seconds"},
			jsonFlag(), rootFlag(),
		},
		Action: withArgs(1, 1, seccompDenials),
	}
}

// A denialsReport is what --json prints.
type denialsReport struct {
	Container string          `json:"container"`
	Profile   string          `json:"profile"`
	From      time.Time       `json:"from"`
	To        time.Time       `json:"to"`
	Ended     bool            `json:"ended"` // the container has ended
	Denied    uint64          `json:"denied"`
	Denials   []record.Denial `json:"denials"`
	Losses    record.Losses   `json:"losses"`
	Notes     []string        `json:"notes,omitempty"`
}

func seccompDenials(ctx *cli.Context) error {
	if ctx.Duration("duration") < 0 {
		return fmt.Errorf("read --duration: got %s, want a positive time", ctx.Duration("duration"))
	}
	found, err := findContainer(searchRoots(ctx.String("root")), ctx.Args().First())
	if err != nil {
		return err
	}
	rec, err := found.runtime.Explain(found.id)
	if err != nil {
		return err
	}
	explainer, notes, err := denialsExplainer(rec)
	if err != nil {
		return err
	}
	init, target, err := denialsTarget(found)
	if err != nil {
		return err
	}
	defer init.Close()
	// The signal is taken before anything is attached: an early Ctrl-C gets its summary, too.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	watcher, err := record.WatchDenials(target, explainer, time.Now())
	if err != nil {
		return err
	}
	report := &denialsReport{Container: found.id, Profile: rec.Profile, From: time.Now(), Notes: notes}
	err = watchDenials(ctx, report, watcher, init, stop)
	return errors.Join(err, watcher.Close())
}

// denialsExplainer reads the profiles from the container's record.
func denialsExplainer(rec *container.Record) (*record.Explainer, []string, error) {
	if rec.Spec == nil || rec.Spec.Linux == nil || rec.Spec.Linux.Seccomp == nil {
		return nil, nil, fmt.Errorf("watch %q: its record has no seccomp profile yet: its create is not through", rec.ID)
	}
	var notes []string
	name := rec.Policy.Profile.Seccomp.Profile
	ceiling, err := denialsCeiling(name)
	if err != nil {
		notes = append(notes, fmt.Sprintf("it is not told whether the profile or the engine denies a call: %v", err))
	}
	e, err := record.NewExplainer(rec.Spec.Linux.Seccomp, ceiling, name, runtime.GOARCH)
	if err != nil {
		return nil, nil, err
	}
	if kills := e.Kills(); len(kills) > 0 {
		notes = append(notes, fmt.Sprintf("the profile ends a process that makes one of %s: it is gone when you read of it", countNames(kills)))
	}
	return e, notes, nil
}

// denialsCeiling is the seccomp profile of the hardening profile as it is now: the record does not keep it.
func denialsCeiling(name string) (*specs.LinuxSeccomp, error) {
	if !filepath.IsAbs(name) {
		return profiles.SeccompProfile(name)
	}
	b, err := profiles.ReadTrusted(name, denialsMaxProfile)
	if err != nil {
		return nil, err
	}
	s := &specs.LinuxSeccomp{}
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("read seccomp profile %q: %w", name, err)
	}
	return s, nil
}

func countNames(names []string) string {
	if len(names) > 5 {
		return fmt.Sprintf("%s, %s, %s and %d more calls", names[0], names[1], names[2], len(names)-3)
	}
	return fmt.Sprintf("%q", names)
}

// denialsTarget names the container to the kernel, and gives a pidfd of its first process, which tells its end.
func denialsTarget(found *foundContainer) (*os.File, record.DenialTarget, error) {
	state, err := found.runtime.State(found.id)
	if err != nil {
		return nil, record.DenialTarget{}, err
	}
	if state.PID == 0 {
		return nil, record.DenialTarget{}, fmt.Errorf("watch %q: it is %s and has no process", found.id, state.Status)
	}
	fd, err := unix.PidfdOpen(state.PID, 0)
	if err != nil {
		return nil, record.DenialTarget{}, fmt.Errorf("watch %q: open its process %d: %w", found.id, state.PID, err)
	}
	init := os.NewFile(uintptr(fd), "pidfd")
	target, err := record.DenialTargetOf(state.PID)
	if err == nil {
		// The PID was read before the pidfd was open: ask again whether it still is the container's.
		var again *container.State
		if again, err = found.runtime.State(found.id); err == nil && again.PID != state.PID {
			err = fmt.Errorf("watch %q: it is %s and has no process", found.id, again.Status)
		}
	}
	if err != nil {
		return nil, record.DenialTarget{}, errors.Join(err, init.Close())
	}
	return init, target, nil
}

// watchDenials shows what is denied until one of the ends, and then the summary.
func watchDenials(ctx *cli.Context, report *denialsReport, w *record.DenialWatcher, init *os.File, stop <-chan os.Signal) error {
	duration := ctx.Duration("duration")
	if ctx.Bool("once") && duration == 0 {
		duration = denialsOnce
	}
	var timeout <-chan time.Time
	if duration > 0 {
		timeout = time.After(duration)
	}
	view := newDenialsView(ctx)
	view.begin(ctx, report)
	tick := time.NewTicker(denialsInterval)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-timeout:
			running = false
		case <-tick.C:
			report.Ended = hasEnded(init)
			running = !report.Ended
		}
		if err := report.read(w); err != nil {
			return err
		}
		if running {
			view.renew(report)
		}
	}
	return view.end(ctx, report)
}

func (r *denialsReport) read(w *record.DenialWatcher) error {
	var err error
	if r.Denials, r.Losses, err = w.Read(); err != nil {
		return err
	}
	r.To, r.Denied = time.Now(), 0
	for _, d := range r.Denials {
		r.Denied += d.Count
	}
	return nil
}

// hasEnded asks a pidfd, which is readable once its process has ended (pidfd_open(2)).
func hasEnded(pidfd *os.File) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd.Fd()), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// A denialsView is how the news reach the operator: a table that is renewed, lines, or nothing before the summary.
type denialsView struct {
	out      io.Writer
	terminal bool
	silent   bool
	shown    map[record.Denial]uint64
}

func newDenialsView(ctx *cli.Context) *denialsView {
	_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
	return &denialsView{out: ctx.App.Writer, terminal: err == nil, silent: ctx.Bool("json") || ctx.Bool("once"), shown: map[record.Denial]uint64{}}
}

// begin says that from here on every denial counts. It goes to standard error, where a script can wait for it.
func (v *denialsView) begin(ctx *cli.Context, r *denialsReport) {
	fmt.Fprintf(ctx.App.ErrWriter, "watching %s (profile %q); Ctrl-C ends with a summary\n", r.Container, r.Profile)
	if !v.silent && v.terminal {
		fmt.Fprint(v.out, clearScreen)
	}
}

func (v *denialsView) renew(r *denialsReport) {
	switch {
	case v.silent:
	case v.terminal:
		writeDenialsScreen(v.out, r)
	default:
		writeDenialsNews(v.out, r, v.shown)
	}
}

func (v *denialsView) end(ctx *cli.Context, r *denialsReport) error {
	if !v.silent && v.terminal {
		fmt.Fprint(v.out, clearScreen)
	}
	if !v.silent && !v.terminal {
		writeDenialsNews(v.out, r, v.shown)
	}
	return show(ctx, r, func(w io.Writer) { writeDenialsSummary(w, outputWidth(), r) })
}
