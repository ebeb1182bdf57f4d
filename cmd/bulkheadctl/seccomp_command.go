package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
)

const seccompHelp = `A PROFILE is default, restricted or compatible (those of bulkhead), a file, or - for standard input. A file has the OCI
form (linux.seccomp, alone or in a config.json) or Docker's form, whose conditional entries are resolved for --arch, --caps and --kernel.

The exit status is 0 when all is well, 1 for findings, a difference or a denied call, 2 for input that cannot be read.`

// dockerCaps are the capabilities that Docker gives a container when nobody asks for others.
const dockerCaps = "CAP_AUDIT_WRITE,CAP_CHOWN,CAP_DAC_OVERRIDE,CAP_FOWNER,CAP_FSETID,CAP_KILL,CAP_MKNOD,CAP_NET_BIND_SERVICE,CAP_NET_RAW," +
	"CAP_SETFCAP,CAP_SETGID,CAP_SETPCAP,CAP_SETUID,CAP_SYS_CHROOT"

func seccompCommand() *cli.Command {
	return &cli.Command{
		Name: "seccomp", Usage: "read, check, compare, combine and prove seccomp profiles", HideHelpCommand: true, Description: seccompHelp,
		Subcommands: seccompCommands(),
	}
}

func seccompCommands() []*cli.Command {
	return []*cli.Command{
		seccompShowCommand(), seccompCheckCommand(), seccompDiffCommand(), seccompMergeCommand(), seccompIntersectCommand(), seccompStatCommand(), seccompAskCommand(), seccompCompileCommand(),
		seccompDenialsCommand(), seccompVerifyCommand(), seccompRecordCommand(), seccompGenerateCommand(), seccompEvidenceCommand(), seccompCoverageCommand(), seccompMarkCommand(), seccompRecorderCommand(),
	}
}

// seccompSub is a subcommand with the flags that all have. What goes wrong before it has an answer ends with status 2.
func seccompSub(name, usage, args string, least, most int, run func(*cli.Context) error, flags ...cli.Flag) *cli.Command {
	common := []cli.Flag{
		jsonFlag(),
		&cli.StringFlag{Name: "arch", Usage: "judge for `ARCH`, amd64 or arm64 (default: this machine's)"},
		&cli.StringFlag{Name: "caps", Usage: "resolve Docker's form for the capabilities `LIST`, separated by commas (default: Docker's own)"},
		&cli.StringFlag{Name: "kernel", Usage: "resolve Docker's form for Linux `VERSION` (default: this machine's)"},
		&cli.BoolFlag{Name: "keep-unknown", Usage: "keep names that no table of system calls has, as runc does"},
	}
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Flags: append(flags, common...),
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return &statusError{2, err} },
		Action: func(ctx *cli.Context) error {
			if n := ctx.NArg(); n < least || most >= 0 && n > most {
				return &statusError{2, fmt.Errorf("read arguments of seccomp %s: got %d, see bulkheadctl seccomp %s --help", name, n, name)}
			}
			err := run(ctx)
			var status *statusError
			if err == nil || errors.As(err, &status) {
				return err
			}
			return &statusError{2, err}
		},
	}
}

// A seccompInput is a profile that was read.
type seccompInput struct {
	name string
	*source.Source
}

func seccompFacts(ctx *cli.Context) (source.Facts, error) {
	f := source.Facts{Arch: ctx.String("arch")}
	if f.Arch == "" {
		f.Arch = runtime.GOARCH
	}
	if f.Arch != "amd64" && f.Arch != "arm64" {
		return f, fmt.Errorf("read --arch: got %q, want amd64 or arm64", f.Arch)
	}
	caps := dockerCaps
	if ctx.IsSet("caps") {
		caps = ctx.String("caps")
	}
	for c := range strings.SplitSeq(caps, ",") {
		if c = strings.TrimSpace(c); c != "" && !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + strings.ToUpper(c)
		}
		f.Caps = append(f.Caps, c)
	}
	version := ctx.String("kernel")
	if version == "" {
		var u unix.Utsname
		if err := unix.Uname(&u); err != nil {
			return f, fmt.Errorf("read kernel version: %w", err)
		}
		version = unix.ByteSliceToString(u.Release[:])
	}
	var err error
	f.Kernel, err = source.ParseKernel(version)
	return f, err
}

// readSeccomp reads the profiles of some arguments. Standard input can be one of them only.
func readSeccomp(ctx *cli.Context, names ...string) ([]seccompInput, error) {
	facts, err := seccompFacts(ctx)
	if err != nil {
		return nil, err
	}
	var out []seccompInput
	for i, name := range names {
		if name == "-" && slices.Contains(names[:i], "-") {
			return nil, fmt.Errorf("read seccomp profile: standard input is given twice")
		}
		text, err := seccompBytes(ctx, name, facts.Arch)
		if err != nil {
			return nil, fmt.Errorf("read seccomp profile: %w", err)
		}
		s, err := source.Parse(text, facts, source.Options{KeepUnknown: ctx.Bool("keep-unknown")})
		if err != nil {
			return nil, inFile(name, err)
		}
		out = append(out, seccompInput{name, s})
	}
	return out, nil
}

// inFile puts the file's name before each fault, in the form that editors jump to.
func inFile(name string, err error) error {
	var faults source.Faults
	if !errors.As(err, &faults) {
		return fmt.Errorf("%s: %w", name, err)
	}
	lines := make([]string, len(faults))
	for i, f := range faults {
		lines[i] = fmt.Sprintf("%s:%s", name, visible(f.Error()))
	}
	return fmt.Errorf("read seccomp profile: %s", strings.Join(lines, "\n"))
}

func seccompBytes(ctx *cli.Context, name, arch string) ([]byte, error) {
	if s, err := profiles.SeccompProfileFor(name, arch); err == nil {
		return json.MarshalIndent(s, "", " ")
	}
	in := ctx.App.Reader
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, source.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// ociJSON is the canonical text of a profile.
func ociJSON(s *specs.LinuxSeccomp) ([]byte, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	return append(text, '\n'), err
}

// conditionText says for which arguments something holds.
func conditionText(lists [][]seccomp.Cond) []string {
	out := make([]string, 0, len(lists))
	for _, l := range lists {
		words := make([]string, len(l))
		for i, c := range l {
			words[i] = c.String()
		}
		out = append(out, strings.Join(words, " && "))
	}
	return out
}
