package integration

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A crash is a command of the runtime that is killed at one of its system calls, from outside: the product has no hooks
// for it. Calls are counted over all threads and processes of the command, in the order in which the kernel sees them.
type crash struct {
	// at is the number of the call, from 1.
	at int
	// everybody also counts the calls of the runtime's children: the container's init on its way to the program.
	everybody bool
	// caller has the process that makes the call killed, and not the runtime.
	caller bool
	// group has the whole process group killed, as an engine's supervisor does with its own.
	group bool
}

// A crashed tells how it went.
type crashed struct {
	// hit is false when the command ended before the call.
	hit bool
	// call is the name of the system call at whose entry the process was killed.
	call string
	// calls is how many were counted.
	calls  int
	status syscall.WaitStatus
}

func (c crashed) String() string { return fmt.Sprintf("killed at call %d, %s", c.calls, c.call) }

// stateChanging are the calls after which a host or a container may be different. openat counts when it may create.
var stateChanging = map[uint64]string{
	unix.SYS_MKDIRAT: "mkdirat", unix.SYS_OPENAT: "openat", unix.SYS_OPENAT2: "openat2", unix.SYS_RENAMEAT: "renameat",
	unix.SYS_RENAMEAT2: "renameat2", unix.SYS_UNLINKAT: "unlinkat", unix.SYS_SYMLINKAT: "symlinkat", unix.SYS_LINKAT: "linkat",
	unix.SYS_MKNODAT: "mknodat", unix.SYS_FCHOWN: "fchown", unix.SYS_FCHOWNAT: "fchownat", unix.SYS_FCHMODAT: "fchmodat",
	unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_FLOCK: "flock", unix.SYS_WRITE: "write", unix.SYS_MOUNT: "mount",
	unix.SYS_UMOUNT2: "umount2", unix.SYS_MOUNT_SETATTR: "mount_setattr", unix.SYS_OPEN_TREE: "open_tree",
	unix.SYS_MOVE_MOUNT: "move_mount", unix.SYS_FSOPEN: "fsopen", unix.SYS_FSCONFIG: "fsconfig", unix.SYS_FSMOUNT: "fsmount",
	unix.SYS_PIVOT_ROOT: "pivot_root", unix.SYS_CHROOT: "chroot", unix.SYS_UNSHARE: "unshare", unix.SYS_SETNS: "setns",
	unix.SYS_CLONE: "clone", unix.SYS_CLONE3: "clone3", unix.SYS_EXECVE: "execve", unix.SYS_KILL: "kill",
	unix.SYS_PIDFD_OPEN: "pidfd_open", unix.SYS_PIDFD_SEND_SIGNAL: "pidfd_send_signal", unix.SYS_BIND: "bind",
	unix.SYS_SENDMSG: "sendmsg", unix.SYS_WAITID: "waitid", unix.SYS_BPF: "bpf",
}

// run starts the command and kills it. The command must have files, not buffers, as its output.
func (c crash) run(t testing.TB, cmd *exec.Cmd) crashed {
	t.Helper()
	type outcome struct {
		crashed
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		// The thread is the tracer. It ends with this goroutine, because nobody unlocks it, and the kernel then lets go of
		// whatever it still traces: a container's init stays as it is.
		runtime.LockOSThread()
		tr := &tracer{crash: c, seen: map[int]bool{}}
		err := tr.trace(cmd)
		done <- outcome{tr.crashed, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			t.Fatalf("trace %s: %v", strings.Join(cmd.Args, " "), o.err)
		}
		return o.crashed
	case <-time.After(2 * deadline):
		_ = cmd.Process.Kill()
		t.Fatalf("trace %s: it has not ended after %v", strings.Join(cmd.Args, " "), 2*deadline)
	}
	return crashed{}
}

type tracer struct {
	crash
	crashed
	main int
	seen map[int]bool
}

