package userns

/*
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { stack_size = 1 << 14 };

struct holder {
	int pipe[2];
	char stack[stack_size] __attribute__((aligned(16)));
};

// Waits for the end of the pipe. The child shares the memory of this program, the data of the thread that made it included. So
// it makes plain system calls, which touch nothing of that but errno when they fail; none of these can. No signal reaches it.
static int hold(void *arg) {
	struct holder *h = arg;
	char word;
	syscall(SYS_close, h->pipe[1]);
	syscall(SYS_read, h->pipe[0], &word, 1);
	syscall(SYS_exit_group, 0);
	return 0;
}

// Starts a process in a new user namespace, and gives its ID, or below 0 the errno. It has no exit signal, so that this program's
// other waits do not see it.
static int start_holder(struct holder *h) {
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int pid = clone(hold, h->stack + stack_size, CLONE_NEWUSER | CLONE_VM, h);
	if (pid < 0)
		pid = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}
*/
import "C"

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A holder is a process that keeps a user namespace until its map is written. It shares this program's memory (CLONE_VM of
// clone(2)), because a copy of a Go program's page tables, and the pages that are then written to for the first time again,
// cost the create that waits for it a millisecond. So it is C: the Go runtime does not know it.
type holder struct {
	c   *C.struct_holder
	pid int
}

// startHolder starts a holder, which exits at the end of the pipe.
func startHolder(pipe [2]int) (*holder, error) {
	h := &holder{c: (*C.struct_holder)(C.malloc(C.sizeof_struct_holder))} // C.malloc never returns nil
	h.c.pipe = [2]C.int{C.int(pipe[0]), C.int(pipe[1])}
	h.pid = int(C.start_holder(h.c))
	if h.pid < 0 {
		C.free(unsafe.Pointer(h.c))
		return nil, os.NewSyscallError("clone", syscall.Errno(-h.pid))
	}
	return h, nil
}

// reap waits for the holder's end and gives its stack back.
func (h *holder) reap() {
	for {
		if _, err := unix.Wait4(h.pid, nil, unix.WALL, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	C.free(unsafe.Pointer(h.c))
}
