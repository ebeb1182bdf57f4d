package lint

import (
	"fmt"
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
)

// effects finds the entries without which a call would have the same verdicts: from the last to the first, so that of two equal ones
// the later is named.
func (l *linter) effects() {
	entries := map[string][]int{}
	var order []string
	for i, e := range l.s.Entries {
		if !e.Holds || verdict(e.Syscall.Action, e.Syscall.ErrnoRet) == l.s.Profile.Default {
			continue
		}
		for _, n := range e.Syscall.Names {
			if len(entries[n]) == 0 {
				order = append(order, n)
			}
			if !slices.Contains(entries[n], i) {
				entries[n] = append(entries[n], i)
			}
		}
	}
	idle := map[int][]string{}
	for _, n := range order {
		list := entries[n]
		if len(list) < 2 && len(l.s.Entries[list[0]].Syscall.Args) == 0 {
			continue
		}
		g := bdd.New()
		whole := l.call(g, n, list)
		for i := len(list) - 1; i >= 0; i-- {
			fewer := slices.Delete(slices.Clone(list), i, i+1)
			if l.call(g, n, fewer) == whole {
				idle[list[i]] = append(idle[list[i]], n)
				list = fewer
			}
		}
	}
	for i := range l.s.Entries {
		if names := idle[i]; len(names) > 0 {
			l.add(Warning, "no-effect", &l.s.Entries[i], "", "it decides nothing for %s: other entries do, or its conditions never hold", list(names))
		}
	}
}

// call is the function of a call under some of the entries.
func (l *linter) call(g *bdd.Graph, name string, entries []int) bdd.Ref {
	o := specs.LinuxSeccomp{DefaultAction: l.s.OCI.DefaultAction, DefaultErrnoRet: l.s.OCI.DefaultErrnoRet}
	for _, i := range entries {
		c := l.s.Entries[i].Syscall
		c.Names = []string{name}
		o.Syscalls = append(o.Syscalls, c)
	}
	p, err := seccomp.FromOCI(&o, l.s.Profile.Arch)
	if err != nil {
		return bdd.False
	}
	return g.Call(p, name)
}

// list names at most four.
func list(names []string) string {
	out := ""
	for i, n := range names {
		if i == 4 {
			return fmt.Sprintf("%s and %d more", out, len(names)-i)
		}
		if i > 0 {
			out += ", "
		}
		out += n
	}
	return out
}

// integers finds calls that a profile denies, but permits when the caller sets upper bits that the kernel does not read.
func (l *linter) integers() {
	for _, c := range l.s.Profile.Calls {
		g := bdd.New()
		permits := g.Where(g.Call(l.s.Profile, c.Name), func(n uint32) bool { return bdd.LeafVerdict(n).Action.Permits() })
		for _, arg := range ints[c.Name] {
			around := g.And(g.Exists(permits, bdd.High(arg)), g.Not(g.AtZero(permits, bdd.High(arg))))
			_, _, args, ok := g.Sample(g.And(g.And(permits, around), g.Not(g.Equal(bdd.High(arg), 0))))
			if !ok {
				continue
			}
			e := l.entryOf(c.Name)
			l.add(Error, "int-bypass", e, "", "%s is denied with argument %d = %#x but permitted with %#x, which the kernel reads as the same number", c.Name, arg, uint32(args[arg]), args[arg])
		}
	}
}

// entryOf is the first entry that holds and has conditions for a call.
func (l *linter) entryOf(name string) *source.Entry {
	for i := range l.s.Entries {
		if e := &l.s.Entries[i]; e.Holds && len(e.Syscall.Args) > 0 && slices.Contains(e.Syscall.Names, name) {
			return e
		}
	}
	return nil
}

func isInt(name string, arg uint8) bool { return slices.Contains(ints[name], arg) }

// ints are the arguments of which the kernel reads 32 bits, for the calls that filters have rules about (the types of
// SYSCALL_DEFINE in the kernel; clone reads the lower half of its flags).
var ints = map[string][]uint8{
	"accept4": {3}, "arch_prctl": {0}, "bpf": {0}, "clone": {0}, "dup3": {2}, "epoll_create1": {0}, "eventfd2": {1},
	"faccessat2": {3}, "fcntl": {0, 1}, "fsopen": {1}, "futex": {1}, "getrandom": {2}, "getsockopt": {0, 1, 2}, "inotify_init1": {0},
	"ioctl": {0, 1}, "keyctl": {0}, "kill": {0, 1}, "madvise": {2}, "memfd_create": {1}, "mlock2": {2}, "move_mount": {4}, "msgget": {1},
	"open": {1}, "open_tree": {2}, "openat": {2}, "perf_event_open": {2, 3}, "personality": {0}, "pidfd_open": {0, 1}, "pipe2": {1},
	"prctl": {0}, "prlimit64": {1}, "process_madvise": {3}, "quotactl": {0}, "reboot": {0, 1, 2}, "recvfrom": {3}, "recvmsg": {2},
	"renameat2": {4}, "sched_setscheduler": {1}, "seccomp": {0, 1}, "semget": {1, 2}, "sendmsg": {2}, "sendto": {3}, "setns": {0, 1},
	"setpriority": {0, 1, 2}, "setsockopt": {0, 1, 2}, "shmget": {2}, "signalfd4": {3}, "socket": {0, 1, 2}, "socketpair": {0, 1, 2},
	"syslog": {0}, "timerfd_create": {0, 1}, "umount2": {1}, "unlinkat": {2}, "userfaultfd": {0},
}
