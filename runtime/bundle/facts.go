// Package bundle reads a bundle's config.json and resolves what it names (bind sources, the root, namespaces) to
// open files, once. Nothing that was judged is looked up again by name.
package bundle

// Facts are what a spec's paths and namespaces resolved to, as plain data: package harden judges them, and the
// container's record keeps them for exec and update.
type Facts struct {
	// Sources has one element for each element of spec.Mounts, in order. Mounts that bind nothing have a zero Source.
	Sources []Source `json:"sources"`
	// Root is what root.path resolved to.
	Root Source `json:"root"`
	// Layers are the layers of the overlay that the root is on. They are opened when the root is staged, after the other
	// facts were judged, and judged then; there are none when the root is no overlay, or is not mounted anew.
	Layers []Layer `json:"layers,omitempty"`
	// Namespaces has one element for each element of spec.Linux.Namespaces, in order. One without a path is zero.
	Namespaces []Namespace `json:"namespaces"`
	// Protected are the host's paths that no container gets, resolved on this host the same way as the sources.
	Protected []ProtectedPath `json:"protected"`
	// OwnUIDs and OwnGIDs are the IDs that the runtime itself has, each mapped to itself, when it runs in a user namespace
	// under an unprivileged user's engine. They are absent on the host itself. See [OwnIDs].
	OwnUIDs []IDMap `json:"ownUIDs,omitempty"`
	OwnGIDs []IDMap `json:"ownGIDs,omitempty"`
	// Kernel has what the rules must know of this kernel.
	Kernel Kernel `json:"kernel"`
}

// A Source is a file that was opened with O_PATH and described from its descriptor.
type Source struct {
	// Bind tells that the mount binds a host path (or, for Root, that it was resolved).
	Bind bool `json:"bind"`
	// Path as the spec has it, made absolute against the bundle.
	Path string `json:"path,omitempty"`
	// Real is the path of the open file as the kernel reports it (/proc/self/fd).
	Real string `json:"real,omitempty"`
	// Kind is "dir", "file", "socket", "fifo", "block", "char" or "symlink".
	Kind string `json:"kind,omitempty"`
	// UID and Mode of the open file.
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Mode uint32 `json:"mode"`
	// Dev and Inode identify the file: st_dev and st_ino.
	Dev   uint64 `json:"dev"`
	Inode uint64 `json:"inode"`
	// FSType, FSDev ("major:minor") and FSPath locate the file in its own file system, so that a bind mount of a
	// protected directory under another name is recognised: FSPath is the mount's root joined with the path below it.
	FSType string `json:"fsType,omitempty"`
	FSDev  string `json:"fsDev,omitempty"`
	FSPath string `json:"fsPath,omitempty"`
	// Readonly tells that the mount that holds the file is read-only.
	Readonly bool `json:"readonly,omitempty"`
	// Submounts are the mounts below the source, whether or not the bind is recursive.
	Submounts []Submount `json:"submounts,omitempty"`
	// Rdev is "major:minor" of a device node.
	Rdev string `json:"rdev,omitempty"`
	// Overlay tells that the runtime itself mounted the source, as an overlay of directories that the spec names, at a path of its
	// own. Its layers are judged when it is staged.
	Overlay bool `json:"overlay,omitempty"`
	// Err says why the source could not be opened; everything else is zero then.
	Err string `json:"err,omitempty"`
}

// A Submount is a mount below a source.
type Submount struct {
	// Path relative to the source, starting with a slash.
	Path   string `json:"path"`
	FSType string `json:"fsType"`
	FSDev  string `json:"fsDev"`
	FSPath string `json:"fsPath"`
}

// A Layer is a directory that an overlay shows.
type Layer struct {
	Source
	// Writable tells that it is the upper directory.
	Writable bool `json:"writable,omitempty"`
}

