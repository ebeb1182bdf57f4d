package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
)

// notified runs the workload with this program asked about the calls that the profile does not permit.
func (v *verification) notified() error {
	quiet := v.quiet()
	beyond := notify.NewRecorder(nil, time.Now)
	e := notify.NewExaminer(v.hardened, v.report.Mode == "enforce", v.explain.Words, beyond)
	status, err := v.workload.watch(nil, quiet, e)
	if err != nil {
		return err
	}
	v.report.Status, v.report.Beyond = status, e.Beyond()
	if v.report.Mode == "enforce" {
		v.report.Notes = append(v.report.Notes, "what the hardening profile denies was denied and is not told")
	}
	return v.lacks(beyond)
}

// quiet are the calls that need not be asked about: those that the profile permits whatever asks, but execve, with which the workload
// begins, and what a tracer decides. libcontainer makes some before anybody can answer.
func (v *verification) quiet() seccomp.Profile {
	out, _ := notify.Quiet(v.profile.Arch, nil)
	if !v.workload.direct {
		out, _ = notify.Quiet(v.profile.Arch, notify.HandedOver())
	}
	for _, c := range v.profile.Calls {
		asked := slices.Contains([]string{"execve", "execveat"}, c.Name) || slices.ContainsFunc(c.Rules, func(r seccomp.Rule) bool { return r.Verdict.Action == seccomp.Trace })
		if asked || len(out.Call(c.Name).Rules) > 0 || v.profile.Default.Action.Permits() {
			continue
		}
		out.Calls = append(out.Calls, c)
		slices.SortFunc(out.Calls, func(a, b seccomp.Call) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// runtimeLacks are the calls that the start of a container needs and the profile does not permit.
func (v *verification) runtimeLacks() []string {
	start := starts.CreatePrivileged
	if v.workload.profile.NoNewPrivileges.On {
		start = starts.CreateNoNewPrivs
	}
	return slices.DeleteFunc(starts.NeededBy(start), func(name string) bool {
		return slices.ContainsFunc(v.hardened.Call(name).Rules, func(r seccomp.Rule) bool { return r.Verdict.Action.Permits() })
	})
}

// lacks fills in what the profile lacks, and writes the recording.
func (v *verification) lacks(beyond *notify.Recorder) error {
	var u unix.Utsname
	_ = unix.Uname(&u)
	rec := recording.Recording{
		Version: recording.Version, Name: "beyond " + v.report.Profile, Command: v.report.Command, Runtime: version,
		Kernel: unix.ByteSliceToString(u.Release[:]), Profile: v.report.Hardening,
	}
	if _, err := beyond.Read(&rec, time.Now()); err != nil {
		return err
	}
	rec.Ended = time.Now().Round(0).UTC()
	if v.report.Mode == "complain" {
		v.report.Missing = notify.Missing(v.profile, &rec, v.report.Runtime...).ToOCI().Syscalls
	}
	if v.report.Output == "" {
		return nil
	}
	if len(rec.Calls) == 0 {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("%s was not written: there is nothing to record", v.report.Output))
		v.report.Output = ""
		return nil
	}
	if err := makeEmpty(v.report.Output); err != nil {
		return fmt.Errorf("make recording: %w", err)
	}
	return recording.WriteDurably(v.report.Output, &rec)
}
