package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// allowed are the calls of the server and of the Go runtime below it. None makes a socket, starts a program, traces a process, or mounts.
var allowed = []uintptr{
	// Requests and replies, files and directories.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_CLOSE, unix.SYS_LSEEK,
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_FSTAT, sysFstatat, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_GETDENTS64,
	unix.SYS_MKDIRAT, unix.SYS_MKNODAT, unix.SYS_SYMLINKAT, unix.SYS_LINKAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT2, unix.SYS_READLINKAT,
	unix.SYS_FCHOWNAT, unix.SYS_FCHMODAT, unix.SYS_UTIMENSAT, unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE,
	unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FCNTL,
	unix.SYS_GETXATTR, unix.SYS_LISTXATTR, unix.SYS_SETXATTR, unix.SYS_REMOVEXATTR,
	// The Go runtime: memory, threads, signals, time, waiting.
	unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_BRK, unix.SYS_FUTEX, unix.SYS_RSEQ,
	unix.SYS_SET_ROBUST_LIST, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_GETRANDOM, unix.SYS_RESTART_SYSCALL, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT,
	unix.SYS_EVENTFD2, unix.SYS_PIPE2, unix.SYS_PPOLL, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// newNamespaces are the flags of clone(2) that no thread needs.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
	unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data of seccomp(2), little-endian.
const (
	offCall = 0
	offArch = 4
	offArg0 = 16
)

// onlyAllowed answers every other system call of all threads with EPERM from now on.
func onlyAllowed() error {
	program := filter()
	f := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	tid, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&f)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return fmt.Errorf("load seccomp filter: %w", os.NewSyscallError("seccomp", errno))
	}
	if tid != 0 {
		return fmt.Errorf("load seccomp filter: thread %d cannot have it", tid)
	}
	return nil
}

func filter() []unix.SockFilter {
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	end := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	equal := func(k uint32, yes, no uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jt: yes, Jf: no}
	}
	p := []unix.SockFilter{load(offArch), equal(auditArch, 1, 0), end(unix.SECCOMP_RET_KILL_PROCESS), load(offCall)}
	for _, call := range allowed {
		p = append(p, equal(uint32(call), 0, 1), end(unix.SECCOMP_RET_ALLOW))
	}
	// Threads, but no namespaces. The kernel's answer to clone3(2) makes programs use clone(2).
	return append(p,
		equal(unix.SYS_CLONE3, 0, 1), end(unix.SECCOMP_RET_ERRNO|uint32(unix.ENOSYS)),
		equal(unix.SYS_CLONE, 0, 3), load(offArg0),
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: newNamespaces, Jt: 1, Jf: 0}, end(unix.SECCOMP_RET_ALLOW),
		end(unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
}
