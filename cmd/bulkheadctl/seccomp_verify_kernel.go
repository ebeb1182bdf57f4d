package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
)

// enforceInKernel runs the workload under the profile and watches in BPF what is denied, from before its first instruction.
func (v *verification) enforceInKernel() error {
	if v.workload.direct {
		return v.enforceDirect()
	}
	var err error
	v.report.Status, err = v.workload.containWatched(v.oci, func(pid int) (func() error, error) {
		target, err := record.DenialTargetOf(pid)
		if err != nil {
			return nil, err
		}
		return v.watchDenials(target)
	})
	return err
}

// enforceDirect loads the filter into a launcher that is in a mount namespace of its own, by which the watcher knows the command and its
// children.
func (v *verification) enforceDirect() error {
	p, err := hardenedFilter(v.oci, v.workload.ceiling)
	if err != nil {
		return err
	}
	program, err := filterProgram(p)
	if err != nil {
		return err
	}
	signals := catchSignals()
	defer signal.Stop(signals)
	launch, err := notify.Prepare(v.workload.args, os.Environ(), func(c *exec.Cmd) { c.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS })
	if err != nil {
		return err
	}
	target, err := record.DenialTargetOf(launch.Cmd.Process.Pid)
	if err != nil {
		return errors.Join(err, launch.Abandon())
	}
	target.Filters++ // the one that is about to be loaded
	read, err := v.watchDenials(target)
	if err != nil {
		return errors.Join(err, launch.Abandon())
	}
	if _, _, err := launch.Go(program, nil); err != nil {
		return errors.Join(err, read())
	}
	go pass(signals, launch.Cmd.Process)
	v.report.Status, err = exitStatus(launch.Cmd.Wait())
	return errors.Join(err, read())
}

// watchDenials begins to watch. The result ends it and fills in the report.
func (v *verification) watchDenials(t record.DenialTarget) (func() error, error) {
	w, err := record.WatchDenials(t, v.explain, time.Now())
	if err != nil {
		return nil, err
	}
	return func() error {
		denials, losses, err := w.Read()
		if err = errors.Join(err, w.Close()); err != nil {
			return err
		}
		v.report.Beyond, v.report.Hardened = sortDenials(denials)
		if losses.Crowd > 0 {
			v.report.Notes = append(v.report.Notes, fmt.Sprintf("%d denied calls came from more processes, or with more arguments, than are kept apart", losses.Crowd))
		}
		if losses.Missed > 0 {
			v.report.Notes = append(v.report.Notes, fmt.Sprintf("INCOMPLETE: the kernel left out %d runs of the programs that watch", losses.Missed))
		}
		return nil
	}, nil
}

// sortDenials tells the denials of the profile from those of anybody else. Rows without process (a crowd) count as the profile's:
// nothing is known of them.
func sortDenials(list []record.Denial) (beyond, hardened []notify.Beyond) {
	beyond = []notify.Beyond{}
	for _, d := range list {
		to := &hardened
		if d.By == record.ByCaller || d.Process == "" {
			to = &beyond
		}
		row := notify.Beyond{Process: d.Process, Call: d.Call, Number: d.Number, Arguments: d.Arguments, Verdict: d.Verdict, Count: d.Count}
		same := slices.IndexFunc(*to, func(b notify.Beyond) bool { n := b; n.Count = row.Count; return n == row })
		if same >= 0 {
			(*to)[same].Count += row.Count
			continue
		}
		*to = append(*to, row)
	}
	for _, rows := range [][]notify.Beyond{beyond, hardened} {
		slices.SortStableFunc(rows, func(a, b notify.Beyond) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Call, b.Call), strings.Compare(a.Arguments, b.Arguments), strings.Compare(a.Process, b.Process))
		})
	}
	return beyond, hardened
}

// stateOf asks the runtime for a container's first process.
func stateOf(binary string, options []string, id string) (int, error) {
	out, err := exec.Command(binary, append(slices.Clone(options), "state", id)...).Output()
	if err != nil {
		return 0, fmt.Errorf("ask for the state of %q: %w", id, err)
	}
	var state struct{ Pid int }
	if err := json.Unmarshal(out, &state); err != nil {
		return 0, fmt.Errorf("read the state of %q: %w", id, err)
	}
	if state.Pid == 0 {
		return 0, fmt.Errorf("watch %q: it has no process", id)
	}
	return state.Pid, nil
}

// A notCreatedError is the runtime's.
type notCreatedError struct{ error }

// superviseContainer creates a container, has it watched, starts it, and waits for the end of its first process, which is this
// process's child by then: its status is known. watch returns what ends the watching.
func superviseContainer(binary string, options []string, dir, id string, watch func(pid int) (func() error, error)) (status int, err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return 1, fmt.Errorf("adopt the container's processes: %w", err)
	}
	run := func(args ...string) error {
		cmd := exec.Command(binary, append(slices.Clone(options), args...)...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %q: %w", args[0], id, err)
		}
		return nil
	}
	signals := catchSignals()
	defer signal.Stop(signals)
	if err := run("create", "--bundle", dir, id); err != nil {
		return 1, &notCreatedError{err}
	}
	defer func() { err = errors.Join(err, run("delete", "--force", id)) }()
	pid, err := stateOf(binary, options, id)
	if err != nil {
		return 1, err
	}
	end, err := watch(pid)
	if err != nil {
		return 1, err
	}
	if err := run("start", id); err != nil {
		return 1, errors.Join(err, end())
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return 1, errors.Join(err, end())
	}
	go pass(signals, p)
	st, err := p.Wait()
	if err != nil {
		return 1, errors.Join(fmt.Errorf("wait for %q: %w", id, err), end())
	}
	status = st.ExitCode()
	if ws, ok := st.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		status = 128 + int(ws.Signal())
	}
	return status, end()
}

// containWatched runs the workload in a container with the filter in its bundle, watched from before its start.
func (w *workload) containWatched(filter *specs.LinuxSeccomp, watch func(pid int) (func() error, error)) (status int, err error) {
	binary, err := runtimeBinary("")
	if err != nil {
		return 1, err
	}
	dir, id, options := "", w.id, slices.Clone(w.options)
	if profile := w.ctx.String("profile"); w.bundle == "" && profile != "" {
		options = append(options, "--profile", profile)
	}
	if w.bundle != "" {
		dir, err = copyBundle(w.bundle, filter)
	} else {
		dir, id, err = sandboxBundle(w.ctx, w.args, filter)
	}
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return superviseContainer(binary, options, dir, id, watch)
}

// sandboxBundle makes the bundle of the sandbox of try.
func sandboxBundle(ctx *cli.Context, args []string, filter *specs.LinuxSeccomp) (dir, id string, err error) {
	s, err := newSandboxOf(ctx, args)
	if err != nil {
		return "", "", err
	}
	s.terminal, s.filter = false, filter
	if dir, err = os.MkdirTemp("", "bulkhead-try-"); err != nil {
		return "", "", fmt.Errorf("make bundle: %w", err)
	}
	id = filepath.Base(dir)
	if err := s.makeBundle(dir, id); err != nil {
		return "", "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, id, nil
}
