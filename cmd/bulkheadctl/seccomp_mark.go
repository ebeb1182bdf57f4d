package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

const markHelp = `Says that the startup of a workload is over, for one that never listens or accepts: jobs, consumers of a queue. What it calls from
now on is recorded as its serving phase. RECORDING is the recording's name, or the container's ID or the beginning of it. A
recording whose startup is over already stays as it is.`

func seccompMarkCommand() *cli.Command {
	return &cli.Command{
		Name: "mark", Usage: "end the startup phase of a recording that goes on", ArgsUsage: "RECORDING", Description: markHelp,
		Action: withArgs(1, 1, seccompMark),
	}
}

func seccompMark(ctx *cli.Context) error {
	cfg, err := loadConfig()
	if err != nil {
		return err
	}
	all, err := recorders(cfg.StateDir)
	if err != nil {
		return err
	}
	e, err := chooseRecorder(all, ctx.Args().First())
	if err != nil {
		return err
	}
	fd, err := unix.PidfdOpen(e.PID, 0)
	if err != nil {
		return fmt.Errorf("mark %q: its recorder has ended: %w", e.Name, err)
	}
	defer unix.Close(fd)
	// The PID was read before the pidfd was open.
	if processStart(e.PID) != e.Start {
		return fmt.Errorf("mark %q: its recorder has ended", e.Name)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGUSR1, nil, 0); err != nil {
		return fmt.Errorf("mark %q: %w", e.Name, err)
	}
	fmt.Fprintf(ctx.App.Writer, "%s serves from now on\n", e.Name)
	return nil
}

// chooseRecorder finds the one recorder whose recording or container is called so, or whose container's ID begins so.
func chooseRecorder(all []recorderEntry, name string) (recorderEntry, error) {
	var exact, begins []recorderEntry
	for _, e := range all {
		switch {
		case e.Name == name || e.Container == name:
			exact = append(exact, e)
		case name != "" && strings.HasPrefix(e.Container, name):
			begins = append(begins, e)
		}
	}
	if len(exact) > 0 {
		begins = exact
	}
	switch len(begins) {
	case 0:
		return recorderEntry{}, fmt.Errorf("find recording %q: nothing of that name is being recorded", name)
	case 1:
		return begins[0], nil
	}
	files := make([]string, len(begins))
	for i, e := range begins {
		files[i] = e.File
	}
	return recorderEntry{}, fmt.Errorf("find recording %q: more than one is meant (%s)", name, strings.Join(files, ", "))
}
