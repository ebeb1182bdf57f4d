package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/notify"
	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

const verifyHelp = `Runs a workload under a seccomp profile and tells which calls it makes that the profile does not permit, also those
whose denial the program hides.

   bulkheadctl seccomp verify P.json -- COMMAND...           in the sandbox of bulkheadctl try; as it is without root, or with --direct
   bulkheadctl seccomp verify P.json --bundle DIR [ID]       a bundle, with P.json in the place of its own profile
   bulkheadctl seccomp verify --complain P.json -- COMMAND   note them and let them run, and say what the profile lacks

The hardening profile holds in both modes: what it denies is denied, whatever P.json says.

Enforced, the kernel denies, and the denials are watched in BPF: those of the hardening profile are told apart from those
of P.json. Where there is no BPF, and with --watch notify, the calls that P.json denies are answered by this program as
the kernel would; what the hardening profile denies is then not seen. Complaining is always done in that way.

The exit status is 0 when nothing was beyond P.json, 1 when something was, and 2 when that is not known. How the workload ended is
in the report.`

func seccompVerifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "run a workload under a profile and tell what the profile lacks", ArgsUsage: "P.json (--bundle DIR [ID] | -- COMMAND...)",
		Description: verifyHelp,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "complain", Usage: "let calls beyond the profile run, and note them"},
			&cli.StringFlag{Name: "watch", Value: "auto", Usage: "auto, bpf or notify"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "with notify: write a recording of the calls beyond the profile to `FILE`, for seccomp generate --base"},
			&cli.StringFlag{Name: "bundle", Usage: "run the bundle in `DIR`"},
			&cli.BoolFlag{Name: "direct", Usage: "run the command as this user, without a container (default: when not root)"},
			&cli.StringFlag{Name: "profile", Usage: "hardening profile `NAME`"},
			jsonFlag(), rootFlag(),
		},
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return &statusError{2, err} },
		Action: func(ctx *cli.Context) error {
			err := seccompVerify(ctx)
			var status *statusError
			if err == nil || errors.As(err, &status) {
				return err
			}
			return &statusError{2, err}
		},
	}
}

// A verifyReport is what --json prints.
type verifyReport struct {
	Profile   string   `json:"profile"`
	Hardening string   `json:"hardening"`
	Mode      string   `json:"mode"` // enforce or complain
	Watch     string   `json:"watch"`
	Command   []string `json:"command"`
	// Status is the workload's exit status, 128 and the signal when one ended it.
	Status int `json:"status"`
	// Beyond are the calls that the profile does not permit and the hardening profile does.
	Beyond []notify.Beyond `json:"beyond"`
	// Hardened are the calls that the hardening profile, or the workload itself, denied; never with notify, which does not see them.
	Hardened []notify.Beyond `json:"hardened,omitempty"`
	// Runtime are the calls that bulkhead itself makes under the filter before the workload begins, and that the profile denies. With one of
	// them a container cannot be started. Empty for a command that runs without one.
	Runtime []string `json:"runtime,omitempty"`
	// Missing are the lines that the profile lacks, in complain mode.
	Missing []specs.LinuxSyscall `json:"missing,omitempty"`
	Output  string               `json:"output,omitempty"`
	Notes   []string             `json:"notes,omitempty"`
}

// A verification is one run.
type verification struct {
	ctx      *cli.Context
	workload *workload
	oci      *specs.LinuxSeccomp
	profile  seccomp.Profile // as written
	hardened seccomp.Profile // what is enforced of it
	explain  *record.Explainer
	report   verifyReport
}

func seccompVerify(ctx *cli.Context) error {
	v, err := newVerification(ctx)
	if err != nil {
		return err
	}
	ctx = v.ctx
	if v.report.Watch == recording.ByBPF {
		err = v.enforceInKernel()
	} else {
		err = v.notified()
	}
	if failed := (*notCreatedError)(nil); errors.As(err, &failed) && len(v.report.Runtime) > 0 {
		return fmt.Errorf("%w (the profile denies calls that the runtime needs to start a container: %s)", err, strings.Join(v.report.Runtime, ", "))
	}
	if err != nil {
		return err
	}
	if err := show(ctx, v.report, v.write); err != nil {
		return err
	}
	if len(v.report.Beyond)+len(v.report.Runtime) > 0 {
		return &statusError{1, nil}
	}
	return nil
}

