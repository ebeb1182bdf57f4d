package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// A MarginGroup names calls of which a program may make another one where it made this one before: with another version of its C
// library, on an error, under load. When one of Calls or If is wanted, all of Calls are.
type MarginGroup struct {
	Name  string   `json:"name"`
	Calls []string `json:"calls"`
	// If are calls that bring the group in and are no part of it.
	If  []string `json:"if,omitempty"`
	Why string   `json:"why"`
}

// Margins are the groups, sorted by name. No group has a call that reaches a part of the kernel which its occasion does not reach. The
// slice is the caller's.
func Margins() []MarginGroup { return slices.Clone(marginGroups) }

func words(s string) []string { return strings.Fields(s) }

var marginGroups = []MarginGroup{
	{Name: "abort", If: words("execve"), Calls: words("exit exit_group getpid gettid rt_sigaction rt_sigprocmask rt_sigreturn tgkill write"),
		Why: "how a program ends when it finds itself broken: abort, assert and panic write a message and raise SIGABRT; a test run that succeeds does not show them"},
	{Name: "accept", Calls: words("accept accept4"), Why: "two calls for one thing; which one is made depends on the C library and the language"},
	{Name: "access", Calls: words("access faccessat faccessat2"), Why: "glibc 2.33 tries faccessat2 first, older ones faccessat; musl uses access"},
	{Name: "attributes", Calls: words("getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr"), Why: "extended attributes are read through a path, a link or a descriptor"},
	{Name: "directory", Calls: words("getdents getdents64"), Why: "glibc uses getdents64 since 2.28 on all architectures"},
	{Name: "duplicate", Calls: words("dup dup2 dup3"), Why: "dup2 becomes dup3 on newer architectures and in newer libraries"},
	{Name: "epoll", Calls: words("epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2"), Why: "one interface in three generations; a timeout in nanoseconds brings epoll_pwait2"},
	{Name: "event", Calls: words("eventfd eventfd2"), Why: "two generations of one call"},
	{Name: "fork", Calls: words("clone fork vfork"), Why: "glibc makes fork of clone, musl of fork, posix_spawn of clone with CLONE_VFORK; the ceiling's conditions for clone stay"},
	{Name: "identity", Calls: words("getuid geteuid getgid getegid getresuid getresgid getgroups"), Why: "who am I: asked on errors, by loaders and by loggers"},
	{Name: "link", Calls: words("link linkat symlink symlinkat"), Why: "the forms with a directory replace the others in newer libraries"},
	{Name: "memory", Calls: words("brk madvise mmap mprotect mremap munmap"), Why: "what an allocator does depends on the sizes that it is asked for: realloc of a large block is mremap, thread arenas mprotect, freeing madvise"},
	{Name: "mode", Calls: words("chmod fchmod fchmodat fchmodat2"), Why: "glibc 2.39 tries fchmodat2 first"},
	{Name: "names", Calls: words("mkdir mkdirat rename renameat renameat2 rmdir unlink unlinkat"), Why: "the forms with a directory replace the others in newer libraries; what makes a name removes it in the end"},
	{Name: "open", Calls: words("creat open openat openat2"), Why: "glibc 2.26 turned open into openat; openat2 is what newer programs use for safe paths"},
	{Name: "owner", Calls: words("chown fchown fchownat lchown"), Why: "owners are set through a path, a link or a descriptor"},
	{Name: "pipe", Calls: words("pipe pipe2"), Why: "two generations of one call"},
	{Name: "poll", Calls: words("poll ppoll pselect6 select"), Why: "glibc makes poll and select of ppoll and pselect6 on newer architectures; a signal mask brings the p form"},
	{Name: "position", Calls: words("lseek"), If: words("read write pread64 pwrite64"), Why: "stdio seeks when it is closed with unread input and when it appends"},
	{Name: "read", Calls: words("pread64 preadv read readv"), Why: "a larger or scattered buffer, or a position, changes the form of a read"},
	{Name: "readlink", Calls: words("readlink readlinkat"), Why: "the form with a directory replaces the other in newer libraries"},
	{Name: "restart", If: words("nanosleep clock_nanosleep poll futex epoll_wait"), Calls: words("restart_syscall"), Why: "the kernel itself makes it when a sleeping program is stopped and continued (restart_syscall(2)): a debugger or a freezer shows it first"},
	{Name: "schedule", Calls: words("sched_getaffinity sched_yield"), If: words("futex"), Why: "threads under contention yield and count processors; whether it happens is chance"},
	{Name: "signals", Calls: words("rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack"), Why: "whoever has a handler returns from it; whether a signal came during the recording is chance"},
	{Name: "sleep", Calls: words("clock_nanosleep nanosleep"), Why: "glibc 2.31 makes nanosleep of clock_nanosleep"},
	{Name: "socket-read", Calls: words("recvfrom recvmmsg recvmsg"), Why: "ancillary data and several messages at once change the form"},
	{Name: "socket-write", Calls: words("sendmmsg sendmsg sendto"), Why: "the DNS resolver of glibc sends with sendmmsg where it asks for two address families"},
	{Name: "stat", Calls: words("fstat lstat newfstatat stat statx"), Why: "glibc 2.33 turned stat and fstat into newfstatat; statx is used by newer coreutils, systemd and Rust"},
	{Name: "stop", If: words("listen"), Calls: words("close kill shutdown unlink wait4 exit exit_group"), Why: "what a server does at its end: connections and children are closed, the socket's and the PID's file removed"},
	{Name: "sync", Calls: words("fdatasync fsync"), Why: "databases and editors choose by file system and by what has changed"},
	{Name: "time", Calls: words("clock_gettime gettimeofday time"), Why: "normally answered without a call; where the clock source is no vDSO one (some virtual machines) each becomes one (vdso(7))"},
	{Name: "truncate", Calls: words("ftruncate truncate"), Why: "by path or by descriptor; log rotation truncates"},
	{Name: "wait", Calls: words("wait4 waitid"), Why: "two forms of waiting for a child; a descriptor of a process needs waitid"},
	{Name: "write", Calls: words("pwrite64 pwritev write writev"), Why: "a larger or scattered buffer, or a position, changes the form of a write"},
}

