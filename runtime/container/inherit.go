package container

import (
	"fmt"
	"os"

	"github.com/opencontainers/runc/libcontainer"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// inheritLimits sets the resource limits of a process that is about to start on this one, which it inherits them from, where
// libcontainer could not set them from outside: prlimit(2) wants CAP_SYS_RESOURCE in the user namespace of the other process. Host
// root has it there by its own CAP_SYS_RESOURCE, or as the namespace's owner (user_namespaces(7)); an engine without the
// one may give a pod a namespace without the other, as containerd 2 does.
//
// What can be set from outside stays libcontainer's: then ns is nil, or this process has the right.
func inheritLimits(p *libcontainer.Process, ns *os.File, facts bundle.Facts) error {
	if ns == nil || facts.Kernel.HardLimits == nil {
		return nil
	}
	owner, err := ownerOf(ns)
	if err != nil {
		return err
	}
	if owner == os.Geteuid() {
		return nil
	}
	for _, l := range p.Rlimits {
		if err := unix.Setrlimit(l.Type, &unix.Rlimit{Cur: l.Soft, Max: l.Hard}); err != nil {
			return fmt.Errorf("set resource limit %d: %w", l.Type, err)
		}
	}
	p.Rlimits = nil
	return nil
}

// ownerOf is the user that made a user namespace: ioctl_ns(2), NS_GET_OWNER_UID.
func ownerOf(ns *os.File) (int, error) {
	uid, err := unix.IoctlGetUint32(int(ns.Fd()), unix.NS_GET_OWNER_UID)
	if err != nil {
		return 0, fmt.Errorf("ask for the owner of a user namespace: %w", err)
	}
	return int(uid), nil
}