// A Namespace is an open namespace file that a spec wants to join.
type Namespace struct {
	// Path as the spec has it.
	Path string `json:"path,omitempty"`
	// Inode of the namespace, 0 for a new one.
	Inode uint64 `json:"inode,omitempty"`
	// Kind as ioctl_ns(2) NS_GET_NSTYPE tells: "pid", "network", ... in runtime-spec's words.
	Kind string `json:"kind,omitempty"`
	// Host tells that it is the host's own namespace: the one of the runtime or of process 1.
	Host bool `json:"host,omitempty"`
	// Owner is the inode of the user namespace that owns it (NS_GET_USERNS).
	Owner uint64 `json:"owner,omitempty"`
	// OwnerIsHost tells that the owner is the host's (the runtime's own) user namespace: an engine made it.
	OwnerIsHost bool `json:"ownerIsHost,omitempty"`
	// Sibling is the ID of the bulkhead container whose user namespace owns it; empty when it is none's.
	Sibling string `json:"sibling,omitempty"`
	// SiblingRange is that container's range.
	SiblingRange Range `json:"siblingRange,omitzero"`
	// Mapping is uid_map and gid_map of the user namespace, for kind "user".
	UIDMap []IDMap `json:"uidMap,omitempty"`
	GIDMap []IDMap `json:"gidMap,omitempty"`
	// Err says why it could not be opened.
	Err string `json:"err,omitempty"`
}

// Range mirrors userns.Range: packages of one floor do not import one another.
type Range struct {
	Start uint32 `json:"start"`
	Size  uint32 `json:"size"`
}

// IDMap is a line of uid_map (user_namespaces(7)).
type IDMap struct {
	ContainerID uint32 `json:"containerID"`
	HostID      uint32 `json:"hostID"`
	Size        uint32 `json:"size"`
}

// A ProtectedPath is a host path with its place in its own file system.
type ProtectedPath struct {
	// Path as the table of protected paths has it, or as it was derived (an engine's data root).
	Path   string `json:"path"`
	FSDev  string `json:"fsDev,omitempty"`
	FSPath string `json:"fsPath,omitempty"`
	// Dev and Inode, for sockets and files.
	Dev   uint64 `json:"dev,omitempty"`
	Inode uint64 `json:"inode,omitempty"`
	// Class is "refused" (never), "readonly" (never writable), "self" (the directory itself is readonly, what is below is an ordinary volume), or "engine" (an engine's state root: refused but for the engine's own files for containers).
	Class string `json:"class"`
	// Why in a few words, for the refusal.
	Why string `json:"why"`
}

// Kernel has facts about this kernel that rules need. Each was probed, none is a version.
type Kernel struct {
	AppArmor bool `json:"appArmor"`
	// AppArmorMode is the mode in which the kernel holds the AppArmor profile that the spec names: "enforce", "complain",
	// "unconfined" and so on, or "missing" when it holds none of that name. Empty when nothing was looked up: AppArmor is
	// not active, the spec names none, or names a stack of several or one of another namespace.
	AppArmorMode string `json:"appArmorMode,omitempty"`
	SELinux      bool   `json:"seLinux"`
	// MissingSysctls are those of the spec that this kernel does not have.
	MissingSysctls []string `json:"missingSysctls,omitempty"`
	// Arch is the native architecture in seccomp's notation: "SCMP_ARCH_X86_64".
	Arch string `json:"arch"`
	// TimeNamespace tells that the kernel has time namespaces.
	TimeNamespace bool `json:"timeNamespace"`
	// LastCap is /proc/sys/kernel/cap_last_cap.
	LastCap int `json:"lastCap"`
	// HardLimits are the runtime's own hard resource limits by name ("RLIMIT_NOFILE"), when it lacks CAP_SYS_RESOURCE
	// and so cannot raise them for a container (getrlimit(2)). Empty when it can. RLIM_INFINITY is left out.
	HardLimits map[string]uint64 `json:"hardLimits,omitempty"`
	// OOMScoreAdjMin is the lowest oom_score_adj that the runtime may set when it lacks CAP_SYS_RESOURCE (proc(5)). Nil
	// when it has no such bound.
	OOMScoreAdjMin *int `json:"oomScoreAdjMin,omitempty"`
}
