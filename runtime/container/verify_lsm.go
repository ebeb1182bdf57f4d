package container

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// verifyLSM reads back what confines a process: its AppArmor profile and its SELinux label, where those modules are active and
// the spec names one. Both take effect with the next execve(2), so a process at the exec fifo has the new one pending
// (attr/exec of proc_pid_attr(5)) and one that runs its program already has it for its own (attr/current).
func verifyLSM(pid int, p *specs.Process, k bundle.Kernel) error {
	h := Holding{AppArmor: wantedAppArmor(p, k), SELinux: wantedSELinux(p, k)}
	return h.confined(attrDir(pid))
}

// confined compares what the kernel shows in a process's directory of proc_pid_attr(5) with what the process has to have. SELinux
// shows to everybody what is pending; a label that a new policy no longer has is shown as one of its unlabeled type.
func (h *Holding) confined(dir string) error {
	if h.AppArmor != "" {
		if err := verifyAppArmor(dir, h.AppArmor); err != nil {
			return err
		}
	}
	if h.SELinux != "" {
		return compareLabel(dir, h.SELinux, "SELinux label", func(label string) string { return label })
	}
	return nil
}

func attrDir(pid int) string { return "/proc/" + strconv.Itoa(pid) + "/attr/" }

// wantedAppArmor is the profile that the kernel has to show for a process: empty where none is asked for or AppArmor is not active.
func wantedAppArmor(p *specs.Process, k bundle.Kernel) string {
	if !k.AppArmor {
		return ""
	}
	return p.ApparmorProfile
}

// wantedSELinux is the label that the kernel has to show for a process: empty where none is asked for or SELinux is not active.
func wantedSELinux(p *specs.Process, k bundle.Kernel) string {
	if !k.SELinux {
		return ""
	}
	return p.SelinuxLabel
}

func verifyAppArmor(dir, profile string) error {
	// Since Linux 5.8 each module has a directory of its own, for several can be active.
	own := dir + "apparmor/"
	if _, err := os.Stat(own + "exec"); errors.Is(err, fs.ErrNotExist) {
		own = dir
	}
	return compareLabel(own, profile, "AppArmor profile", apparmorName)
}

// errPending tells that a process has no AppArmor profile yet and that the kernel does not show what is pending: up to Linux 6.7 or
// so attr/apparmor/exec answers with what the reader has pending, not the process.
var errPending = errors.New("AppArmor profile is \"unconfined\", and none is pending that the kernel shows")

// verifyExecLSM is verifyLSM for a process that is about to run its program, or does already: it waits for the profile.
func verifyExecLSM(pid int, p *specs.Process, k bundle.Kernel) error {
	err := verifyLSM(pid, p, k)
	for range 500 {
		if !errors.Is(err, errPending) {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = verifyLSM(pid, p, k)
	}
	return err
}

// compareLabel compares the pending label of a process, or where none is pending its own, with the wanted one.
func compareLabel(dir, want, what string, name func(string) string) error {
	var got string
	hidden := false
	for _, file := range []string{"exec", "current"} {
		b, err := os.ReadFile(dir + file)
		if file == "exec" && errors.Is(err, syscall.EINVAL) {
			hidden = true
			continue // AppArmor's word for nothing pending
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", what, err)
		}
		if got = name(strings.TrimRight(string(b), "\x00\n")); got != "" {
			break
		}
	}
	if hidden && got == "unconfined" && name("x (y)") == "x" {
		return errPending
	}
	// A profile may put programs into profiles of its own (apparmor.d(5), child profiles): they are part of it.
	if got != want && !strings.HasPrefix(got, want+"//") {
		return fmt.Errorf("%s is %q, want %q", what, got, want)
	}
	return nil
}

// apparmorName takes the mode off "NAME (MODE)". The text "unconfined" has none, and neither has a pending nothing.
func apparmorName(text string) string {
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		return text[:i]
	}
	return text
}
