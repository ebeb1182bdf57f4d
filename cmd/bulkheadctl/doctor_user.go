package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// examineUser runs the probes for an unprivileged user: those of a rootless engine in namespaces like the engine's.
func examineUser() []check {
	name := userName()
	first := check{Name: "user", State: stateLimited, Found: fmt.Sprintf("this is %s (%d), not root", name, os.Geteuid()),
		Means: "what follows is what containers of this user's own engine get (rootless podman or Docker); for those of root's engine run sudo bulkheadctl doctor"}
	lines := subordinateIDs(name)
	inside, err := insideNamespaces(lines)
	if err == nil {
		return append([]check{first, lines.check(name), {Name: "user namespaces of users", State: stateOK, Found: "allowed"}}, inside...)
	}
	refused := check{Name: "user namespaces of users", State: stateMissing, Needed: true, Found: err.Error() + judgeUnprivilegedWhy(),
		Means: "no container of this user can start: an engine without root runs in a user namespace",
		Do: "as root: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile " +
			"with userns for the engine (Ubuntu), user.max_user_namespaces=65536"}
	own := uint32(os.Geteuid()) //nolint:gosec // a user ID
	checks := []check{first, lines.check(name), refused, delegationCheck(), busCheck()}
	return append(checks, examineUsersRest(func(owner uint32) bool { return owner == 0 || owner == own })...)
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}

// judgeUnprivilegedWhy names the settings that forbid users their own namespaces.
func judgeUnprivilegedWhy() string {
	clone, _ := os.ReadFile("/proc/sys/kernel/unprivileged_userns_clone")
	restrict, _ := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	limit, _ := os.ReadFile("/proc/sys/user/max_user_namespaces")
	switch {
	case strings.TrimSpace(string(clone)) == "0":
		return " (kernel.unprivileged_userns_clone=0)"
	case strings.TrimSpace(string(limit)) == "0":
		return " (user.max_user_namespaces=0)"
	case strings.TrimSpace(string(restrict)) == "1":
		return " (kernel.apparmor_restrict_unprivileged_userns=1)"
	}
	return ""
}

// subordinates are a user's lines in /etc/subuid and /etc/subgid.
type subordinates struct {
	uids, gids []userns.Range
	err        error
}

func subordinateIDs(name string) (s subordinates) {
	var uidErr, gidErr error
	s.uids, uidErr = subordinateRanges("/etc/subuid", name)
	s.gids, gidErr = subordinateRanges("/etc/subgid", name)
	s.err = errors.Join(uidErr, gidErr)
	return s
}

// subordinateRanges reads the lines of a user, which may have the name or the number.
func subordinateRanges(path, name string) ([]userns.Range, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines, err := userns.ParseSubIDs(f, name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	var ranges []userns.Range
	for _, l := range lines {
		if l.Owner == name || l.Owner == strconv.Itoa(os.Geteuid()) {
			ranges = append(ranges, l.Range)
		}
	}
	return ranges, nil
}

func (s subordinates) check(name string) check {
	c := check{Name: "subordinate IDs", State: stateOK, Found: fmt.Sprintf("%s in /etc/subuid, %s in /etc/subgid", showRanges(s.uids), showRanges(s.gids))}
	if s.err != nil {
		c.Found = s.err.Error()
	}
	for _, program := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(program); err != nil {
			c.State = stateLimited
			c.Found += "; " + program + " is not installed"
		}
	}
	if s.err != nil || sizeOf(s.uids) < 65536 || sizeOf(s.gids) < 65536 {
		c.State = stateLimited
	}
	if c.State != stateOK {
		c.Means = "containers have no users but root, or too few: most images want 65536 IDs"
		c.Do = "as root: apt-get install uidmap (elsewhere shadow-utils); " + strings.TrimPrefix(subordinateAdvice(name), "as root: ")
	}
	return c
}

func sizeOf(ranges []userns.Range) (total uint64) {
	for _, r := range ranges {
		total += uint64(r.Size)
	}
	return total
}

