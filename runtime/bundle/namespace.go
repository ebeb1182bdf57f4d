package bundle

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// resolveNamespaces opens and describes the namespaces that a spec joins.
func (r *Resolved) resolveNamespaces(spec *specs.Spec, o Options) error {
	if spec.Linux == nil {
		return nil
	}
	r.Facts.Namespaces = make([]Namespace, len(spec.Linux.Namespaces))
	r.namespaces = make([]*os.File, len(spec.Linux.Namespaces))
	for i, ns := range spec.Linux.Namespaces {
		if ns.Path == "" {
			continue
		}
		file, fact, err := joinable(ns)
		if err != nil {
			r.Facts.Namespaces[i] = Namespace{Path: ns.Path, Err: err.Error()}
			continue
		}
		if o.Sibling != nil {
			fact.sibling(o.Sibling)
		}
		r.namespaces[i], r.Facts.Namespaces[i] = file, fact
	}
	return nil
}

// joinable opens a namespace and describes it.
func joinable(ns specs.LinuxNamespace) (*os.File, Namespace, error) {
	file, err := openNamespace(ns.Path)
	if err != nil {
		return nil, Namespace{}, err
	}
	fact, err := describeNamespace(file, ns)
	if err != nil {
		_ = file.Close()
		return nil, Namespace{}, err
	}
	return file, fact, nil
}

// openNamespace opens a namespace file. It is opened with O_PATH first: opening a device or a fifo in its place would
// have an effect.
func openNamespace(path string) (*os.File, error) {
	fd, err := openRetry(path, unix.O_PATH|unix.O_CLOEXEC)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return nil, plain(err)
	}
	if st.Type != unix.NSFS_MAGIC {
		return nil, errors.New("is no namespace")
	}
	real, err := openRetry("/proc/thread-self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, plain(err)
	}
	return os.NewFile(uintptr(real), path), nil
}

func describeNamespace(file *os.File, ns specs.LinuxNamespace) (Namespace, error) {
	fd := int(file.Fd())
	fact := Namespace{Path: ns.Path}
	clone, err := unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
	if err != nil {
		return fact, fmt.Errorf("ask for its type: %w", plain(err))
	}
	if fact.Kind = kindOfNamespace(clone); fact.Kind != string(ns.Type) {
		return fact, fmt.Errorf("is a %s namespace, want %s", fact.Kind, ns.Type)
	}
	if fact.Inode, err = inodeOf(fd); err != nil {
		return fact, err
	}
	if fact.Host, err = isHost(ns.Type, fact.Inode); err != nil {
		return fact, err
	}
	if fact.Owner, err = ownerOf(fd); err != nil {
		return fact, err
	}
	own, err := inodeAt("/proc/thread-self/ns/user")
	if err != nil {
		return fact, err
	}
	fact.OwnerIsHost = fact.Owner != 0 && fact.Owner == own
	if ns.Type == specs.UserNamespace && (!fact.Host || fact.Inode == own) {
		fact.UIDMap, fact.GIDMap, err = mappingOf(file, fact.Inode, own)
	}
	return fact, err
}

// sibling looks the container up whose user namespace owns the namespace. A user namespace is looked up itself.
func (n *Namespace) sibling(lookup func(uint64) (string, Range, bool)) {
	inode := n.Owner
	if n.Kind == string(specs.UserNamespace) {
		inode = n.Inode
	}
	if inode == 0 || n.Host {
		return
	}
	if id, r, ok := lookup(inode); ok {
		n.Sibling, n.SiblingRange = id, r
	}
}

// kindOfNamespace turns what NS_GET_NSTYPE returns (ioctl_ns(2)) into runtime-spec's word.
func kindOfNamespace(clone int) string {
	switch clone {
	case unix.CLONE_NEWPID:
		return string(specs.PIDNamespace)
	case unix.CLONE_NEWNET:
		return string(specs.NetworkNamespace)
	case unix.CLONE_NEWNS:
		return string(specs.MountNamespace)
	case unix.CLONE_NEWIPC:
		return string(specs.IPCNamespace)
	case unix.CLONE_NEWUTS:
		return string(specs.UTSNamespace)
	case unix.CLONE_NEWUSER:
		return string(specs.UserNamespace)
	case unix.CLONE_NEWCGROUP:
		return string(specs.CgroupNamespace)
	case unix.CLONE_NEWTIME:
		return string(specs.TimeNamespace)
	}
	return fmt.Sprintf("%#x", clone)
}

// isHost compares a namespace with the kernel's first ones, the runtime's and process 1's. The runtime may have been
// started in a namespace of its own (a unit with PrivateNetwork=); process 1's is still the host's. Where the runtime
// may not look at process 1 (ptrace(2), access mode checking) the other two count.
func isHost(t specs.LinuxNamespaceType, inode uint64) (bool, error) {
	// enum init_ns_ino of linux/nsfs.h: MNT_NS_INIT_INO to IPC_NS_INIT_INO.
	if inode >= 0xEFFFFFF8 && inode <= 0xEFFFFFFF {
		return true, nil
	}
	name := nsFileName(t)
	files := []string{"/proc/thread-self/ns/" + name, "/proc/self/ns/" + name, "/proc/1/ns/" + name}
	if t == specs.PIDNamespace || t == specs.TimeNamespace {
		files = append(files, files[0]+"_for_children")
	}
	for _, file := range files {
		host, err := inodeAt(file)
		if file == "/proc/1/ns/"+name && (errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("compare it with %s: %w", file, err)
		}
		if host == inode {
			return true, nil
		}
	}
	return false, nil
}

// ownerOf is the inode of the user namespace that owns a namespace (of a user namespace: its parent). 0 when the owner
// lies outside the runtime's own user namespace: the kernel does not show it (ioctl_ns(2), EPERM), and it is no sibling's.
func ownerOf(fd int) (uint64, error) {
	owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if err == unix.EPERM {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("ask for its owner: %w", plain(err))
	}
	defer func() { _ = unix.Close(owner) }()
	return inodeOf(owner)
}

func inodeOf(fd int) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, plain(err)
	}
	return st.Ino, nil
}

func inodeAt(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, plain(err)
	}
	return st.Ino, nil
}
