package record

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// An argument that a reader wants to know, by its meaning.
type argument struct {
	index uint8
	words func(uint64) string
}

// told are the arguments that are kept and put into words. None is a pointer, a descriptor or a length. An int argument is
// its low 32 bits, as the kernel takes it.
var told = map[string][]argument{
	"socket":      {{0, one(families)}, {1, socketType}, {2, decimal}},
	"socketpair":  {{0, one(families)}, {1, socketType}, {2, decimal}},
	"clone":       {{0, cloneWords}},
	"unshare":     {{0, bitsOf(append(cloneFlags, newTime))}},
	"setns":       {{1, bitsOf(append(cloneFlags, newTime))}},
	"personality": {{0, hex}},
	"ioctl":       {{1, one(requests)}},
	"prctl":       {{0, decimal}},
	"arch_prctl":  {{0, hex}},
	"bpf":         {{0, one(bpfCommands)}},
	"keyctl":      {{0, decimal}},
	"ptrace":      {{0, one(ptraceRequests)}},
}

// arguments puts into words what a reader wants to know, and whatever else a condition of the profile looks at.
func arguments(name string, args [6]uint64, conditions uint32) string {
	var out []string
	for _, a := range told[name] {
		out = append(out, a.words(args[a.index]))
		conditions &^= 1 << a.index
	}
	for i := range args {
		if conditions&(1<<i) != 0 {
			out = append(out, fmt.Sprintf("arg%d=%#x", i, args[i]))
		}
	}
	return strings.Join(out, ", ")
}

func hex(x uint64) string     { return fmt.Sprintf("%#x", x) }
func decimal(x uint64) string { return fmt.Sprintf("%d", x) }

// one names a value, or gives it in hexadecimal. Bits above an int are ignored by the kernel, not by a filter: they are told.
func one(names map[uint64]string) func(uint64) string {
	return func(x uint64) string {
		if name, ok := names[x]; ok {
			return name
		}
		if name, ok := names[x&0xffffffff]; ok {
			return fmt.Sprintf("%s|%#x", name, x&^0xffffffff)
		}
		return hex(x)
	}
}

// A bitName is one flag.
type bitName struct {
	bits uint64
	name string
}

func bitsOf(names []bitName) func(uint64) string {
	return func(x uint64) string {
		var out []string
		for _, n := range names {
			if x&n.bits != 0 {
				out = append(out, n.name)
				x &^= n.bits
			}
		}
		if x != 0 || len(out) == 0 {
			out = append(out, hex(x))
		}
		return strings.Join(out, "|")
	}
}

// socketType is the type with its flags (socket(2)).
func socketType(x uint64) string {
	types := map[uint64]string{1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 4: "SOCK_RDM", 5: "SOCK_SEQPACKET", 10: "SOCK_PACKET"}
	out := []string{one(types)(x & 0xf)}
	rest := x &^ 0xf
	for _, f := range []bitName{{0o2000000, "SOCK_CLOEXEC"}, {0o4000, "SOCK_NONBLOCK"}} {
		if rest&f.bits != 0 {
			out, rest = append(out, f.name), rest&^f.bits
		}
	}
	if rest != 0 {
		out = append(out, hex(rest))
	}
	return strings.Join(out, "|")
}

// families are of linux/socket.h.
var families = map[uint64]string{
	0: "AF_UNSPEC", 1: "AF_UNIX", 2: "AF_INET", 3: "AF_AX25", 4: "AF_IPX", 5: "AF_APPLETALK", 6: "AF_NETROM", 8: "AF_ATMPVC", 9: "AF_X25",
	10: "AF_INET6", 11: "AF_ROSE", 15: "AF_KEY", 16: "AF_NETLINK", 17: "AF_PACKET", 19: "AF_ECONET", 20: "AF_ATMSVC", 21: "AF_RDS",
	22: "AF_SNA", 23: "AF_IRDA", 24: "AF_PPPOX", 26: "AF_LLC", 27: "AF_IB", 28: "AF_MPLS", 29: "AF_CAN", 30: "AF_TIPC",
	31: "AF_BLUETOOTH", 33: "AF_RXRPC", 35: "AF_PHONET", 36: "AF_IEEE802154", 37: "AF_CAIF", 38: "AF_ALG", 39: "AF_NFC", 40: "AF_VSOCK",
	41: "AF_KCM", 42: "AF_QIPCRTR", 43: "AF_SMC", 44: "AF_XDP", 45: "AF_MCTP",
}

