package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// verifyCalls are what the program's mode calls makes, but getpgid, socketpair and one value of prctl.
const verifyCalls = `"arch_prctl","bind","brk","clone","execve","exit","exit_group","fcntl","futex","getppid","getrandom","ioctl","listen",
"madvise","mmap","mprotect","munmap","newfstatat","prlimit64","readlink","rseq","rt_sigaction","rt_sigprocmask","set_robust_list",
"set_tid_address","setsockopt","socket","write"`

// runtimeCalls are what a container's start needs beside.
const runtimeCalls = `"close","epoll_ctl","epoll_pwait","fstat","fstatfs","getdents64","getpid","gettid","nanosleep","openat","openat2","read","rt_sigreturn",
"sched_yield","statx","tgkill","fcntl","readlinkat"`

// verifyProfile writes a profile of those calls.
func verifyProfile(t *testing.T, names ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "P.json")
	text := `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],"syscalls":[
{"names":[` + strings.Join(names, ",") + `],"action":"SCMP_ACT_ALLOW"},
{"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":15,"op":"SCMP_CMP_EQ"}]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// verify runs `seccomp verify`, and gives what it prints, with paths replaced, and its status. The workload's output stands before.
func verify(t *testing.T, profile, program string, args ...string) (string, int) {
	t.Helper()
	r := run(t, ctl(t, append([]string{"seccomp", "verify", profile}, args...)...))
	text := strings.NewReplacer(profile, "P.json", program, "PROGRAM").Replace(r.stdout + r.stderr)
	return text, r.code
}

const verifyOutput = "unshare: EPERM\nkeyctl: EPERM\nclone3: ENOSYS\nAF_ALG: EPERM\n"

func TestSeccompVerifyComplain(t *testing.T) {
	requireRoot(t)
	program, profile := requireNotifyProgram(t), verifyProfile(t, verifyCalls)
	const beyond = `
3 kinds of call beyond the profile, let run:

       1  calls getpgid() = allowed
       1  calls prctl(3) = allowed
       1  notify socketpair(AF_UNIX, SOCK_DGRAM, 0) = allowed
`
	text, status := verify(t, profile, program, "--complain", "--direct", "--", program, "calls")
	equal(t, "status", status, 1)
	equal(t, "report", text, verifyOutput+`P.json, complained about (notify): PROGRAM calls ended with status 0
