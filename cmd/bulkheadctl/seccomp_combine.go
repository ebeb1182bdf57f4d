package main

import (
	"fmt"
	"io"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

func seccompMergeCommand() *cli.Command {
	return seccompSub("merge", "print the OCI profile that allows what one of the profiles allows", "A B...", 2, -1, combine(algebra.Union))
}

func seccompIntersectCommand() *cli.Command {
	both := func(a, b seccomp.Profile) (seccomp.Profile, []string, error) {
		p, notes := seccomp.Intersect(a, b)
		return p, notes, nil
	}
	return seccompSub("intersect", "print the OCI profile that allows what all profiles allow, as create enforces it", "A B...", 2, -1, combine(both))
}

type seccompCombined struct {
	Profile *specs.LinuxSeccomp `json:"profile"`
	Notes   []string            `json:"notes,omitempty"`
}

// combine folds profiles and prints the canonical result, but only when its filter is proven.
func combine(op func(a, b seccomp.Profile) (seccomp.Profile, []string, error)) func(*cli.Context) error {
	return func(ctx *cli.Context) error {
		in, err := readSeccomp(ctx, ctx.Args().Slice()...)
		if err != nil {
			return err
		}
		p := in[0].Profile
		var notes []string
		for _, next := range in[1:] {
			var more []string
			if p, more, err = op(p, next.Profile); err != nil {
				return err
			}
			notes = append(notes, more...)
		}
		p, more := algebra.Canonical(p)
		notes = append(notes, more...)
		if err := compile.Verify(p); err != nil {
			return &statusError{1, err}
		}
		v := seccompCombined{p.ToOCI(), notes}
		if ctx.Bool("json") {
			return show(ctx, v, nil)
		}
		for _, n := range notes {
			fmt.Fprintln(ctx.App.ErrWriter, "bulkheadctl: note:", visible(n))
		}
		return printOCI(ctx.App.Writer, v.Profile)
	}
}

func printOCI(w io.Writer, s *specs.LinuxSeccomp) error {
	text, err := ociJSON(s)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
