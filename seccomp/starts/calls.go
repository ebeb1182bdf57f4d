// Package starts knows the system calls that the runtime itself makes under a container's filter, between loading it and the
// program. It is a table: nothing of it runs before it is asked.
package starts

import "slices"

// A Start is a way in which the runtime starts a process. Starts are bits: a call may belong to several.
type Start uint8

// The ways to start a process. With no_new_privs the runtime loads the filter as its last act, without it long before: loading
// one then takes a capability that the container may lose (seccomp(2)).
const (
	CreateNoNewPrivs Start = 1 << iota
	ExecNoNewPrivs
	CreatePrivileged
	ExecPrivileged

	noNewPrivs = CreateNoNewPrivs | ExecNoNewPrivs
	privileged = CreatePrivileged | ExecPrivileged
	creates    = CreateNoNewPrivs | CreatePrivileged

	// Every is all of them.
	Every = noNewPrivs | privileged
)

// A Need says what becomes of a start when the filter denies a call with EPERM.
type Need uint8

const (
	// Needed is a call that each such start makes and that none can do without.
	Needed Need = iota
	// AtTimes is a call that only some starts make, as the Go runtime and the scheduler have it; those then break.
	AtTimes
	// Kept is a call without which the start goes on, but worse, as Why tells.
	Kept
	// Spare is a call that is made and whose denial changes nothing. A profile that kills instead of answering with an
	// errno needs it all the same.
	Spare
)

// A Call is a system call that the runtime makes in the container, under its filter, before the workload's program
// begins: in the first process after the filter is loaded, and in each process of exec.
type Call struct {
	Name   string
	Starts Start
	Need   Need
	Why    string
}

// Calls is what libcontainer 1.5.2 calls in between, measured on Linux 6.18 on amd64 in some 1500 starts, idle and under load:
// with and without a terminal, as root and not, with other working directories, capability sets and log levels. The test
// TestRuntimeCalls measures it again and shows of each call what its lack does. The slice is a copy.
//
// Not in it: hooks of the kind startContainer, which run under the filter and are programs of their own. An active AppArmor
// adds write to an exec without no_new_privs (read in the source, not measured); create has it anyway.
func Calls() []Call { return slices.Clone(calls[:]) }

var calls = [...]Call{
	{"execve", Every, Needed, "the workload's program"},
	{"close", Every, Needed, "ends the pipes to the runtime and every descriptor that is not the container's (CVE-2024-21626)"},
	{"openat", Every, Needed, "opens /proc to list the descriptors; without no_new_privs also cap_last_cap and setgroups"},
	{"openat2", Every, Needed, "walks /proc so that nothing in the container can stand in for it"},
	{"statx", noNewPrivs | CreatePrivileged, Needed, "checks that /proc is the real one, by mount ID"},
	{"statx", ExecPrivileged, Kept, "the same; here the start goes on without the check"},
	{"fstat", Every, Needed, "checks the same by inode; owner of the standard streams"},
	{"fstatfs", Every, Needed, "checks that /proc is a proc file system"},
	{"getdents64", Every, Needed, "lists the open descriptors, to close them"},
	{"write", creates, Needed, "the exec fifo, which start waits for"},
	{"futex", Every, AtTimes, "the Go runtime wakes another thread"},
	{"rt_sigreturn", Every, AtTimes, "return from a signal: the Go scheduler's, the terminal's"},
	{"mmap", Every, AtTimes, "the Go heap grows"},
	{"sched_yield", privileged, Spare, "the Go runtime waits for a lock of its own on a busy host, and tries again in any case"},
	{"fcntl", Every, Spare, "Go asks whether a descriptor is non-blocking"},

	{"read", privileged, Needed, "the last capability's number, setgroups of /proc"},
	{"prctl", privileged, Needed, "bounding set, ambient set, keepcaps, parent death signal"},
	{"capget", privileged, Needed, "version of the capability calls"},
	{"capset", privileged, Needed, "capabilities of the process"},
	{"setuid", privileged, Needed, "the process's user"},
	{"setgid", privileged, Needed, "the process's group"},
	{"setgroups", privileged, Needed, "the process's other groups"},
	{"chdir", privileged, Needed, "the process's working directory"},
	{"getcwd", privileged, Needed, "checks that the working directory lies in the container (CVE-2024-21626)"},
	{"newfstatat", privileged, Needed, "looks for the program in PATH"},
	{"getppid", CreatePrivileged, Needed, "ends itself when the runtime is gone"},
	{"fchown", privileged, Kept, "gives the terminal to a user who is not root; without it the user cannot open it again"},
	{"tgkill", privileged, Kept, "the C library changes the user and groups of all threads; without it other threads keep the old ones until the program begins"},
	{"getpid", privileged, Kept, "the C library names the process of those threads"},
	{"faccessat2", privileged, Kept, "may the user execute the program; without it Go guesses from the file's mode, with geteuid, getegid and getgroups"},
	{"faccessat", ExecPrivileged, Kept, "looks for /proc/thread-self; without it /proc/self/task is tried, with gettid"},
	{"close_range", privileged, Spare, "marks descriptors to be closed; /proc is used instead"},
	{"epoll_ctl", privileged, Spare, "Go asks whether a descriptor can be polled"},
	{"open_tree", privileged, Spare, "would like a /proc of its own; the default profile denies it as well"},
}

// NeededBy gives the names, sorted, of the calls that a profile must allow for these starts: all but the spare ones. They serve
// every profile that answers what it denies with an errno; one that kills must allow the spare ones, too.
func NeededBy(starts Start) []string {
	var names []string
	for _, c := range calls {
		if c.Starts&starts != 0 && c.Need != Spare {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
