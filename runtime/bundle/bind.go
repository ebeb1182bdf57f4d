package bundle

import (
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// IsBind tells that a mount binds a host path: its type or one of its options says so. The runtime-spec goes by the
// options; "bind" as a type alone is what some callers write and mean.
func IsBind(m specs.Mount) bool {
	if m.Type == "bind" || m.Type == "rbind" {
		return true
	}
	for _, o := range m.Options {
		if o == "bind" || o == "rbind" {
			return true
		}
	}
	return false
}

// absolute makes a path of the spec absolute against the bundle. It does not clean it: "a/.." is another place than
// "." when a is a symbolic link.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return dir + "/" + path
}

// kindOf names the type of a file in the words of [Source].
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "dir"
	case unix.S_IFREG:
		return "file"
	case unix.S_IFSOCK:
		return "socket"
	case unix.S_IFIFO:
		return "fifo"
	case unix.S_IFBLK:
		return "block"
	case unix.S_IFCHR:
		return "char"
	case unix.S_IFLNK:
		return "symlink"
	}
	return ""
}

// kindWord names the type of a file for a message.
func kindWord(mode uint32) string {
	switch kind := kindOf(mode); kind {
	case "dir":
		return "folder"
	case "block", "char":
		return kind + " device"
	default:
		return kind
	}
}

// nsFileName is the name of a namespace in /proc/PID/ns (namespaces(7)); empty for an unknown type.
func nsFileName(t specs.LinuxNamespaceType) string {
	switch t {
	case specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.UserNamespace, specs.CgroupNamespace, specs.TimeNamespace:
		return string(t)
	case specs.NetworkNamespace:
		return "net"
	case specs.MountNamespace:
		return "mnt"
	}
	return ""
}
