package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"github.com/urfave/cli/v2"
	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
)

// A workload is what record and verify run: a bundle, a command in the sandbox of try, or a command of the caller's own.
type workload struct {
	bundle, id string
	args       []string // the command
	direct     bool     // without a container
	profile    profiles.Profile
	ceiling    *specs.LinuxSeccomp // of the hardening profile
	options    []string            // of the runtime
	ctx        *cli.Context
}

// newWorkload reads the command line behind the first skip arguments.
func newWorkload(ctx *cli.Context, skip int) (*workload, error) {
	w := &workload{bundle: ctx.String("bundle"), ctx: ctx, direct: ctx.Bool("direct") || os.Geteuid() != 0}
	rest := ctx.Args().Slice()[skip:]
	command := len(rest) > 0 && behindDashes(os.Args, len(rest))
	if skip > 0 && len(rest) > 1 && rest[0] == "--" { // behind an argument it is left standing
		rest, command = rest[1:], true
	}
	switch {
	case w.bundle != "" && len(rest) <= 1:
		if os.Geteuid() != 0 || ctx.Bool("direct") {
			return nil, errors.New("run bundle: bulkhead gives each container its own range of user IDs, which only root can do; run it with sudo, without --direct")
		}
		w.id = fmt.Sprintf("watched-%d", os.Getpid())
		if len(rest) == 1 {
			w.id = rest[0]
		}
	case w.bundle == "" && command:
		w.args = rest
	default:
		return nil, fmt.Errorf("read arguments of seccomp %s: want --bundle, or -- and a command, see bulkheadctl seccomp %s --help", ctx.Command.Name, ctx.Command.Name)
	}
	for _, name := range []string{"root", "profile"} {
		if ctx.String(name) != "" && (name == "root" || w.bundle != "") {
			w.options = append(w.options, "--"+name, ctx.String(name))
		}
	}
	return w, w.harden()
}

// harden reads the hardening profile as the runtime will.
func (w *workload) harden() error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	name, err := profiles.Select(w.ctx.String("profile"), "bulkhead", cfg)
	if err != nil {
		return err
	}
	if w.profile, err = profiles.Load(name, cfg.ProfilesDir); err != nil {
		return err
	}
	w.ceiling, err = denialsCeiling(w.profile.Seccomp.Profile)
	return err
}

// command is what is run, for reports.
func (w *workload) command() []string {
	if w.bundle != "" {
		return []string{w.bundle}
	}
	return w.args
}

// watch runs the workload with a judge asked about what quiet does not permit. In a container it is the bundle's profile, or filter in
// its place, that is narrowed by the hardening profile first; without one, filter is it.
func (w *workload) watch(filter *specs.LinuxSeccomp, quiet seccomp.Profile, j notify.Judge) (int, error) {
	if !w.direct {
		return watchContainer(quiet, j, func(options []string) (int, error) { return w.contain(filter, options) })
	}
	p, err := hardenedFilter(filter, w.ceiling)
	if err != nil {
		return 1, err
	}
	if p, err = seccomp.Watch(p, quiet); err != nil {
		return 1, err
	}
	program, err := filterProgram(p)
	if err != nil {
		return 1, err
	}
	return watchCommand(w.args, program, j)
}

// hardenedFilter is what the rules would make of a filter; nil is the ceiling's own.
func hardenedFilter(filter, ceiling *specs.LinuxSeccomp) (seccomp.Profile, error) {
	most, err := seccomp.FromOCI(ceiling, runtime.GOARCH)
	if err != nil {
		return most, err
	}
	asked := most
	if filter != nil {
		if asked, err = seccomp.FromOCI(filter, runtime.GOARCH); err != nil {
			return asked, err
		}
	}
	out, _ := seccomp.Intersect(asked, most)
	return out, nil
}

// filterProgram compiles a profile as libcontainer does, and proves that the program is the profile.
func filterProgram(p seccomp.Profile) ([]bpf.RawInstruction, error) {
	arch, err := libseccomp.GetNativeArch()
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	program, err := compile.Program(p.ToOCI(), arch)
	if err != nil {
		return nil, err
	}
	return program, compile.VerifyProgram(p, program)
}

// contain runs the workload in a container of bulkhead. filter replaces that of its bundle, unless it is nil.
func (w *workload) contain(filter *specs.LinuxSeccomp, options []string) (status int, err error) {
	binary, err := runtimeBinary("")
	if err != nil {
		return 1, err
	}
	options = append(options, w.options...)
	if w.bundle == "" {
		s, err := newSandboxOf(w.ctx, w.args)
		if err != nil {
			return 1, err
		}
		s.record, s.filter = options, filter
		return statusOf(s.runAndRemove(binary))
	}
	dir := w.bundle
	if filter != nil {
		if dir, err = copyBundle(w.bundle, filter); err != nil {
			return 1, err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	return runBundle(binary, append(options, "run", "--bundle", dir, w.id))
}

// statusOf takes the command's status out of an error that is nothing else.
func statusOf(err error) (int, error) {
	var status *statusError
	if errors.As(err, &status) {
		return status.status, status.err
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
