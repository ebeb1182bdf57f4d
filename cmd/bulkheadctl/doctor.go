package main

import (
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// The states of a check.
const (
	stateOK      = "ok"
	stateLimited = "limited"
	stateMissing = "missing"
)

// A check is one line of doctor.
type check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Found is what the probe saw.
	Found string `json:"found"`
	// Means says what follows for containers, Do what to do about it. Both are empty when nothing follows.
	Means string `json:"means,omitempty"`
	Do    string `json:"do,omitempty"`
	// Needed tells that no container starts without it.
	Needed bool `json:"needed"`
}

const doctorHelp = `Tries what containers need of the kernel and of this machine: nothing is read off a version. What it makes for that it
makes in a mount namespace of its own, which is gone when it ends. For a user without root it tells what containers of the user's
own engine (rootless podman or Docker) get: it tries that in namespaces like theirs.

   ok        works
   limited   containers start, but something is weaker, slower or not there
   missing   not there; where containers need it, the exit status is 1`

func doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "tell what this machine can and cannot do, and what to do about it", Description: doctorHelp,
		Flags: []cli.Flag{jsonFlag()},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			checks := examine()
			if err := show(ctx, checks, func(w io.Writer) { writeChecks(w, outputWidth(), checks) }); err != nil {
				return err
			}
			if missing(checks) > 0 {
				return &statusError{status: 1}
			}
			return nil
		}),
	}
}

// examine runs all probes, those first without which the others mean little.
func examine() []check {
	own, _, err := bundle.OwnIDs()
	switch {
	case err == nil && own != nil:
		return examineRootless(own)
	case err == nil && os.Geteuid() != 0:
		return examineUser()
	}
	checks := []check{{Name: "root", State: stateOK, Found: "this is root", Needed: true}, resourceCheck()}
	checks = append(checks, mountChecks()...)
	checks = append(checks, seccompCheck(), filterDumpCheck(), cgroupCheck(), lsmCheck(), unprivilegedCheck(), btfCheck())
	cfg, err := loadConfig()
	checks = append(checks, configCheck(err))
	if err == nil {
		checks = append(checks, viewCheck(cfg.RootView), profilesCheck(listProfiles(cfg)), stateCheck(cfg), rangesCheck(cfg))
	}
	checks = append(checks, binaryCheck(writableByOthers), dockerCheck(dockerConfig))
	return append(checks, engineChecks()...)
}

func missing(checks []check) int {
	n := 0
	for _, c := range checks {
		if c.Needed && c.State == stateMissing {
			n++
		}
	}
	return n
}

func writeChecks(w io.Writer, width int, checks []check) {
	name := 0
	for _, c := range checks {
		name = max(name, len(c.Name))
	}
	indent := "         "
	for _, c := range checks {
		entry(w, width, "", fmt.Sprintf("%-7s  %-*s  ", c.State, name, c.Name), c.Found)
		if c.Means != "" {
			entry(w, width, indent, "so: ", c.Means)
		}
		if c.Do != "" {
			entry(w, width, indent, "do: ", c.Do)
		}
	}
	limited := 0
	for _, c := range checks {
		if c.State != stateOK {
			limited++
		}
	}
	switch n := missing(checks); {
	case n > 0:
		fmt.Fprintf(w, "\nContainers cannot start here: %s missing that they need.\n", countIs(n, "thing"))
	case limited > 0:
		fmt.Fprintf(w, "\nContainers can start here. Limited or missing: %d of %d.\n", limited, len(checks))
	default:
		fmt.Fprintf(w, "\nContainers can start here. All %d checks are ok.\n", len(checks))
	}
}

func countIs(n int, noun string) string {
	if n == 1 {
		return "1 " + noun + " is"
	}
	return fmt.Sprintf("%d %ss are", n, noun)
}
