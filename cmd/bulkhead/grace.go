package main

/*
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

// Opens the cgroup.procs file of one cgroup of this process, where hosts have it mounted. Any tree will do: the lock is one for all.
static int own_cgroup_procs(void) {
	char text[4096], path[4200];
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return -1;
	text[n] = 0;
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n")) && rest) { // whole lines only: what was cut off names another cgroup
		// hierarchy-ID:controllers:path; no controllers are version 2.
		char *controllers = strchr(line, ':');
		char *dir = controllers ? strchr(++controllers, ':') : NULL;
		if (!dir || !strncmp(controllers, "name=", 5))
			continue;
		*dir++ = 0;
		strcpy(path, "/sys/fs/cgroup/");
		strcat(strcat(strcat(path, controllers), dir), "/cgroup.procs");
		if ((fd = open(path, O_WRONLY | O_CLOEXEC)) >= 0)
			return fd;
	}
	return -1;
}

static void *move_to_same_cgroup(void *procs) {
	enum { times = 4, pause = 8000 };
	int fd = *(int *)procs;
	// "0" is the process that writes, see cgroups(7).
	for (int i = 0; i < times && write(fd, "0", 1) == 1; i++)
		usleep(pause);
	close(fd);
	return NULL;
}

// Spares libcontainer's first write to a cgroup.procs the wait for an RCU grace period (6 to 15 ms): the kernel's lock over all
// moves between cgroups (cgroup_threadgroup_rwsem, a percpu_rw_semaphore) waits for one after it was idle, and is quick for about
// as long after each use. So this process moves itself to the cgroup where it already is, which changes nothing but lets the wait
// run beside everything else, and does so again while the container's process is on its way. It begins before the Go runtime
// does, because nothing that create does first takes as long.
//
// It is only a matter of time: what cannot be opened, written or started here is left alone.
void bulkhead_skip_grace_period(void) {
	static int procs;
	pthread_t thread;
	pthread_attr_t attr;
	sigset_t all, before;
	procs = own_cgroup_procs();
	if (procs < 0)
		return;
	if (pthread_attr_init(&attr)) {
		close(procs);
		return;
	}
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 1 << 16);
	// Signals are for the threads that Go knows.
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, &attr, move_to_same_cgroup, &procs))
		close(procs);
	else
		sched_yield(); // it has only to begin
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
}
*/
import "C"