`+beyond+`
what the profile lacks:

  {"names":["getpgid","socketpair"],"action":"SCMP_ACT_ALLOW"}
  {"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}]}
`)
	b := notifyBundle(t, "calls")
	text, status = verify(t, profile, b.dir, "--complain", "--root", b.state, "--bundle", b.dir)
	equal(t, "status", status, 1)
	if !strings.Contains(text, beyond+"\na container cannot be started under the profile, which denies what the runtime needs: ") {
		t.Errorf("report is\n%s", text)
	}
	profile = verifyProfile(t, verifyCalls, runtimeCalls)
	text, _ = verify(t, profile, b.dir, "--complain", "--root", b.state, "--bundle", b.dir)
	equal(t, "report", text, verifyOutput+`P.json, complained about (notify): PROGRAM ended with status 0
`+beyond+`
what the profile lacks:

  {"names":["getpgid","socketpair"],"action":"SCMP_ACT_ALLOW"}
  {"names":["prctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}]}
`)
}

func TestSeccompVerifyEnforce(t *testing.T) {
	requireRoot(t)
	program, profile := requireNotifyProgram(t), verifyProfile(t, verifyCalls, runtimeCalls)
	const beyond = `
3 kinds of call denied by the profile, which "default" would permit:

       1  calls getpgid() = EPERM
       1  calls prctl(3) = EPERM
       1  notify socketpair(AF_UNIX, SOCK_DGRAM, 0) = EPERM
`
	const notified = beyond + `
what the hardening profile denies was denied and is not told
`
	const watched = beyond + `
4 kinds of call denied whatever the profile says (by "default" or the workload itself):

       5  calls clone3() = ENOSYS
       1  calls keyctl(0) = EPERM
       1  calls socket(AF_ALG, SOCK_SEQPACKET, 0) = EPERM
       1  calls unshare(CLONE_NEWUSER) = EPERM
`
	b := notifyBundle(t, "calls")
	for _, c := range []struct {
		name, head, want string
		args             []string
	}{
		{"direct, notify", "(notify): PROGRAM calls", notified, []string{"--direct", "--watch", "notify", "--", program, "calls"}},
		{"direct, bpf", "(bpf): PROGRAM calls", watched, []string{"--direct", "--", program, "calls"}},
		{"bundle, notify", "(notify): PROGRAM", notified, []string{"--watch", "notify", "--root", b.state, "--bundle", b.dir}},
		{"bundle, bpf", "(bpf): PROGRAM", watched, []string{"--root", b.state, "--bundle", b.dir}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := program
			if strings.HasPrefix(c.name, "bundle") {
				at = b.dir
			}
			text, status := verify(t, profile, at, c.args...)
			equal(t, "status", status, 1)
			equal(t, "report", text, verifyOutput+"P.json, enforced "+c.head+" ended with status 0\n"+c.want)
		})
	}
}

// TestSeccompVerifyComplete has nothing beyond the profile, whose workload ends with a status and with a signal of its own.
func TestSeccompVerifyComplete(t *testing.T) {
	requireRoot(t)
	profile := verifyProfile(t, verifyCalls, runtimeCalls, `"wait4","pipe2","dup2","rt_sigsuspend","clone3","vfork","getuid","getgid","geteuid","getegid","stat","access","pread64","fstat","kill","getcwd","umask"`)
	for _, mode := range [][]string{{"--complain"}, {"--watch", "notify"}, nil} {
		text, status := verify(t, profile, "/bin/sh", append(slices.Clone(mode), "--direct", "--", "/bin/sh", "-c", "exit 7")...)
		equal(t, "status", status, 0)
		if !strings.Contains(text, "PROGRAM -c exit 7 ended with status 7\nnothing was beyond the profile\n") {
			t.Errorf("%v: %s", mode, text)
		}
		text, _ = verify(t, profile, "/bin/sh", append(slices.Clone(mode), "--direct", "--", "/bin/sh", "-c", "kill -9 $$")...)
		if !strings.Contains(text, "PROGRAM -c kill -9 $$ ended with status 137 (SIGKILL)\nnothing was beyond the profile\n") {
			t.Errorf("%v: %s", mode, text)
		}
	}
}

// TestSeccompVerifyKills has a profile end the process, in the kernel and by the tool.
func TestSeccompVerifyKills(t *testing.T) {
	requireRoot(t)
	program := requireNotifyProgram(t)
	profile := verifyProfile(t, verifyCalls, runtimeCalls)
	text, err := os.ReadFile(profile)
	if err == nil {
		err = os.WriteFile(profile, []byte(strings.Replace(string(text), "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{
		"bpf":    "PROGRAM calls ended with status 159 (SIGSYS)",
		"notify": "PROGRAM calls ended with status 137 (SIGKILL)",
	} {
		got, status := verify(t, profile, program, "--watch", mode, "--direct", "--", program, "calls")
		equal(t, "status", status, 1)
		if !strings.Contains(got, want) || !strings.Contains(got, "       1  notify socketpair(AF_UNIX, SOCK_DGRAM, 0) = killed\n") {
			t.Errorf("%s: %s", mode, got)
		}
	}
}

// TestSeccompVerifyRoundTrip records, generates, verifies; and with a call more complains, adds it, and verifies again.
func TestSeccompVerifyRoundTrip(t *testing.T) {
	requireRoot(t)
	dir, program := t.TempDir(), requireNotifyProgram(t)
	b := notifyBundle(t, "calls")
	must(t, run(t, ctl(t, "seccomp", "record", "--recorder", "notify", "--root", b.state, "-o", dir+"/r.json", "--bundle", b.dir)))
	must(t, run(t, ctl(t, "seccomp", "generate", "--argument-rules", "-o", dir+"/P.json", dir+"/r.json")))
	for _, mode := range []string{"--complain", "--watch=notify", "--watch=bpf"} {
		text, status := verify(t, dir+"/P.json", b.dir, mode, "--root", b.state, "--bundle", b.dir)
		if status != 0 || !strings.Contains(text, "nothing was beyond the profile\n") {
			t.Errorf("%s: status %d\n%s", mode, status, text)
		}
	}
	other := []string{"--direct", "--", program, "children", "2"}
	text, status := verify(t, dir+"/P.json", program, append([]string{"--complain", "-o", dir + "/more.json"}, other...)...)
	equal(t, "status", status, 1)
	if !strings.Contains(text, "wait4()") || !strings.Contains(text, "to add it: bulkheadctl seccomp generate --base P.json "+dir+"/more.json -o NEW.json\n") {
		t.Errorf("report is\n%s", text)
	}
	must(t, run(t, ctl(t, "seccomp", "generate", "--base", dir+"/P.json", dir+"/more.json", "-o", dir+"/new.json")))
	for _, mode := range []string{"--complain", "--watch=notify", "--watch=bpf"} {
		text, status := verify(t, dir+"/new.json", program, append([]string{mode}, other...)...)
		if status != 0 {
			t.Errorf("%s: status %d\n%s", mode, status, text)
		}
	}
}

func TestSeccompVerifyJSON(t *testing.T) {
	requireRoot(t)
	program, profile := requireNotifyProgram(t), verifyProfile(t, verifyCalls)
	cmd := ctl(t, "seccomp", "verify", "--json", "--watch", "notify", "--direct", profile, "--", program, "calls")
	r := run(t, cmd)
	equal(t, "status", r.code, 1)
	var got struct {
		Profile, Hardening, Mode, Watch string
		Command                         []string
		Status                          int
		Beyond                          []struct {
			Process, Call, Arguments, Verdict string
			Number                            uint32
			Count                             uint64
		}
	}
	if err := json.Unmarshal([]byte(strings.TrimPrefix(r.stdout, verifyOutput)), &got); err != nil {
		t.Fatalf("%v\n%s", err, r)
	}
	if got.Profile != profile || got.Hardening != "default" || got.Mode != "enforce" || got.Watch != "notify" || got.Status != 0 ||
		!slices.Equal(got.Command, []string{program, "calls"}) || len(got.Beyond) != 3 || got.Beyond[0].Call != "getpgid" || got.Beyond[0].Count != 1 {
		t.Errorf("report is %+v", got)
	}
}

func TestSeccompVerifyErrors(t *testing.T) {
	requireRoot(t)
	profile := verifyProfile(t, verifyCalls)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "bulkheadctl: read arguments of seccomp verify: the profile is missing, see bulkheadctl seccomp verify --help\n"},
		{[]string{profile}, "bulkheadctl: read arguments of seccomp verify: want --bundle, or -- and a command, see bulkheadctl seccomp verify --help\n"},
		{[]string{profile, "true"}, "bulkheadctl: read arguments of seccomp verify: want --bundle, or -- and a command, see bulkheadctl seccomp verify --help\n"},
		{[]string{profile, "--watch", "strace", "--", "true"}, "bulkheadctl: read --watch: got \"strace\", want auto, bpf or notify\n"},
		{[]string{profile, "--complain", "--watch", "bpf", "--", "true"}, "bulkheadctl: read --watch: BPF sees denied calls only; complaining takes notify\n"},
		{[]string{profile, "--bundle", "/nowhere"}, "bulkheadctl: read bundle: open /nowhere/config.json: no such file or directory\n"},
		{[]string{profile, "--bundle", "/nowhere", "--direct"}, "bulkheadctl: run bundle: bulkhead gives each container its own range of user IDs, which only root can do; run it with sudo, without --direct\n"},
		{[]string{"--direct", profile, "--", "/nowhere"}, "bulkheadctl: start command: exec: \"/nowhere\": stat /nowhere: no such file or directory\n"},
	} {
		r := run(t, ctl(t, append([]string{"seccomp", "verify"}, c.args...)...))
		if r.code != 2 || r.stderr != c.want || r.stdout != "" {
			t.Errorf("%s\nwant status 2 and %s", r, c.want)
		}
	}
}
