package integration

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// loadedProgram reads the only seccomp filter of a thread from the kernel (ptrace(2), PTRACE_SECCOMP_GET_FILTER). More or
// fewer than one are an error. The thread stops for a moment; a system call that it waits in is begun again.
func loadedProgram(tid int) ([]bpf.RawInstruction, error) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(tid); err != nil {
		return nil, fmt.Errorf("seize thread %d: %w", tid, err)
	}
	if err := unix.PtraceInterrupt(tid); err != nil {
		return nil, fmt.Errorf("stop thread %d: %w", tid, err)
	}
	var ws unix.WaitStatus
	for {
		_, err := unix.Wait4(tid, &ws, unix.WALL, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || !ws.Stopped() {
			return nil, fmt.Errorf("wait for thread %d (status %#x): %w", tid, ws, err)
		}
		break
	}
	defer func() { _ = unix.PtraceDetach(tid) }()
	program, err := readFilter(tid, 0)
	if err != nil {
		return nil, err
	}
	if _, err := readFilter(tid, 1); !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("read second filter of thread %d: got %w, want none", tid, err)
	}
	return program, nil
}

// readFilter reads one filter of a stopped thread.
func readFilter(tid, index int) ([]bpf.RawInstruction, error) {
	n, err := getFilter(tid, index, nil)
	if err != nil || n == 0 {
		return nil, fmt.Errorf("read filter %d of thread %d: %w", index, tid, err)
	}
	raw := make([]unix.SockFilter, n)
	if _, err := getFilter(tid, index, unsafe.Pointer(&raw[0])); err != nil {
		return nil, fmt.Errorf("read filter %d of thread %d: %w", index, tid, err)
	}
	program := make([]bpf.RawInstruction, n)
	for i, in := range raw {
		program[i] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return program, nil
}

func getFilter(tid, index int, to unsafe.Pointer) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SECCOMP_GET_FILTER, uintptr(tid), uintptr(index), uintptr(to), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// notGiven is whether an error of [loadedProgram] means that this kernel gives no filter at all, though the thread has one:
// it lacks CONFIG_CHECKPOINT_RESTORE (EINVAL), or the tests lack CAP_SYS_ADMIN or have a filter themselves (EACCES).
func notGiven(t testing.TB, tid int, err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) && statusOf(t, tid)["Seccomp"] == "2"
}
