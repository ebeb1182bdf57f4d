package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/container"
)

// execFailed is runc's status for an exec that could not be started.
const execFailed = 255

func execCommand(r *container.Runtime) *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "run another process in the container", ArgsUsage: "ID COMMAND [ARG ...] | --process FILE ID",
		Description: "The process goes through the same rules as the container's own: exec cannot give it more than create gave.",
		Flags:       execFlags(),
		Action: withArgs(1, -1, func(ctx *cli.Context) error {
			status, err := runExec(ctx, r)
			if err != nil {
				return &exitError{status: execFailed, err: err}
			}
			return exitWith(status, nil)
		}),
	}
}

func execFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "console-socket", Usage: "AF_UNIX socket at `PATH` that receives the terminal's master"},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "AF_UNIX socket at `PATH` that receives a pidfd of the process"},
		&cli.StringFlag{Name: "cwd", Usage: "working directory `DIR` in the container"},
		&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "set `NAME=VALUE` in the environment"},
		&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give the process a terminal"},
		&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "`UID[:GID]` in the container"},
		&cli.Int64SliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "further group `GID`"},
		&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "read the process from `FILE` (process.json)"},
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not wait for the process"},
		&cli.StringFlag{Name: "pid-file", Usage: "write the process's ID to `FILE`, last of all"},
		&cli.StringFlag{Name: "process-label", Usage: "SELinux `LABEL` of the process"},
		&cli.StringFlag{Name: "apparmor", Usage: "AppArmor `PROFILE` of the process"},
		&cli.BoolFlag{Name: "no-new-privs", Usage: "the process can gain no privileges"},
		&cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "add capability `CAP`, as far as the profile has it"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` more descriptors (stdio and N in total)"},
		&cli.StringSliceFlag{Name: "cgroup", Usage: "run in an existing cgroup below the container's: `[CONTROLLER[,...]:]PATH`"},
		&cli.BoolFlag{Name: "ignore-paused", Usage: "allow a paused container: the process waits until it is resumed"},
	}
}

func runExec(ctx *cli.Context, r *container.Runtime) (int, error) {
	groups, err := subCgroups(ctx.StringSlice("cgroup"))
	if err != nil {
		return -1, err
	}
	return r.Exec(container.ExecOptions{
		ID:            ctx.Args().First(),
		ProcessFile:   ctx.String("process"),
		Args:          ctx.Args().Tail(),
		Edit:          func(p *specs.Process) error { return editProcess(ctx, p) },
		ConsoleSocket: ctx.String("console-socket"),
		PidfdSocket:   ctx.String("pidfd-socket"),
		PidFile:       ctx.String("pid-file"),
		PreserveFDs:   ctx.Int("preserve-fds"),
		Detach:        ctx.Bool("detach"),
		IgnorePaused:  ctx.Bool("ignore-paused"),
		SubCgroups:    groups,
	})
}

// editProcess applies the flags to a copy of the container's own process.
func editProcess(ctx *cli.Context, p *specs.Process) error {
	p.Terminal = ctx.Bool("tty")
	p.Env = append(p.Env, ctx.StringSlice("env")...)
	for flag, to := range map[string]*string{"cwd": &p.Cwd, "apparmor": &p.ApparmorProfile, "process-label": &p.SelinuxLabel} {
		if v := ctx.String(flag); v != "" {
			*to = v
		}
	}
	if isGiven(ctx, "no-new-privs") {
		p.NoNewPrivileges = ctx.Bool("no-new-privs")
	}
	if caps := ctx.StringSlice("cap"); len(caps) > 0 {
		addCapabilities(p, caps)
	}
	if u := ctx.String("user"); u != "" {
		if err := setUser(&p.User, u); err != nil {
			return err
		}
	}
	for _, g := range ctx.Int64Slice("additional-gids") {
		if g < 0 || g > 1<<32-1 {
			return fmt.Errorf("read --additional-gids: %d is no group ID", g)
		}
		p.User.AdditionalGids = append(p.User.AdditionalGids, uint32(g))
	}
	return nil
}

// addCapabilities adds to the sets as runc does: ambient ones only where some are inheritable already.
func addCapabilities(p *specs.Process, names []string) {
	k := specs.LinuxCapabilities{}
	if p.Capabilities != nil {
		k = *p.Capabilities
	}
	for _, set := range []*[]string{&k.Bounding, &k.Effective, &k.Permitted} {
		*set = append(slices.Clone(*set), names...)
	}
	if k.Inheritable != nil {
		k.Ambient = append(slices.Clone(k.Ambient), names...)
	}
	p.Capabilities = &k
}

func setUser(u *specs.User, s string) error {
	uid, gid, hasGID := strings.Cut(s, ":")
	n, err := strconv.ParseUint(uid, 10, 32)
	if err != nil {
		return fmt.Errorf("read --user: %q is no user ID", uid)
	}
	u.UID = uint32(n)
	if hasGID {
		if n, err = strconv.ParseUint(gid, 10, 32); err != nil {
			return fmt.Errorf("read --user: %q is no group ID", gid)
		}
		u.GID = uint32(n)
	}
	return nil
}

// subCgroups parses --cgroup: one path on cgroup v2, or paths by controllers on v1.
func subCgroups(args []string) (map[string]string, error) {
	groups := map[string]string{}
	for _, a := range args {
		controllers, path, ok := strings.Cut(a, ":")
		if !ok {
			if len(args) > 1 {
				return nil, fmt.Errorf("read --cgroup: %q has no controller, want CONTROLLER:PATH", a)
			}
			groups[""] = a
			continue
		}
		for c := range strings.SplitSeq(controllers, ",") {
			if _, twice := groups[c]; c == "" || twice {
				return nil, fmt.Errorf("read --cgroup: %q has an empty or repeated controller", a)
			}
			groups[c] = path
		}
	}
	return groups, nil
}
