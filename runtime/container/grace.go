package container

import (
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// skipGracePeriod spares libcontainer's first write to a cgroup.procs the wait for an RCU grace period (8 to 15 ms): the
// kernel's lock over all moves between cgroups (cgroup_threadgroup_rwsem, a percpu_rw_semaphore) waits for one after it was
// idle, and is quick for about as long after each use. So this process moves itself to the cgroup where it already is,
// which changes nothing but lets the wait run beside other work, and does so again while the container's first process is
// on its way.
//
// It is only a matter of time: what cannot be opened or written here is left alone.
func skipGracePeriod() {
	const times, pause = 3, 10 * time.Millisecond
	go func() {
		f, err := os.OpenFile(ownCgroupProcs(), os.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		defer f.Close()
		for range times {
			if _, err := f.WriteString("0"); err != nil { // the process that writes, see cgroups(7)
				return
			}
			time.Sleep(pause)
		}
	}()
}

// ownCgroupProcs is the cgroup.procs file of one cgroup of this process, where hosts have it mounted, or "". Any tree will do: the lock is one
// for all.
func ownCgroupProcs() string {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		// hierarchy-ID:controllers:path; no controllers are version 2.
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 || strings.HasPrefix(parts[1], "name=") {
			continue
		}
		path := filepath.Join("/sys/fs/cgroup", parts[1], parts[2], "cgroup.procs")
		if _, err := os.Lstat(path); err == nil {
			return path
		}
	}
	return ""
}
