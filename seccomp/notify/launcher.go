package notify

// #include <sys/resource.h>
// static struct rlimit files;
// // Go's runtime raises the soft limit of open files before main; the command is to have the one that this program got.
// __attribute__((constructor)) static void look(void) { getrlimit(RLIMIT_NOFILE, &files); }
// static unsigned long long softFiles(void) { return files.rlim_cur; }
// static unsigned long long hardFiles(void) { return files.rlim_max; }
import "C"

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// launcherSocket is the descriptor that Prepare gives the launcher.
const launcherSocket = 3

// LaunchMain is the launcher: it reads the plan, loads the filter and becomes the command. It returns only with an error, which Go
// reports in the process that prepared it.
//
// The filter holds for one thread, the one that calls execve, and that thread makes no call between the two: it may not be
// able to. The listener is sent by another thread, which has no filter.
func LaunchMain() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))) // on one processor, too, the second thread must not wait for the first
	unix.CloseOnExec(launcherSocket)
	socket := os.NewFile(launcherSocket, "launcher")
	var p plan
	if err := json.NewDecoder(socket).Decode(&p); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	ready, err := newExecve(p)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(C.softFiles()), Max: uint64(C.hardFiles())})
	}
	if err != nil {
		_, _ = fmt.Fprint(socket, err)
		return err
	}
	var h handover
	h.fd.Store(waiting)
	helping := make(chan struct{})
	go h.help(helping)
	<-helping
	fd, errno := loadFilter(p.Program, p.Listen)
	if errno == 0 {
		h.fd.Store(int64(fd))
		_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, ready.path, ready.argv, ready.env)
		h.failed.Store(int64(errno))
	} else {
		h.refused.Store(int64(errno))
	}
	for { //nolint:staticcheck // this thread may not be able to make any call: the other one ends the process
	}
}

const waiting = -2

// A handover is what the filtered thread tells the helping one without a system call.
type handover struct {
	fd, refused, failed atomic.Int64
}

// help sends the listener, and what goes wrong. It ends with the process, by execve or after an error.
func (h *handover) help(ready chan<- struct{}) {
	runtime.LockOSThread()
	close(ready)
	sent := false
	for {
		if fd := h.fd.Load(); !sent && fd >= 0 {
			if err := unix.Sendmsg(launcherSocket, []byte{0}, unix.UnixRights(int(fd)), nil, 0); err != nil {
				leave(fmt.Sprintf("send listener: %v", err))
			}
			_ = unix.Close(int(fd))
			sent = true
		}
		if errno := h.refused.Load(); errno == int64(unix.EBUSY) {
			leave("load filter: a filter of this process has a listener already, and the kernel takes only one")
		} else if errno != 0 {
			leave(fmt.Sprintf("load filter: %v", unix.Errno(errno))) //nolint:gosec // an errno
		}
		if errno := h.failed.Load(); errno != 0 {
			leave(fmt.Sprintf("execute it: %v", unix.Errno(errno))) //nolint:gosec // an errno
		}
		time.Sleep(50 * time.Microsecond)
	}
}

func leave(text string) {
	_, _ = unix.Write(launcherSocket, []byte(text))
	unix.Exit(127)
}

// An execve is the call's arguments in memory that does not move.
type execve struct{ path, argv, env uintptr }

func newExecve(p plan) (*execve, error) {
	path, err := syscall.BytePtrFromString(p.Path)
	if err != nil {
		return nil, err
	}
	argv, err := syscall.SlicePtrFromStrings(p.Args)
	if err != nil {
		return nil, err
	}
	env, err := syscall.SlicePtrFromStrings(p.Env)
	if err != nil {
		return nil, err
	}
	keep = []any{path, argv, env}
	return &execve{uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0]))}, nil
}

// keep holds what an execve points to. There is no garbage collection in the launcher, and its heap does not move.
var keep []any
