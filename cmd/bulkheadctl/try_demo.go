package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/capability"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

const (
	// demoProgram is where this program is in the sandbox of the demonstration.
	demoProgram     = "/bulkhead-demonstration"
	demoCommandName = "demonstrate"
	// demoSetuidFlag tells the demonstration that its profile does without no_new_privs.
	demoSetuidFlag = "setuid"
)

// A finding is one line of the demonstration.
type finding struct {
	what, found string
	// good tells that it is as bulkhead promises.
	good bool
}

// demoCommand runs inside the sandbox: everything that it prints it has seen or tried there.
func demoCommand() *cli.Command {
	return &cli.Command{
		Name: demoCommandName, Hidden: true, Usage: "show what is enforced here (try runs it inside a container)",
		Flags: []cli.Flag{&cli.BoolFlag{Name: demoSetuidFlag, Usage: "the profile does without no_new_privs"}},
		Action: withArgs(0, 0, func(ctx *cli.Context) error {
			if err := insideSandbox(); err != nil {
				return err
			}
			fmt.Fprint(ctx.App.Writer, "This program runs in a container that bulkhead made of this machine's own files.\n\n")
			seen, err := look(ctx.Bool(demoSetuidFlag))
			if err != nil {
				return err
			}
			fmt.Fprintln(ctx.App.Writer, "what it is")
			writeFindings(ctx.App.Writer, seen)
			fmt.Fprintln(ctx.App.Writer, "\nwhat it tried")
			tried := attempt()
			writeFindings(ctx.App.Writer, tried)
			return summary(ctx.App.Writer, append(seen, tried...))
		}),
	}
}

// insideSandbox refuses to go on anywhere but in the sandbox of try. The attempts are real: on a host, as root, they would
// mount over directories and write files, so nothing is attempted before this says yes.
func insideSandbox() error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("demonstrate: %w", err)
	}
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return fmt.Errorf("demonstrate: %w", err)
	}
	return checkSandbox(self, string(uidMap), os.Getpid())
}

// checkSandbox wants all three signs: the program is the copy that try makes, it is process 1 of its namespace, and the user
// namespace maps a single range that has nothing of the host's root. A host has none of them.
func checkSandbox(self, uidMap string, pid int) error {
	mapped := strings.Fields(uidMap)
	if self == demoProgram && pid == 1 && len(mapped) == 3 && mapped[0] == "0" && mapped[1] != "0" {
		return nil
	}
	return errors.New("demonstrate: this is not the sandbox of bulkheadctl try, and what it attempts would harm this machine; run bulkheadctl try --demo")
}

func writeFindings(w io.Writer, list []finding) {
	for _, f := range list {
		mark := "ok"
		if !f.good {
			mark = "NOT AS PROMISED"
		}
		fmt.Fprintf(w, "  %-34s %s  [%s]\n", f.what, visible(f.found), mark)
	}
}

func summary(w io.Writer, list []finding) error {
	bad := 0
	for _, f := range list {
		if !f.good {
			bad++
		}
	}
	if bad > 0 {
		return fmt.Errorf("demonstrate: %d of %d lines are not as promised", bad, len(list))
	}
	fmt.Fprintf(w, "\nAll %d as promised. Next: bulkheadctl doctor; bulkheadctl install docker; bulkheadctl try -- COMMAND\n", len(list))
	return nil
}

// look reads what the kernel says of this process.
func look(setuid bool) ([]finding, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, fmt.Errorf("demonstrate: %w", err)
	}
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil, fmt.Errorf("demonstrate: %w", err)
	}
	return seen(string(status), string(uidMap), os.Getpid(), setuid), nil
}