func newVerification(ctx *cli.Context) (*verification, error) {
	if ctx.NArg() == 0 {
		return nil, fmt.Errorf("read arguments of seccomp verify: the profile is missing, see bulkheadctl seccomp verify --help")
	}
	ctx, err := flagsBehind(ctx)
	if err != nil {
		return nil, err
	}
	name := ctx.Args().First()
	in, err := readSeccomp(ctx, name)
	if err != nil {
		return nil, err
	}
	w, err := newWorkload(ctx, 1)
	if err != nil {
		return nil, err
	}
	v := &verification{ctx: ctx, workload: w, oci: in[0].OCI, profile: in[0].Profile}
	v.report = verifyReport{Profile: name, Hardening: w.profile.Name, Mode: "enforce", Command: w.command(), Beyond: []notify.Beyond{}, Output: ctx.String("output")}
	if v.profile.Notifies() {
		return nil, fmt.Errorf("verify %s: it asks an agent (SCMP_ACT_NOTIFY), which nobody plays here", name)
	}
	if ctx.Bool("complain") {
		v.report.Mode = "complain"
	}
	if v.report.Watch, err = v.how(); err != nil {
		return nil, err
	}
	if v.hardened, err = hardenedFilter(v.oci, w.ceiling); err != nil {
		return nil, err
	}
	if !w.direct {
		v.report.Runtime = v.runtimeLacks()
	}
	v.explain, err = record.NewExplainer(v.hardened.ToOCI(), w.ceiling, w.profile.Seccomp.Profile, runtime.GOARCH)
	return v, err
}

// flagsBehind reads the flags that stand between the profile and the workload, where package flag takes them for arguments.
func flagsBehind(ctx *cli.Context) (*cli.Context, error) {
	rest := ctx.Args().Tail()
	if len(rest) == 0 || rest[0] == "--" || !strings.HasPrefix(rest[0], "-") {
		return ctx, nil
	}
	set := flag.NewFlagSet("verify", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range ctx.Command.Flags {
		if err := f.Apply(set); err != nil {
			return nil, err
		}
	}
	var given error
	for _, name := range ctx.LocalFlagNames() {
		given = errors.Join(given, set.Set(name, fmt.Sprint(ctx.Value(name))))
	}
	if err := errors.Join(given, set.Parse(rest)); err != nil {
		return nil, fmt.Errorf("read arguments of seccomp verify: %w", err)
	}
	set.Visit(func(f *flag.Flag) {
		for _, known := range ctx.Command.Flags {
			for _, name := range known.Names() { // a flag that was given by one of its names
				if slices.Contains(known.Names(), f.Name) && name != f.Name {
					given = errors.Join(given, set.Set(name, f.Value.String()))
				}
			}
		}
	})
	if given != nil {
		return nil, fmt.Errorf("read arguments of seccomp verify: %w", given)
	}
	args := append([]string{ctx.Args().First()}, set.Args()...)
	if behindDashes(os.Args, set.NArg()) && set.NArg() > 0 {
		args = append([]string{ctx.Args().First(), "--"}, set.Args()...)
	}
	if err := set.Parse(append([]string{"--"}, args...)); err != nil {
		return nil, fmt.Errorf("read arguments of seccomp verify: %w", err)
	}
	out := cli.NewContext(ctx.App, set, ctx)
	out.Command = ctx.Command
	return out, nil
}

// how chooses between BPF and notification.
func (v *verification) how() (string, error) {
	watch, complain := v.ctx.String("watch"), v.report.Mode == "complain"
	terminal := !v.workload.direct && v.workload.bundle == "" && isTerminal(os.Stdin) && isTerminal(os.Stdout)
	switch {
	case watch != "auto" && watch != recording.ByBPF && watch != recording.ByNotify:
		return "", fmt.Errorf("read --watch: got %q, want auto, bpf or notify", watch)
	case watch == recording.ByBPF && complain:
		return "", errors.New("read --watch: BPF sees denied calls only; complaining takes notify")
	case watch == recording.ByBPF && v.report.Output != "":
		return "", errors.New("read --output: only notify writes a recording")
	case watch == recording.ByBPF:
		return watch, nil
	case watch == recording.ByNotify || complain || v.report.Output != "" || terminal || os.Geteuid() != 0:
		return recording.ByNotify, nil
	}
	if err := record.Available(); err != nil {
		v.report.Notes = append(v.report.Notes, fmt.Sprintf("no BPF here (%v): this program answered in the kernel's place", err))
		return recording.ByNotify, nil
	}
	return recording.ByBPF, nil
}
