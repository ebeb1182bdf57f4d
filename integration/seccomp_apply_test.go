package integration

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// quiet is a profile for a busybox that neither makes directories nor changes modes: everything that it needs, and no mkdir, chmod or
// unlink.
const quietProfile = `{
	"defaultAction": "SCMP_ACT_ERRNO",
	"defaultErrnoRet": 1,
	"architectures": ["SCMP_ARCH_X86_64"],
	"syscalls": [
		{"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "bulkhead generate 1: name \"quiet\"; arch amd64; kernel \"5.4.0\"; libc \"\"; recordings 1"},
		{"names": ["access", "arch_prctl", "brk", "capget", "capset", "chdir", "clone", "close", "dup2", "execve", "exit", "exit_group", "faccessat",
			"faccessat2", "fchown", "fcntl", "fork", "fstat", "fstatfs", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpgrp",
			"getpid", "getppid", "getrandom", "gettid", "getuid", "ioctl", "lseek", "lstat", "mmap", "mprotect", "munmap", "nanosleep",
			"clock_nanosleep", "newfstatat", "open", "openat", "openat2", "pause", "pipe2", "poll", "prctl", "prlimit64", "readlink", "readlinkat", "rseq",
			"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "set_robust_list", "set_tid_address", "setgid", "setgroups",
			"setpgid", "setuid", "sigaltstack", "stat", "statx", "tgkill", "uname", "vfork", "wait4", "write", "writev", "epoll_ctl", "close_range"],
			"action": "SCMP_ACT_ALLOW"}
	]
}`

// siteFiles are what a site has in /etc/bulkhead, by path below it.
type siteFiles map[string]string

// withSite has a command run in a mount namespace of its own whose /etc/bulkhead has these files, mode 0600 or as the path ends in :MODE.
func (b *bundle) withSite(t *testing.T, files siteFiles, args ...string) result {
	t.Helper()
	cmd := b.command(args...)
	cmd.Args = append([]string{"sh", "-c", siteScript, "sh", siteDir(t, files)}, cmd.Args...)
	cmd.Path, cmd.Err = "/bin/sh", nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if slices.Contains(args, "--detach") { // the container keeps the streams
		cmd.Stdout, cmd.Stderr = b.outputFile(t, "stdout"), b.outputFile(t, "stderr")
		err := cmd.Run()
		return result{args: cmd.Args, stderr: b.output(t, "stderr"), code: map[bool]int{false: 1}[err == nil]}
	}
	return run(t, cmd)
}

const siteScript = `set -e; mkdir "$1/up" "$1/work"; mount -t overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/work" overlay /etc
mkdir -p -m 755 /etc/bulkhead; cp -a "$1/files/." /etc/bulkhead/; shift; exec "$@"`

