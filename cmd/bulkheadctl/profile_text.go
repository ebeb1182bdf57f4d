package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// writeProfile prints a profile section by section, each permission with its reason.
func writeProfile(w io.Writer, width int, p profiles.Profile) {
	table(w, width, [][2]string{{"profile", p.Name}, {"description", p.Description}, {"base", p.Base}})
	section(w, width, "wider than its base", widenedRows(p))
	section(w, width, "switches", switchRows(p))
	section(w, width, "limits (default / at most)", limitRows(p.Limits))
	section(w, width, "capabilities", entryRows(p.Capabilities))
	section(w, width, "seccomp", [][2]string{{p.Seccomp.Profile, p.Seccomp.Reason}, {"agent", p.Seccomp.Agent},
		{"require registered", map[bool]string{true: p.Seccomp.RequireRegistered.Reason}[p.Seccomp.RequireRegistered.On]}})
	section(w, width, "devices", deviceRows(p.Devices))
	section(w, width, "sysctls", entryRows(p.Sysctls))
	section(w, width, "masked paths", entryRows(p.MaskedPaths))
	section(w, width, "read-only paths", entryRows(p.ReadonlyPaths))
	section(w, width, "hooks that may run", entryRows(p.Hooks.Allowed))
	section(w, width, "protected host paths that are open", sourceRows(p.Mounts.AllowedSources))
}

func section(w io.Writer, width int, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	var indented strings.Builder
	table(&indented, width-2, rows)
	for line := range strings.Lines(indented.String()) {
		fmt.Fprint(w, "  "+line)
	}
}

func widenedRows(p profiles.Profile) [][2]string {
	var rows [][2]string
	for _, id := range widenedRules(p) {
		rows = append(rows, [2]string{id, p.Widened[id]})
	}
	return rows
}

func switchRows(p profiles.Profile) [][2]string {
	row := func(name string, s profiles.Switch) [2]string {
		state := "no"
		if s.On {
			state = "yes"
		}
		if s.Reason != "" {
			state += ": " + s.Reason
		}
		return [2]string{name, state}
	}
	return [][2]string{
		{"IDs of a container", fmt.Sprintf("%d: %s", p.UserNamespace.Size, p.UserNamespace.Reason)},
		row("host network allowed", p.Namespaces.HostNetwork),
		row("read-only root forced", p.Rootfs.Readonly),
		row("noexec mounts forced", p.Mounts.Noexec),
		row("no_new_privs forced", p.NoNewPrivileges),
		row("root refused", p.User.NonRoot),
		row("caller's hooks kept", p.Hooks.Caller),
		row("secrets in env refused", p.SecretsRefused),
		row("swap allowed", p.Limits.Swap),
	}
}

func limitRows(l profiles.Limits) [][2]string {
	row := func(name string, v profiles.Limit) [2]string {
		return [2]string{name, fmt.Sprintf("%d / %d: %s", v.Default, v.Ceiling, v.Reason)}
	}
	return [][2]string{
		row("pids", l.Pids),
		{"memory", fmt.Sprintf("%d %% of the host / the host less %d %% and at least %s: %s",
			l.Memory.DefaultPercent, l.Memory.ReservePercent, byteSize(uint64(max(l.Memory.ReserveBytes, 0))), l.Memory.Reason)},
		row("cpu weight", l.CPUWeight), row("cpu quota (%)", l.CPUQuota), row("nofile", l.NoFile), row("core", l.Core),
		row("nproc", l.NProc), row("memlock", l.MemLock), row("shm", l.Shm), row("oom score", l.OOMScoreAdj),
	}
}

func entryRows(list []profiles.Entry) [][2]string {
	rows := make([][2]string, 0, len(list))
	for _, e := range list {
		rows = append(rows, [2]string{e.Name, e.Reason})
	}
	return rows
}

func deviceRows(list []profiles.Device) [][2]string {
	rows := make([][2]string, 0, len(list))
	for _, d := range list {
		minor := strconv.FormatInt(d.Minor, 10)
		if d.Minor < 0 {
			minor = "*"
		}
		rows = append(rows, [2]string{d.Path, fmt.Sprintf("%s %d:%s %s: %s", d.Type, d.Major, minor, d.Access, d.Reason)})
	}
	return rows
}

func sourceRows(list []profiles.AllowedSource) [][2]string {
	rows := make([][2]string, 0, len(list))
	for _, s := range list {
		how := "read-only"
		if s.Writable {
			how = "writable"
		}
		rows = append(rows, [2]string{s.Path, how + ": " + s.Reason})
	}
	return rows
}