func (tr *tracer) trace(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	if err := cmd.Start(); err != nil {
		return err
	}
	tr.main = cmd.Process.Pid
	defer func() { _ = cmd.Process.Release() }()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(tr.main, &ws, 0, nil); err != nil {
		return fmt.Errorf("wait for the program: %w", err)
	}
	tr.seen[tr.main] = true
	options := syscall.PTRACE_O_TRACESYSGOOD | syscall.PTRACE_O_TRACECLONE | syscall.PTRACE_O_TRACEEXEC
	if tr.everybody {
		options |= syscall.PTRACE_O_TRACEFORK | syscall.PTRACE_O_TRACEVFORK
	}
	if err := syscall.PtraceSetOptions(tr.main, options); err != nil {
		return fmt.Errorf("set options: %w", err)
	}
	tr.resume(tr.main, 0)
	for {
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL|syscall.WNOTHREAD, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return fmt.Errorf("wait: %w", err)
		}
		if ws.Exited() || ws.Signaled() {
			if tid == tr.main {
				tr.status = ws
				tr.settle()
				return nil
			}
			continue
		}
		tr.stopped(tid, ws)
	}
}

// settle lets go on what was just made when the program died: a new thread or process begins with a SIGSTOP, and nobody would
// take it out of that any more.
func (tr *tracer) settle() {
	var ws syscall.WaitStatus
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
		tid, err := syscall.Wait4(-1, &ws, syscall.WALL|syscall.WNOTHREAD|syscall.WNOHANG, nil)
		switch {
		case err != nil && err != syscall.EINTR:
			return // nothing is traced any more
		case tid > 0 && ws.Stopped():
			tr.stopped(tid, ws)
		case tid == 0:
			time.Sleep(time.Millisecond)
		}
	}
	_ = syscall.Kill(-tr.main, syscall.SIGCONT)
}

// stopped deals with one stop of a thread and lets it go on.
func (tr *tracer) stopped(tid int, ws syscall.WaitStatus) {
	sig := ws.StopSignal()
	first := !tr.seen[tid]
	tr.seen[tid] = true
	if first && sig == syscall.SIGSTOP && apart(tid) {
		_ = syscall.PtraceDetach(tid)
		return
	}
	switch {
	case sig == syscall.SIGTRAP|0x80:
		tr.entry(tid)
		sig = 0
	case ws.TrapCause() > 0 || sig == syscall.SIGTRAP:
		sig = 0
	case first && sig == syscall.SIGSTOP:
		sig = 0 // a new thread or process begins so
	}
	tr.resume(tid, int(sig))
}

// apart tells whether a new child was made with a user namespace of its own. Such a child is let go at once: the runtime
// traces it itself, to write the maps of a user namespace before anything runs in it, and a process has one tracer.
func apart(tid int) bool {
	own, err := os.Readlink("/proc/thread-self/ns/user")
	theirs, err2 := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", tid))
	return err == nil && err2 == nil && own != theirs
}

// resume ignores errors: the thread may have been killed meanwhile.
func (tr *tracer) resume(tid, sig int) {
	if tr.hit {
		_ = syscall.PtraceCont(tid, sig)
		return
	}
	_ = syscall.PtraceSyscall(tid, sig)
}

// entry counts a call and kills at the right one, before the kernel has done anything of it.
func (tr *tracer) entry(tid int) {
	// struct ptrace_syscall_info (ptrace(2)): op is 1 at the entry, the number is at 24, the arguments follow.
	var info [88]byte
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0) //nolint:gosec // ptrace(2) fills it
	if errno != 0 || n < 80 || info[0] != unix.PTRACE_SYSCALL_INFO_ENTRY || tr.hit {
		return
	}
	name, ok := stateChanging[binary.NativeEndian.Uint64(info[24:])]
	if !ok || name == "openat" && binary.NativeEndian.Uint64(info[32+16:])&unix.O_CREAT == 0 {
		return
	}
	group := tr.main
	if tr.everybody || tr.caller {
		group = threadGroup(tid)
	} else if threadGroup(tid) != tr.main {
		return
	}
	tr.calls++
	if tr.calls != tr.at {
		return
	}
	tr.hit, tr.call = true, name
	switch {
	case tr.group:
		group = -tr.main
	case !tr.caller:
		group = tr.main
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
}

func threadGroup(tid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0
	}
	var group int
	_, _ = fmt.Sscan(parseStatus(string(data))["Tgid"], &group)
	return group
}