func siteDir(t *testing.T, files siteFiles) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/files", 0o755); err != nil { //nolint:gosec // as a site has it
		t.Fatal(err)
	}
	for path, text := range files {
		path, open := strings.CutSuffix(path, ":0622")
		mode := os.FileMode(0o600)
		if open {
			mode = 0o622
		}
		at := dir + "/files/" + path
		err := os.MkdirAll(at[:strings.LastIndexByte(at, '/')], 0o755) //nolint:gosec // as a site has it
		if err == nil {
			err = os.WriteFile(at, []byte(text), mode)
		}
		if err == nil {
			err = os.Chmod(at, mode) // the umask
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func annotated(pairs ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		s.Annotations = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

// TestSeccompMap: the host's configuration gives a container a seccomp profile by its image or another annotation, and only narrows.
func TestSeccompMap(t *testing.T) {
	requireRoot(t)
	const script = "cd /tmp && ( mkdir made 2>/dev/null && echo made || echo denied ) && ls / >/dev/null && echo listed"
	site := siteFiles{
		"bulkhead.json": `{"seccompMap": [
			{"image": "registry.example/app", "profile": "quiet"},
			{"image": "registry.example/app:loud", "profile": "loud"},
			{"annotation": "com.example.job", "value": "build", "profile": "quiet"}]}`,
		"seccomp.d/quiet.json": quietProfile,
		"seccomp.d/loud.json":  `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]}`,
	}
	const image = "io.kubernetes.cri.image-name"
	for name, c := range map[string]struct {
		annotations []string
		want        string
	}{
		"repository":           {[]string{image, "registry.example/app:1.2"}, "denied\nlisted"},
		"exact":                {[]string{image, "registry.example/app:loud"}, "made\nlisted"},
		"other image":          {[]string{image, "registry.example/application:1.2"}, "made\nlisted"},
		"CRI-O":                {[]string{"io.kubernetes.cri-o.ImageName", "registry.example/app@sha256:00"}, "denied\nlisted"},
		"annotation":           {[]string{"com.example.job", "build"}, "denied\nlisted"},
		"other value":          {[]string{"com.example.job", "builds"}, "made\nlisted"},
		"image before the job": {[]string{image, "registry.example/app:loud", "com.example.job", "build"}, "made\nlisted"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle(t, "bulkhead", args("sh", "-c", script), annotated(c.annotations...))
			equal(t, "what the container says", must(t, b.withSite(t, site, "run", b.id)), c.want)
		})
	}
}

// TestSeccompMapErrors: what was mapped and cannot be had is no container.
func TestSeccompMapErrors(t *testing.T) {
	requireRoot(t)
	const one = `{"seccompMap": [{"annotation": "k", "value": "v", "profile": "x"}]}`
	for name, c := range map[string]struct {
		site siteFiles
		want []string
	}{
		"absent":             {siteFiles{"bulkhead.json": one}, []string{"map annotation", "seccomp.d", "is absent"}},
		"writable by others": {siteFiles{"bulkhead.json": one, "seccomp.d/x.json:0622": quietProfile}, []string{"lets others than root write it"}},
		"unknown key":        {siteFiles{"bulkhead.json": one, "seccomp.d/x.json": "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"syscall\": []}"}, []string{"/etc/bulkhead/seccomp.d/x.json", "line 2: unknown key", "in the seccomp profile"}},
		"no profile":         {siteFiles{"bulkhead.json": one, "seccomp.d/x.json": `{"defaultAction": "SCMP_ACT_PERHAPS"}`}, []string{"unknown action", "SCMP_ACT_PERHAPS", "rule seccomp"}},
		"an agent":           {siteFiles{"bulkhead.json": one, "seccomp.d/x.json": `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]}`}, []string{"SCMP_ACT_NOTIFY", "rule seccomp"}},
		"bad mapping":        {siteFiles{"bulkhead.json": "{\"seccompMap\": [\n{\"image\": \"a\", \"regexp\": \"b\"}]}"}, []string{"line 2: unknown key", "in seccompMap[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle(t, "bulkhead", args("true"), annotated("k", "v"))
			refused(t, b.withSite(t, c.site, "run", b.id), c.want...)
		})
	}
}

// TestSeccompMapExplained: explain tells the mapping and the warning, and exec has the same filter.
func TestSeccompMapExplained(t *testing.T) {
	b := newBundle(t, "bulkhead", annotated("io.kubernetes.cri.image-name", "registry.example/app:1"))
	site := siteFiles{"bulkhead.json": `{"seccompMap": [{"image": "registry.example/app", "profile": "quiet"}]}`, "seccomp.d/quiet.json": quietProfile}
	must(t, b.withSite(t, site, "run", "--detach", b.id))
	for _, word := range []string{`this host maps image "registry.example/app" to`, `"/etc/bulkhead/seccomp.d/quiet.json"`, "it was recorded on Linux 5.4, this is"} {
		text := must(t, run(t, ctl(t, "explain", "--root", b.state, b.id)))
		if !strings.Contains(strings.Join(strings.Fields(text), " "), word) {
			t.Errorf("explain lacks %q:\n%s", word, text)
		}
	}
	equal(t, "exec", b.do(t, "exec", b.id, "sh", "-c", "mkdir /tmp/made 2>/dev/null || echo denied"), "denied")
}

// TestRequireGenerated: a container is refused unless its filter is within a registered profile.
func TestRequireGenerated(t *testing.T) {
	requireRoot(t)
	registered := siteFiles{"seccomp.d/quiet.json": quietProfile}
	required := siteFiles{"seccomp.d/quiet.json": quietProfile, "profiles.d/site.json": `{"base": "default",
		"seccomp": {"profile": "default", "reason": "as ever", "requireRegistered": {"on": true, "reason": "all are generated here"}}}`}
	mapped := siteFiles{"seccomp.d/quiet.json": quietProfile, "bulkhead.json": `{"seccompMap": [{"annotation": "k", "value": "v", "profile": "quiet"}]}`}
	brought := func(names ...string) func(*specs.Spec) { return permitting(names...) }
	few := []string{"execve", "exit_group", "read", "write", "close", "openat", "openat2", "statx", "fstat", "fstatfs", "getdents64", "futex", "rt_sigreturn", "mmap",
		"brk", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "prlimit64", "readlink", "readlinkat", "getrandom", "mprotect", "getuid", "prctl"}
	engine := func(s *specs.Spec) { s.Linux.Seccomp = callerProfile(t, "docker-20.10-run.json") }
	const want = "within none of the 1 registered profiles"
	for name, c := range map[string]struct {
		site    siteFiles
		edit    func(*specs.Spec)
		options []string
		refused string
	}{
		"no profile":          {registered, func(*specs.Spec) {}, []string{"--require-generated"}, want},
		"the engine's":        {registered, engine, []string{"--require-generated"}, want},
		"brought":             {registered, brought(few...), []string{"--require-generated"}, ""},
		"brought and wider":   {registered, brought(append(few, "mkdir")...), []string{"--require-generated"}, want},
		"none registered":     {siteFiles{}, brought(few...), []string{"--require-generated"}, "within none of the 0 registered profiles"},
		"mapped":              {mapped, annotated("k", "v"), []string{"--require-generated"}, ""},
		"mapped but not this": {mapped, annotated("k", "w"), []string{"--require-generated"}, want},
		"a site's profile":    {required, engine, []string{"--profile", "site"}, want},
		"it and brought":      {required, brought(few...), []string{"--profile", "site"}, ""},
		"not required":        {registered, engine, nil, ""},
		"registered unsafely": {siteFiles{"seccomp.d/quiet.json:0622": quietProfile}, brought(few...), []string{"--require-generated"}, "lets others than root write it"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle(t, "bulkhead", args("true"), c.edit)
			r := b.withSite(t, c.site, append(c.options, "run", b.id)...)
			if c.refused == "" {
				must(t, r)
				return
			}
			refused(t, r, c.refused)
		})
	}
}
