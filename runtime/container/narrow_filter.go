package container

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
)

// startInit starts the first process and reads back what it has.
func (c *creation) startInit() error {
	err := c.launch()
	if err == nil {
		err = c.verify()
	}
	return explainFilter(err, c.hardened, false)
}

// explainFilter adds to the error of a start that its filter is too narrow for the runtime's own calls, where it is: the runtime goes on under
// the filter until the program begins, and what it says when one of its calls is denied does not name the filter. The text
// comes last, because engines read how the message begins.
func explainFilter(err error, s *specs.Spec, exec bool) error {
	if err == nil || s == nil || s.Process == nil || s.Linux == nil {
		return err
	}
	kind := starts.CreatePrivileged
	switch {
	case exec && s.Process.NoNewPrivileges:
		kind = starts.ExecNoNewPrivs
	case exec:
		kind = starts.ExecPrivileged
	case s.Process.NoNewPrivileges:
		kind = starts.CreateNoNewPrivs
	}
	denied := starts.Denied(s.Linux.Seccomp, kind)
	if len(denied) == 0 {
		return err
	}
	return fmt.Errorf("%w (the seccomp profile that was given denies %s, which the runtime itself calls to start a program: add that to it, "+
		"as bulkheadctl seccomp generate does)", err, strings.Join(denied, ", "))
}

// explainStart is explainFilter for a container that was created before.
func (r *Runtime) explainStart(id string, err error) error {
	if err == nil {
		return nil
	}
	rec, _, open := r.openRecord(id)
	if open != nil {
		return err
	}
	return explainFilter(err, rec.Spec, false)
}
