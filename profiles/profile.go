// Package profiles holds hardening profiles: what a container may at most have, and why.
//
// A profile is a value. It decides nothing: package runtime/harden compares a spec with it. Every permission and
// every number carries its reason, because a report repeats it.
package profiles

// A Profile is a ceiling: a container may ask for less than it names, never for more.
type Profile struct {
	// Name is what reports and `--profile` call it: lower case letters, digits and dashes.
	Name string `json:"name"`
	// Description is one sentence for people.
	Description string `json:"description"`
	// Base names the built-in profile that a site's profile starts from. Empty for a built-in one.
	Base string `json:"base,omitempty"`
	// Rank orders profiles by tightness: a container's annotation may only choose a profile of a higher rank.
	// A site's profile has the rank of its base.
	Rank int `json:"rank"`

	UserNamespace   UserNamespace `json:"userNamespace"`
	Namespaces      Namespaces    `json:"namespaces"`
	Rootfs          Rootfs        `json:"rootfs"`
	Mounts          Mounts        `json:"mounts"`
	NoNewPrivileges Switch        `json:"noNewPrivileges"`
	// Capabilities are names such as CAP_CHOWN: the ceiling of all five sets.
	Capabilities []Entry `json:"capabilities"`
	User         User    `json:"user"`
	Seccomp      Seccomp `json:"seccomp"`
	// MaskedPaths and ReadonlyPaths are united with the caller's.
	MaskedPaths   []Entry  `json:"maskedPaths"`
	ReadonlyPaths []Entry  `json:"readonlyPaths"`
	Devices       []Device `json:"devices"`
	Limits        Limits   `json:"limits"`
	// Sysctls are names, or prefixes ending in ".*", that a container may set in its own namespaces.
	Sysctls []Entry `json:"sysctls"`
	Hooks   Hooks   `json:"hooks"`
	// SecretsRefused refuses environment variables whose names look like secrets (otherwise they are noted).
	SecretsRefused Switch `json:"secretsRefused"`

	// Widened has, for a site's profile, the written reason of each rule (by rule ID) that it makes wider than its
	// base. Every report repeats it. Empty for a built-in profile.
	Widened map[string]string `json:"widened,omitempty"`
}

// An Entry is one permission with its reason.
type Entry struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// A Switch is a yes or no with its reason.
type Switch struct {
	On     bool   `json:"on"`
	Reason string `json:"reason"`
}

// UserNamespace says how many IDs a container leases.
type UserNamespace struct {
	// Size is the number of IDs, a multiple of 65536, at least 65536.
	Size   uint32 `json:"size"`
	Reason string `json:"reason"`
}

// Namespaces has what only a site's profile can turn on.
type Namespaces struct {
	// HostNetwork lets a container use the host's network namespace.
	HostNetwork Switch `json:"hostNetwork"`
}

// Rootfs is about the root mount.
type Rootfs struct {
	// Readonly forces root.readonly.
	Readonly Switch `json:"readonly"`
}

// Mounts is about what a container mounts. The protected host paths are the same for every profile: see [Protected].
type Mounts struct {
	// Noexec forces noexec on bind mounts and tmpfs.
	Noexec Switch `json:"noexec"`
	// AllowedSources are host paths that a site lets containers bind although they are protected.
	AllowedSources []AllowedSource `json:"allowedSources"`
}

// An AllowedSource is a protected host path that a site's profile opens.
type AllowedSource struct {
	Path     string `json:"path"`
	Writable bool   `json:"writable"`
	Reason   string `json:"reason"`
}

// User is about process.user.
type User struct {
	// NonRoot refuses UID 0 in the container.
	NonRoot Switch `json:"nonRoot"`
}

// Seccomp names the seccomp profile that a container's filter never exceeds.
type Seccomp struct {
	// Profile is the name of an embedded seccomp profile ("compatible", "default", "restricted") or, in a site's
	// profile, the absolute path of a file, to be read with [ReadTrusted].
	Profile string `json:"profile"`
	Reason  string `json:"reason"`
	// RequireRegistered refuses a container whose filter is not within one of the host's registered seccomp profiles
	// (Config.SeccompDir): neither the engine's usual profile nor none at all is enough then.
	RequireRegistered Switch `json:"requireRegistered"`
	// Agent is the listenerPath that a site allows for SCMP_ACT_NOTIFY. Empty: NOTIFY is refused.
	Agent string `json:"agent,omitempty"`
}

// A Device is a device node that a container may have.
type Device struct {
	// Path in the container.
	Path string `json:"path"`
	// Type is "c" or "b".
	Type  string `json:"type"`
	Major int64  `json:"major"`
	// Minor -1 means every minor number.
	Minor  int64  `json:"minor"`
	Access string `json:"access"`
	// Default devices exist in every container whether asked or not; the rest only when asked.
	Default bool   `json:"default"`
	Reason  string `json:"reason"`
}

// A Limit is a default for a caller that sets none and a ceiling for one that does.
type Limit struct {
	Default int64  `json:"default"`
	Ceiling int64  `json:"ceiling"`
	Reason  string `json:"reason"`
}

// Limits bound what a container uses of the host.
type Limits struct {
	// Pids is pids.max, in tasks.
	Pids Limit `json:"pids"`
	// Memory: Default is a share of the host's memory in percent, Ceiling the reserve in percent that stays with the host.
	Memory MemoryLimit `json:"memory"`
	// Swap allows swap beyond memory, where the kernel accounts it.
	Swap Switch `json:"swap"`
	// CPUWeight is in cpu.shares units (v1: 2 to 262144, 1024 is the kernel's default).
	CPUWeight Limit `json:"cpuWeight"`
	// CPUQuota is in percent of all cores of the host (or of the parent's own quota when that is less).
	CPUQuota Limit `json:"cpuQuota"`
	// NoFile is RLIMIT_NOFILE, in descriptors.
	NoFile Limit `json:"noFile"`
	// Core is RLIMIT_CORE, in bytes: 1 also stops piped core handlers, 0 does not (core(5)).
	Core Limit `json:"core"`
	// NProc is RLIMIT_NPROC per mapped user; pids.max is the real bound.
	NProc Limit `json:"nproc"`
	// MemLock is RLIMIT_MEMLOCK, in bytes.
	MemLock Limit `json:"memLock"`
	// Shm is the size of /dev/shm and of a tmpfs that names none, in bytes; never above the memory limit.
	Shm Limit `json:"shm"`
	// OOMScoreAdj: Ceiling is the lowest value that a caller may ask for (proc(5): -1000 to 1000).
	OOMScoreAdj Limit `json:"oomScoreAdj"`
}

// MemoryLimit is memory in relation to the host.
type MemoryLimit struct {
	// DefaultPercent of the host's memory when the caller names no limit.
	DefaultPercent int64 `json:"defaultPercent"`
	// ReservePercent of the host's memory, at least ReserveBytes, that no container's limit may reach into. It is never
	// more than half of the host: a small device runs containers too.
	ReservePercent int64  `json:"reservePercent"`
	ReserveBytes   int64  `json:"reserveBytes"`
	Reason         string `json:"reason"`
}

// Hooks is about hooks.*, which the caller alone writes.
type Hooks struct {
	// Caller keeps the caller's hooks. Off: a spec with hooks is refused.
	Caller Switch `json:"caller"`
	// Allowed, when not empty, are the absolute paths of the only programs that a hook may run.
	Allowed []Entry `json:"allowed"`
}
