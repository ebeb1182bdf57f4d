package record

import (
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// defaultExplainer is of a container whose engine also denies chroot and whose own profile is the default one.
func defaultExplainer(t *testing.T) *Explainer {
	t.Helper()
	ceiling, err := profiles.SeccompProfile("default")
	if err != nil {
		t.Fatal(err)
	}
	enforced := *ceiling
	enforced.Syscalls = nil
	for _, c := range ceiling.Syscalls {
		kept := c
		kept.Names = nil
		for _, n := range c.Names {
			if n != "chroot" {
				kept.Names = append(kept.Names, n)
			}
		}
		if len(kept.Names) > 0 {
			enforced.Syscalls = append(enforced.Syscalls, kept)
		}
	}
	enforced.Architectures, ceiling.Architectures = []specs.Arch{specs.ArchX86_64}, []specs.Arch{specs.ArchX86_64}
	e, err := NewExplainer(&enforced, ceiling, "default", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	e.filters = 1
	return e
}

// TestExplain has a whole sentence for each kind of denial, on amd64's numbers.
func TestExplain(t *testing.T) {
	e := defaultExplainer(t)
	for _, test := range []struct {
		name  string
		event event
		want  string
	}{
		{"table row", event{Number: 272, Result: -1, Args: [6]uint64{0x10020000}, Filters: 1},
			`unshare(CLONE_NEWNS|CLONE_NEWUSER) = EPERM; profile namespaces "default SCMP_ACT_ERRNO(1)": REASON`},
		{"row with conditions", event{Number: 41, Result: -93, Args: [6]uint64{16, 3, 12}, Filters: 1},
			`socket(AF_NETLINK, SOCK_RAW, 12) = EPROTONOSUPPORT; profile network "SCMP_ACT_ERRNO(93) if arg0 == 0x10 && arg2 != 0x0": REASON`},
		{"condition not met", event{Number: 53, Result: -1, Args: [6]uint64{2, 1}, Filters: 1},
			`socketpair(AF_INET, SOCK_STREAM, 0) = EPERM; profile network "default SCMP_ACT_ERRNO(1)": permitted only with other arguments: REASON`},
		{"the engine's", event{Number: 161, Result: -1, Filters: 1},
			`chroot() = EPERM; caller  "default SCMP_ACT_ERRNO(1)": the engine's own seccomp profile denies it; the seccomp profile "default" would permit it`},
		{"own filter of a permitted call", event{Number: 39, Result: -33, Filters: 3},
			`getpid() = EDOM; process  "": a filter that the process brought itself: it has 3, the container 1`},
		{"own filter of a denied call", event{Number: 272, Result: -33, Args: [6]uint64{0x10000000}, Filters: 2},
			`unshare(CLONE_NEWUSER) = EDOM; process  "": a filter that the process brought itself: it has 2, the container 1`},
		{"agent", event{Number: 39, Result: 7, Filters: 1},
			`getpid() = result 7; other  "": not the profile, which permits it: an agent, a tracer, or arguments that changed meanwhile`},
		{"unknown number", event{Number: 1000, Result: -38, Filters: 1},
			`system call 1000() = ENOSYS; runtime  "": the profile has no rule for this number, which is newer than it: the runtime's filter answers that there is no such call`},
		{"foreign", event{Number: 1, Result: 1, Filters: 1, Flags: flagForeign},
			`exit() = killed; runtime  "": the filter knows the native architecture only: a call of another one (i386, x32, 32-bit Arm) ends the thread`},
		{"under way", event{Number: 0, Result: 5, Filters: 1, Flags: flagFirst}, ""},
		{"first call, denied", event{Number: 248, Result: -1, Filters: 1, Flags: flagFirst},
			`add_key() = EPERM; profile keys "default SCMP_ACT_ERRNO(1)": REASON`},
		{"skipped by a tracer", event{Number: 35, Result: -38, Filters: 1}, ""},
	} {
		got := ""
		if d, ok := e.denial(test.event); ok {
			got = fmt.Sprintf("%s(%s) = %s; %s %s %q: %s", d.Call, d.Arguments, d.Verdict, d.By, d.Group, d.Rule, d.Why)
		}
		// The reasons are the table's: that they are there is enough.
		for _, r := range e.rows {
			got = strings.Replace(got, r.Reason, "REASON", 1)
		}
		if got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, test.want)
		}
	}
}

// TestKept keeps what conditions look at, and no pointer.
func TestKept(t *testing.T) {
	kept := defaultExplainer(t).kept()
	for number, want := range map[uint32]uint32{41: 0b111, 16: 0b10, 56: 0b1, 272: 0b1, 165: 0, 435: 0, 0: 0} {
		if kept[number] != want {
			t.Errorf("system call %d: got %b, want %b", number, kept[number], want)
		}
	}
}

func TestKills(t *testing.T) {
	e, err := NewExplainer(&specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"read"}, Action: specs.ActAllow}, {Names: []string{"bpf"}, Action: specs.ActKillThread}}}, nil, "x", "arm64")
	if got := fmt.Sprint(e.Kills()); err != nil || got != "[bpf all others]" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := NewExplainer(nil, nil, "x", "amd64"); err == nil || err.Error() != "explain denied system calls: parse linux.seccomp: no profile is given" {
		t.Errorf("got %v", err)
	}
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		call       string
		args       [6]uint64
		conditions uint32
		want       string
	}{
		{"clone", [6]uint64{unix.CLONE_NEWUSER | 17}, 1, "CLONE_NEWUSER|SIGCHLD"},
		{"clone", [6]uint64{17}, 1, "SIGCHLD"},
		{"clone", [6]uint64{0}, 1, "0x0"},
		{"setns", [6]uint64{3, 0x80}, 0, "CLONE_NEWTIME"},
		{"socket", [6]uint64{1<<32 | 38, 5 | 0x80000, 0}, 7, "AF_ALG|0x100000000, SOCK_SEQPACKET|SOCK_CLOEXEC, 0"},
		{"socket", [6]uint64{99, 3, 7}, 7, "0x63, SOCK_RAW, 7"},
		{"ioctl", [6]uint64{0, 0x5412}, 2, "TIOCSTI"},
		{"prctl", [6]uint64{15, 1}, 0, "15"},
		{"mount", [6]uint64{1, 2, 3}, 0, ""},
		{"mmap", [6]uint64{1, 2, 7}, 4, "arg2=0x7"},
	} {
		if got := arguments(test.call, test.args, test.conditions); got != test.want {
			t.Errorf("%s %v: got %q, want %q", test.call, test.args, got, test.want)
		}
	}
}
