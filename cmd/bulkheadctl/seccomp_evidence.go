package main

import (
	"io"

	"github.com/urfave/cli/v2"
)

const seccompEvidenceHelp = `Tells how complete recordings of one workload are: what each of them added, what only one of them has, and what the profile made
of all others would have denied in each. Recordings that are not saturated say so, with the reasons.

Give it the flags of seccomp generate: evidence is about the profile that they make.

The exit status is 0 when the recordings are saturated, 1 when they are not, 2 when they cannot be read.`

func seccompEvidenceCommand() *cli.Command {
	c := seccompSub("evidence", "tell how complete recordings are", "RECORDING...", 0, -1, withTrailingFlags(seccompEvidence), generateFlags()...)
	c.Description = seccompEvidenceHelp
	return c
}

func seccompEvidence(ctx *cli.Context, files []string) error {
	if ctx.Bool("list-margins") {
		return listMargins(ctx)
	}
	_, r, err := generateFrom(ctx, "evidence", files)
	if err != nil {
		return err
	}
	e := r.Report.Evidence
	if err := show(ctx, e, func(w io.Writer) { writeEvidence(w, outputWidth(), e) }); err != nil {
		return err
	}
	if !e.Saturated {
		return &statusError{status: 1}
	}
	return nil
}
