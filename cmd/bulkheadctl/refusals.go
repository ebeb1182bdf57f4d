package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// maxRefusalLog is the largest bound that the configuration takes.
const maxRefusalLog = 1 << 30

// readRefusals reads the log and the one before it, newest first. There is none before the first refusal.
func readRefusals() ([]container.LoggedRefusal, error) {
	cfg, err := loadConfig()
	if err != nil {
		return nil, err
	}
	var all []container.LoggedRefusal
	for _, path := range []string{cfg.RefusalLog.Path + ".1", cfg.RefusalLog.Path} {
		data, err := readLog(path)
		if err != nil {
			return nil, err
		}
		all = append(all, parseRefusals(data)...)
	}
	slices.Reverse(all)
	return all, nil
}

func readLog(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read refusal log: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRefusalLog))
	if err != nil {
		return nil, fmt.Errorf("read refusal log: %w", err)
	}
	return data, nil
}

// parseRefusals passes over what is no line of a log: a write that a full disk cut short must not hide the rest.
func parseRefusals(data []byte) []container.LoggedRefusal {
	list := []container.LoggedRefusal{}
	for line := range bytes.Lines(data) {
		var r container.LoggedRefusal
		if json.Unmarshal(line, &r) == nil && r.Refusal != nil {
			list = append(list, r)
		}
	}
	return list
}

// refusalsOf are those of one ID, or of the IDs that begin so.
func refusalsOf(all []container.LoggedRefusal, id string) []container.LoggedRefusal {
	var found []container.LoggedRefusal
	for _, r := range all {
		if strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	return found
}

func writeRefusals(w io.Writer, width int, list []container.LoggedRefusal) {
	if len(list) == 0 {
		fmt.Fprintln(w, "Nothing was refused since this machine started.")
		return
	}
	for i, r := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		table(w, width, [][2]string{
			{"refused", r.Door + " of " + r.ID},
			{"when", r.Time.Format(time.RFC3339)},
			{"bundle", r.Bundle},
			{"profile", r.Refusal.Profile},
		})
		writeViolations(w, width, r.Refusal.Profile, r.Refusal.Violations)
	}
}

// loosened are the rules that a site's profile can open, and the key that does it. The others stand for every profile.
var loosened = map[string]string{
	"namespaces":        "namespaces.hostNetwork",
	"mounts":            "mounts.allowedSources",
	"no-new-privileges": "noNewPrivileges",
	"capabilities":      "capabilities",
	"user":              "user.nonRoot",
	"seccomp":           "seccomp.profile",
	"devices":           "devices",
	"limits":            "limits",
	"sysctl":            "sysctls",
	"hooks":             "hooks",
	"secrets":           "secretsRefused",
}

// remedyOf is [remedy] for a violation; one of a requirement that profiles do not open has its own.
func remedyOf(v harden.Violation, profile string) string {
	if v.Rule == "seccomp" && strings.Contains(v.Want, "seccomp.requireRegistered") {
		return "record the workload (bulkheadctl seccomp record), make its profile (bulkheadctl seccomp generate), register it in " +
			"/etc/bulkhead/seccomp.d, and run the container with it"
	}
	return remedy(v.Rule, v.Field, profile)
}

// remedy says what an operator can do about a refusal by a rule.
func remedy(rule, field, profile string) string {
	builtin := slices.Contains(profiles.Names(), profile)
	switch {
	case rule == "namespaces" && !strings.Contains(field, "network"):
		return "run it without this option: no profile gives a container a namespace of the host"
	case rule == "user":
		return "run it as another user (--user), or under a profile that allows root"
	case loosened[rule] == "":
		return "run it without this option: no profile allows it"
	case !builtin:
		return fmt.Sprintf("run it without this option, or open %q in the profile %q with a reason in \"widened\" (bulkheadctl profile check)", loosened[rule], profile)
	}
	return fmt.Sprintf("run it without this option, or write a site's profile based on %q that opens %q with a reason in \"widened\" (bulkheadctl profile check)",
		profile, loosened[rule])
}
