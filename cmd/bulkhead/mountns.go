package main

/*
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

// 1: this process has a mount namespace of its own. 0: it was not asked for. Negative: the errno of the kernel's refusal.
int bulkhead_own_mounts;
// The mount namespace that the caller is in, for what has to be seen there; -1 when there is no other.
int bulkhead_host_mounts = -1;

// In grace.go.
void bulkhead_skip_grace_period(void);

// create and run stage mounts that only this process and the container's init see. unshare(2) of a mount namespace
// changes one thread, so it is done here, before the Go runtime starts others: all threads are in it then, and none has to
// be locked for good. Any argument of these names counts: a namespace too many costs little and changes nothing.
__attribute__((constructor)) static void own_mounts(void) {
	static char args[1 << 17]; // pages that are not used cost nothing
	size_t n = 0;
	ssize_t got;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while (n < sizeof(args) - 1 && (got = read(fd, args + n, sizeof(args) - 1 - n)) > 0)
		n += got;
	close(fd);
	char *first = args + strlen(args) + 1;
	if (first < args + n && !strcmp(first, "init"))
		return; // the container's own first process
	int creates = 0, execs = 0;
	for (char *a = first; a < args + n; a += strlen(a) + 1) {
		creates |= !strcmp(a, "create") || !strcmp(a, "run");
		execs |= !strcmp(a, "exec");
	}
	if (creates) {
		// Without it there would be no way back: then it is no namespace of its own, and no container.
		bulkhead_host_mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
		bulkhead_own_mounts = bulkhead_host_mounts < 0 || unshare(CLONE_NEWNS) ? -errno : 1;
	}
	if (creates || execs)
		bulkhead_skip_grace_period();
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ownMounts tells whether this process has a mount namespace of its own, and why not.
func ownMounts() error {
	switch n := int(C.bulkhead_own_mounts); {
	case n > 0:
		return nil
	case n < 0:
		return fmt.Errorf("make a private mount namespace: %w", syscall.Errno(-n))
	}
	return errors.New("BUG: no private mount namespace was made")
}

// hostMounts is the mount namespace of the caller where this process has one of its own, and nil otherwise.
func hostMounts() *os.File {
	if C.bulkhead_host_mounts < 0 {
		return nil
	}
	return os.NewFile(uintptr(C.bulkhead_host_mounts), "/proc/self/ns/mnt")
}
