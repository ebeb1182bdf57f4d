package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
)

// beginLimit bounds the wait for the first process's program: hooks of the kind startContainer run before it.
const beginLimit = time.Minute

// begin has the first process, which waits at the exec fifo, run its program, with the AppArmor profile and the SELinux label that it was
// created with. They take effect with execve(2), and whoever administers the host may have unloaded the profile, or the policy that
// has the label, since create: the kernel then leaves the process unconfined, or in another domain, without a word. So they are
// read again before, and where the kernel does not show what is pending, right after. A process without them is killed.
func (h *Holding) begin(exec func() error) error {
	if h.AppArmor == "" && h.SELinux == "" {
		return exec()
	}
	err := h.confined(attrDir(h.InitPID))
	switch {
	case err == nil:
		return exec()
	case !alive(h.InitPID, h.InitStart):
		return exec() // has its own words for a process that is gone
	case errors.Is(err, errPending):
		err = h.beginUnseen(exec)
	}
	if err == nil {
		return nil
	}
	if kill := killAndWait(h.InitPID, h.InitStart, 10_000, nil); kill != nil {
		return fmt.Errorf("%w (and kill it: %w)", err, kill)
	}
	return err
}

// beginUnseen is begin on a kernel that does not show a pending profile.
func (h *Holding) beginUnseen(exec func() error) error {
	path := "/proc/" + strconv.Itoa(h.InitPID) + "/exe"
	own, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at its program: %w", err)
	}
	if err := exec(); err != nil {
		return err
	}
	end := time.Now().Add(beginLimit)
	for pause := 100 * time.Microsecond; time.Now().Before(end); pause = min(2*pause, 10*time.Millisecond) {
		program, err := os.Stat(path)
		switch {
		case err == nil && !os.SameFile(own, program):
			err = h.confined(attrDir(h.InitPID))
		case errors.Is(err, fs.ErrNotExist): // proc_pid_exe(5): a process that has ended has none
			return nil
		case err == nil:
			time.Sleep(pause)
			continue
		}
		if err != nil && !alive(h.InitPID, h.InitStart) {
			return nil
		}
		return err
	}
	return fmt.Errorf("wait for its program: not begun after %v, and its AppArmor profile cannot be read before", beginLimit)
}