// margins adds the groups that were asked for. Their order does not matter: a group is brought in by what was recorded, not by
// another group and not by what only the runtime needs.
func (w *wants) margins() error {
	chosen, err := chosenMargins(w.options.Margins)
	if err != nil {
		return err
	}
	before := map[string]bool{}
	for name, c := range w.calls {
		before[name] = slices.ContainsFunc(c.sources, func(s Source) bool { return s.From == Recorded })
	}
	for _, g := range chosen {
		if !slices.ContainsFunc(slices.Concat(g.Calls, g.If), func(n string) bool { return before[n] }) {
			continue
		}
		for _, name := range g.Calls {
			if _, ok := syscalls.Number(w.options.Ceiling.Arch, name); ok && !before[name] {
				w.add(name, Source{Margin, g.Name + ": " + g.Why}, nil)
			}
		}
	}
	return nil
}

// chosenMargins finds groups by their names; "all" is every group.
func chosenMargins(names []string) ([]MarginGroup, error) {
	known := []string{"all"}
	for _, g := range marginGroups {
		known = append(known, g.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			if c := syscalls.Closest(n, known); c != "" {
				return nil, fmt.Errorf("unknown margin %q, did you mean %q?", n, c)
			}
			return nil, fmt.Errorf("unknown margin %q, want all or some of %s", n, strings.Join(known[1:], ", "))
		}
	}
	if slices.Contains(names, "all") {
		return marginGroups, nil
	}
	var out []MarginGroup
	for _, g := range marginGroups {
		if slices.Contains(names, g.Name) {
			out = append(out, g)
		}
	}
	return out, nil
}