func showRanges(ranges []userns.Range) string {
	if len(ranges) == 0 {
		return "none"
	}
	texts := make([]string, len(ranges))
	for i, r := range ranges {
		texts[i] = r.String()
	}
	return strings.Join(texts, ", ")
}

// hostUser is the host's user ID of whoever runs this, seen from a user namespace of that user, too.
func hostUser() uint32 {
	text, err := os.ReadFile("/proc/self/uid_map")
	var inside, outside uint32
	if _, scan := fmt.Sscan(string(text), &inside, &outside); err == nil && scan == nil && os.Geteuid() == 0 && inside == 0 {
		return outside
	}
	return uint32(os.Geteuid()) //nolint:gosec // a user ID
}

// insideCommandName runs the probes of a rootless engine where insideNamespaces started this program.
const insideCommandName = "doctor-inside"

// insideMark tells the second run of that command, which has the rights of the namespaces, from the first.
const insideMark = "BULKHEAD_DOCTOR_INSIDE"

func insideCommand() *cli.Command {
	return &cli.Command{
		Name: insideCommandName, Hidden: true, Usage: "run the probes of a rootless engine (doctor runs it in namespaces of its own)",
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			if os.Getenv(insideMark) == "" {
				// The mapping comes when the pipe ends; it takes another execve(2) to become root by it (user_namespaces(7)).
				if _, err := io.Copy(io.Discard, os.NewFile(3, "mapped")); err != nil {
					return err
				}
				return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), insideMark+"=1"))
			}
			own, _, err := bundle.OwnIDs()
			if err != nil {
				return err
			}
			if len(own) == 0 {
				return errors.New("run " + insideCommandName + ": this is no user namespace with IDs")
			}
			return json.NewEncoder(ctx.App.Writer).Encode(examineRootless(own))
		}),
	}
}

// insideNamespaces runs the probes in a user and a mount namespace that are mapped as a rootless engine's: the user is root, and
// the subordinate IDs follow.
func insideNamespaces(s subordinates) ([]check, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("/proc/self/exe", insideCommandName)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &stdout, &stderr, []*os.File{r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("make a user namespace: %w", err)
	}
	mapped := mapIDs(cmd.Process.Pid, s)
	_ = w.Close()
	err = cmd.Wait()
	if mapped != nil {
		return nil, mapped
	}
	if err != nil {
		return nil, fmt.Errorf("probe in a user namespace: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var checks []check
	if err := json.Unmarshal(stdout.Bytes(), &checks); err != nil {
		return nil, fmt.Errorf("probe in a user namespace: %w", err)
	}
	return checks, nil
}

// mapIDs maps the IDs of a new user namespace by newuidmap(1) and newgidmap(1), or without subordinate IDs the user alone.
func mapIDs(pid int, s subordinates) error {
	if len(s.uids) > 0 && len(s.gids) > 0 {
		err := errors.Join(mapBy("newuidmap", pid, os.Geteuid(), s.uids), mapBy("newgidmap", pid, os.Getegid(), s.gids))
		if !errors.Is(err, exec.ErrNotFound) {
			return err
		}
	}
	for _, m := range []struct{ file, text string }{
		{"uid_map", fmt.Sprintf("0 %d 1", os.Geteuid())}, {"setgroups", "deny"}, {"gid_map", fmt.Sprintf("0 %d 1", os.Getegid())},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, m.file), []byte(m.text), 0); err != nil {
			return fmt.Errorf("map the IDs of a user namespace: %w", err)
		}
	}
	return nil
}

func mapBy(program string, pid, id int, ranges []userns.Range) error {
	args := []string{strconv.Itoa(pid), "0", strconv.Itoa(id), "1"}
	next := uint64(1)
	for _, r := range ranges {
		args = append(args, strconv.FormatUint(next, 10), strconv.FormatUint(uint64(r.Start), 10), strconv.FormatUint(uint64(r.Size), 10))
		next += uint64(r.Size)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("map the IDs of a user namespace: %s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}
