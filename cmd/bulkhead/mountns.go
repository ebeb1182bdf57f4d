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

// create and run stage mounts that only this process and the container's init see. unshare(2) of a mount namespace
// changes one thread, so it is done here, before the Go runtime starts others: all threads are in it then, and none has to
// be locked for good. Any argument of these names counts: a namespace too many costs little and changes nothing.
__attribute__((constructor)) static void own_mounts(void) {
	char args[4096];
	ssize_t n = 0;
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, args, sizeof(args) - 1);
	close(fd);
	if (n <= 0)
		return;
	args[n] = 0;
	for (char *a = args + strlen(args) + 1; a < args + n; a += strlen(a) + 1) {
		if (!strcmp(a, "init"))
			return; // the container's own first process
		if (!strcmp(a, "create") || !strcmp(a, "run")) {
			bulkhead_own_mounts = unshare(CLONE_NEWNS) ? -errno : 1;
			return;
		}
	}
}
*/
import "C"

import (
	"errors"
	"fmt"
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
