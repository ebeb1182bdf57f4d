package profiles

import (
	"slices"
	"strings"
)

// Compare gives the IDs of the rules that p makes wider than base does, in the order of [RuleIDs]. Empty means that no
// container gets more under p than under base.
//
// Seccomp profiles are compared by name: a site's own file counts as wider than any other, because only package seccomp
// can look into it.
func (p Profile) Compare(base Profile) []string {
	wider := map[string]bool{
		"user-namespace":    p.UserNamespace.Size > base.UserNamespace.Size,
		"namespaces":        turnedOn(p.Namespaces.HostNetwork, base.Namespaces.HostNetwork),
		"rootfs":            turnedOff(p.Rootfs.Readonly, base.Rootfs.Readonly),
		"mounts":            turnedOff(p.Mounts.Noexec, base.Mounts.Noexec) || widerSources(p.Mounts, base.Mounts),
		"no-new-privileges": turnedOff(p.NoNewPrivileges, base.NoNewPrivileges),
		"capabilities":      !covered(p.Capabilities, base.Capabilities, equalNames),
		"user":              turnedOff(p.User.NonRoot, base.User.NonRoot),
		"seccomp":           widerSeccomp(p.Seccomp, base.Seccomp),
		"masked-paths":      widerPaths(p, base),
		"devices":           widerDevices(p.Devices, base.Devices),
		"limits":            widerLimits(p.Limits, base.Limits),
		"sysctl":            !covered(p.Sysctls, base.Sysctls, coversSysctl),
		"hooks":             widerHooks(p.Hooks, base.Hooks),
		"secrets":           turnedOff(p.SecretsRefused, base.SecretsRefused),
	}
	var ids []string
	for _, id := range RuleIDs() {
		if wider[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// Tighter tells whether a container's annotation may choose wanted where current applies: wanted has the higher rank
// and is wider in no rule. The second half matters for a site's profile, which has the rank of its base although it may
// have widened a rule.
func Tighter(current, wanted Profile) bool {
	return wanted.Rank > current.Rank && len(wanted.Compare(current)) == 0
}

func turnedOn(p, base Switch) bool  { return p.On && !base.On }
func turnedOff(p, base Switch) bool { return !p.On && base.On }

func equalNames(base, name string) bool { return base == name }

// covered tells that each entry is covered by one of the base.
func covered(entries, base []Entry, covers func(base, name string) bool) bool {
	for _, e := range entries {
		if !slices.ContainsFunc(base, func(b Entry) bool { return covers(b.Name, e.Name) }) {
			return false
		}
	}
	return true
}

// coversSysctl understands the prefixes: "net.ipv4.*" covers "net.ipv4.tcp_rmem" and "net.ipv4.conf.*".
func coversSysctl(base, name string) bool {
	prefix, all := strings.CutSuffix(base, "*")
	return base == name || all && strings.HasPrefix(name, prefix)
}

// coversPath tells that path is base or lies below it.
func coversPath(base, path string) bool {
	return base == path || strings.HasPrefix(path, strings.TrimSuffix(base, "/")+"/")
}

func widerSources(p, base Mounts) bool {
	for _, s := range p.AllowedSources {
		if !slices.ContainsFunc(base.AllowedSources, func(b AllowedSource) bool {
			return b.Path == s.Path && (b.Writable || !s.Writable)
		}) {
			return true
		}
	}
	return false
}

// widerPaths tells that a path of the base is no longer masked, or no longer read-only. Masked is more than read-only.
func widerPaths(p, base Profile) bool {
	if !covered(base.MaskedPaths, p.MaskedPaths, coversPath) {
		return true
	}
	hidden := slices.Concat(p.MaskedPaths, p.ReadonlyPaths)
	return !covered(base.ReadonlyPaths, hidden, coversPath)
}

// widerSeccomp knows the order of the built-in seccomp profiles. A file's place in it is not known.
func widerSeccomp(p, base Seccomp) bool {
	if p.Agent != "" && p.Agent != base.Agent || turnedOff(p.RequireRegistered, base.RequireRegistered) {
		return true
	}
	order := seccompOrder()
	tight, baseTight := slices.Index(order, p.Profile), slices.Index(order, base.Profile)
	return p.Profile != base.Profile && (baseTight < 0 || tight < baseTight)
}

// seccompOrder are the built-in seccomp profiles, each one allowing no more than the one before it.
func seccompOrder() []string { return []string{"compatible", "default", "restricted"} }

func widerDevices(devices, base []Device) bool {
	for _, d := range devices {
		if !slices.ContainsFunc(base, func(b Device) bool { return coversDevice(b, d) }) {
			return true
		}
	}
	return false
}

// coversDevice compares what the kernel looks at: type, numbers and access, not the path.
func coversDevice(base, d Device) bool {
	return base.Type == d.Type && base.Major == d.Major && (base.Minor == d.Minor || base.Minor == -1) &&
		strings.Trim(d.Access, base.Access) == "" && (base.Default || !d.Default)
}

func widerLimits(p, base Limits) bool {
	pairs := [][2]Limit{
		{p.Pids, base.Pids}, {p.CPUWeight, base.CPUWeight}, {p.CPUQuota, base.CPUQuota}, {p.NoFile, base.NoFile},
		{p.Core, base.Core}, {p.NProc, base.NProc}, {p.MemLock, base.MemLock}, {p.Shm, base.Shm},
		// The other way round: a lower value protects the container from the OOM killer.
		{base.OOMScoreAdj, p.OOMScoreAdj},
	}
	for _, l := range pairs {
		if l[0].Default > l[1].Default || l[0].Ceiling > l[1].Ceiling {
			return true
		}
	}
	m, b := p.Memory, base.Memory
	return turnedOn(p.Swap, base.Swap) || m.DefaultPercent > b.DefaultPercent || m.ReservePercent < b.ReservePercent ||
		m.ReserveBytes < b.ReserveBytes
}

func widerHooks(p, base Hooks) bool {
	if !p.Caller.On {
		return false
	}
	if !base.Caller.On {
		return true
	}
	anyProgram := len(base.Allowed) == 0
	return !anyProgram && (len(p.Allowed) == 0 || !covered(p.Allowed, base.Allowed, equalNames))
}