// seen judges the texts of /proc/self/status and uid_map.
func seen(status, uidMap string, pid int, setuid bool) []finding {
	field := map[string]string{}
	for line := range strings.Lines(status) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			field[k] = strings.TrimSpace(v)
		}
	}
	mapped := strings.Fields(uidMap)
	user := finding{what: "its root on the host", found: "unknown"}
	if len(mapped) == 3 {
		user.found = fmt.Sprintf("user %s of %s, who owns nothing there", mapped[1], mapped[2])
		user.good = mapped[0] == "0" && mapped[1] != "0"
	}
	privileges := finding{"no_new_privs", field["NoNewPrivs"], field["NoNewPrivs"] == "1"}
	if setuid {
		privileges = finding{"no_new_privs", "off, as this profile has it for sudo", field["NoNewPrivs"] == "0"}
	}
	bounding, err := strconv.ParseUint(field["CapBnd"], 16, 64)
	dangerous := uint64(1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_MODULE | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_NET_RAW)
	return []finding{
		{"its user", fmt.Sprintf("%s inside", firstField(field["Uid"])), field["Uid"] != ""},
		user,
		{"its process ID", fmt.Sprint(pid), pid < 100},
		{"its capabilities, at most", capabilityNames(bounding), err == nil && bounding&dangerous == 0},
		privileges,
		{"system call filter", map[string]string{"2": "loaded"}[field["Seccomp"]], field["Seccomp"] == "2"},
	}
}

// capabilityNames are the names of a set, without the CAP_ that all have.
func capabilityNames(set uint64) string {
	var names []string
	for _, c := range capability.ListKnown() {
		if set&(1<<uint(c)) != 0 {
			names = append(names, strings.ToUpper(c.String()))
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, " ")
}

func firstField(text string) string {
	if f := strings.Fields(text); len(f) > 0 {
		return f[0]
	}
	return ""
}

// attempt tries what an attacker would. Only [insideSandbox] makes that safe: should an attempt succeed, it changes the
// sandbox and not the host.
func attempt() []finding {
	null := uintptr(0)
	call := func(what string, nr uintptr, args ...uintptr) finding {
		a := append(args, null, null, null)
		_, _, errno := unix.Syscall(nr, a[0], a[1], a[2])
		return refusal(what, errnoError(errno))
	}
	list := []finding{
		refusal("mount a file system", unix.Mount("tmpfs", "/tmp", "tmpfs", 0, "")),
		refusal("make /usr writable", unix.Mount("", "/usr", "", unix.MS_REMOUNT|unix.MS_BIND, "")),
		refusal("write below /usr", write("/usr/bulkhead-was-here")),
		refusal("write to the root directory", write("/bulkhead-was-here")),
		refusal("read the host's /etc/shadow", read("/etc/shadow")),
		refusal("read the kernel's memory", read("/proc/kcore")),
		refusal("write to /proc/sys/kernel", write("/proc/sys/kernel/core_pattern")),
		refusal("write to /proc/sysrq-trigger", write("/proc/sysrq-trigger")),
		refusal("type into the terminal (TIOCSTI)", tiocsti()),
		refusal("trace process 1 (ptrace)", unix.PtraceAttach(1)),
		call("make a user namespace", unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		call("load a kernel module", unix.SYS_FINIT_MODULE, 0),
		call("load a BPF program", unix.SYS_BPF, 5),
		call("use the kernel's key ring", unix.SYS_KEYCTL, 0, 0, 1),
		call("open a raw socket", unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		refusal("reach another machine", reach()),
	}
	return list
}

// refusal is a finding that is good when the attempt failed.
func refusal(what string, err error) finding {
	if err == nil {
		return finding{what, "it worked", false}
	}
	for unwrapped := errors.Unwrap(err); unwrapped != nil; unwrapped = errors.Unwrap(err) {
		err = unwrapped
	}
	return finding{what, "refused: " + err.Error(), true}
}

func errnoError(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}

func write(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// read is good for nothing when what is there is empty: masked files are.
func read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := f.Read(make([]byte, 1))
	if n == 0 && err != nil {
		return errors.New("it is empty")
	}
	return nil
}

// tiocsti pushes a byte into the input of a terminal of the container's own.
func tiocsti() error {
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSTI, int('x'))
}

// reach asks for a route only: nothing is sent by connecting a datagram socket.
func reach() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrInet4{Port: 53, Addr: [4]byte{192, 0, 2, 1}})
}