// cloneWords are the flags of clone(2), whose low byte is the signal for the parent: CLONE_NEWTIME is not for it.
func cloneWords(x uint64) string {
	signal, x := x&0xff, x&^0xff
	if signal == 0 {
		return bitsOf(cloneFlags)(x)
	}
	name := unix.SignalName(syscall.Signal(signal))
	if name == "" {
		name = hex(signal)
	}
	if x == 0 {
		return name
	}
	return bitsOf(cloneFlags)(x) + "|" + name
}

// newTime is a flag of unshare(2) and setns(2) only.
var newTime = bitName{0x00000080, "CLONE_NEWTIME"}

// cloneFlags are of linux/sched.h.
var cloneFlags = []bitName{
	{0x00020000, "CLONE_NEWNS"}, {0x02000000, "CLONE_NEWCGROUP"}, {0x04000000, "CLONE_NEWUTS"}, {0x08000000, "CLONE_NEWIPC"},
	{0x10000000, "CLONE_NEWUSER"}, {0x20000000, "CLONE_NEWPID"}, {0x40000000, "CLONE_NEWNET"},
	{0x00000100, "CLONE_VM"}, {0x00000200, "CLONE_FS"}, {0x00000400, "CLONE_FILES"}, {0x00000800, "CLONE_SIGHAND"},
	{0x00001000, "CLONE_PIDFD"}, {0x00002000, "CLONE_PTRACE"}, {0x00004000, "CLONE_VFORK"}, {0x00008000, "CLONE_PARENT"},
	{0x00010000, "CLONE_THREAD"}, {0x00040000, "CLONE_SYSVSEM"}, {0x00080000, "CLONE_SETTLS"},
	{0x00100000, "CLONE_PARENT_SETTID"}, {0x00200000, "CLONE_CHILD_CLEARTID"}, {0x01000000, "CLONE_CHILD_SETTID"},
	{0x80000000, "CLONE_IO"},
}

// requests are ioctls that profiles deny (asm-generic/ioctls.h).
var requests = map[uint64]string{
	0x5412: "TIOCSTI", 0x541c: "TIOCLINUX", 0x541d: "TIOCCONS", 0x5423: "TIOCSETD", 0x540e: "TIOCSCTTY", 0x5409: "TCSBRK",
}

// bpfCommands are of linux/bpf.h.
var bpfCommands = map[uint64]string{
	0: "BPF_MAP_CREATE", 1: "BPF_MAP_LOOKUP_ELEM", 2: "BPF_MAP_UPDATE_ELEM", 3: "BPF_MAP_DELETE_ELEM", 5: "BPF_PROG_LOAD",
	6: "BPF_OBJ_PIN", 7: "BPF_OBJ_GET", 8: "BPF_PROG_ATTACH", 18: "BPF_BTF_LOAD", 28: "BPF_LINK_CREATE",
}

// ptraceRequests are of linux/ptrace.h.
var ptraceRequests = map[uint64]string{
	0: "PTRACE_TRACEME", 1: "PTRACE_PEEKTEXT", 2: "PTRACE_PEEKDATA", 4: "PTRACE_POKETEXT", 5: "PTRACE_POKEDATA", 16: "PTRACE_ATTACH",
	0x4206: "PTRACE_SEIZE",
}
