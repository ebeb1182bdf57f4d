package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// argumentNames are constants that filters decide about; names joined with | are one argument.
func argumentNames() map[string]uint64 {
	return map[string]uint64{
		"AF_UNSPEC": unix.AF_UNSPEC, "AF_UNIX": unix.AF_UNIX, "AF_INET": unix.AF_INET, "AF_INET6": unix.AF_INET6, "AF_NETLINK": unix.AF_NETLINK,
		"AF_PACKET": unix.AF_PACKET, "AF_KEY": unix.AF_KEY, "AF_ALG": unix.AF_ALG, "AF_VSOCK": unix.AF_VSOCK, "AF_TIPC": unix.AF_TIPC,
		"AF_RDS": unix.AF_RDS, "AF_CAN": unix.AF_CAN, "AF_BLUETOOTH": unix.AF_BLUETOOTH, "AF_XDP": unix.AF_XDP, "AF_SMC": unix.AF_SMC,
		"SOCK_STREAM": unix.SOCK_STREAM, "SOCK_DGRAM": unix.SOCK_DGRAM, "SOCK_RAW": unix.SOCK_RAW, "SOCK_SEQPACKET": unix.SOCK_SEQPACKET,
		"SOCK_CLOEXEC": unix.SOCK_CLOEXEC, "SOCK_NONBLOCK": unix.SOCK_NONBLOCK,
		"NETLINK_ROUTE": unix.NETLINK_ROUTE, "NETLINK_AUDIT": unix.NETLINK_AUDIT, "NETLINK_NETFILTER": unix.NETLINK_NETFILTER,
		"NETLINK_SOCK_DIAG": unix.NETLINK_SOCK_DIAG, "NETLINK_XFRM": unix.NETLINK_XFRM, "NETLINK_GENERIC": unix.NETLINK_GENERIC,
		"NETLINK_KOBJECT_UEVENT": unix.NETLINK_KOBJECT_UEVENT,
		"TIOCSTI":                unix.TIOCSTI, "TIOCLINUX": unix.TIOCLINUX, "TIOCGWINSZ": unix.TIOCGWINSZ, "TIOCSWINSZ": unix.TIOCSWINSZ, "TIOCSETD": unix.TIOCSETD,
		"TIOCSCTTY": unix.TIOCSCTTY, "TIOCCONS": unix.TIOCCONS, "TCGETS": unix.TCGETS, "TCSETS": unix.TCSETS, "FIONREAD": 0x541b, "FIONBIO": 0x5421,
		"CLONE_NEWUSER": unix.CLONE_NEWUSER, "CLONE_NEWNS": unix.CLONE_NEWNS, "CLONE_NEWNET": unix.CLONE_NEWNET, "CLONE_NEWPID": unix.CLONE_NEWPID,
		"CLONE_NEWIPC": unix.CLONE_NEWIPC, "CLONE_NEWUTS": unix.CLONE_NEWUTS, "CLONE_NEWCGROUP": unix.CLONE_NEWCGROUP, "CLONE_NEWTIME": unix.CLONE_NEWTIME,
		"CLONE_VM": unix.CLONE_VM, "CLONE_FS": unix.CLONE_FS, "CLONE_FILES": unix.CLONE_FILES, "CLONE_SIGHAND": unix.CLONE_SIGHAND,
		"CLONE_THREAD": unix.CLONE_THREAD, "CLONE_VFORK": unix.CLONE_VFORK, "SIGCHLD": uint64(unix.SIGCHLD),
		"PER_LINUX": 0, "PER_LINUX32": 8, "ADDR_NO_RANDOMIZE": 0x40000, "UNAME26": 0x20000, "READ_IMPLIES_EXEC": 0x400000,
		"ARCH_SET_FS": 0x1002, "ARCH_GET_FS": 0x1003, "ARCH_SET_GS": 0x1001, "ARCH_GET_GS": 0x1004, "ARCH_CET_STATUS": 0x3001,
		"PR_SET_DUMPABLE": unix.PR_SET_DUMPABLE, "PR_SET_NO_NEW_PRIVS": unix.PR_SET_NO_NEW_PRIVS, "PR_SET_SECCOMP": unix.PR_SET_SECCOMP,
		"PR_SET_MM": unix.PR_SET_MM, "PR_SET_PTRACER": unix.PR_SET_PTRACER, "PR_SET_SPECULATION_CTRL": unix.PR_SET_SPECULATION_CTRL,
	}
}

// readArgument reads a number (decimal, 0x, 0, or negative as C would pass a long) or names joined with |.
func readArgument(word string) (uint64, error) {
	var out uint64
	for w := range strings.SplitSeq(word, "|") {
		x, err := strconv.ParseUint(w, 0, 64)
		if err != nil {
			n, signed := strconv.ParseInt(w, 0, 64)
			x, err = uint64(n), signed
		}
		if err != nil {
			var ok bool
			if x, ok = argumentNames()[w]; !ok {
				return 0, fmt.Errorf("read argument %q: want a number, or names such as AF_ALG, TIOCSTI or CLONE_NEWUSER joined with |", word)
			}
		}
		out |= x
	}
	return out, nil
}
