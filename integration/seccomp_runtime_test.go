package integration

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"
	"slices"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
)

// The smallest programs: one ends with status 0, one waits for good. Each makes one system call and needs no memory, library
// or thread, so that all other calls under its filter are the runtime's.
var smallest = map[string]struct {
	machine      uint64
	ends, waits  []byte
	exit, paused string
}{
	"amd64": {62, // EM_X86_64
		[]byte{0x31, 0xff, 0xb8, 231, 0, 0, 0, 0x0f, 0x05},                        // xor edi,edi; mov eax,231; syscall
		[]byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}, "exit_group", "pause"}, // mov eax,34; syscall; jmp back
	"arm64": {183, // EM_AARCH64
		[]byte{0x00, 0x00, 0x80, 0xd2, 0xc8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4}, // mov x0,0; mov x8,94; svc 0
		// mov x0..x3,0; mov x8,73; svc 0; b back
		[]byte{0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2, 0x02, 0x00, 0x80, 0xd2, 0x03, 0x00, 0x80, 0xd2,
			0x28, 0x09, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0xfa, 0xff, 0xff, 0x17}, "exit_group", "ppoll"},
}

// executable puts machine code into an ELF file of one segment (elf(5)).
func executable(machine uint64, code []byte) []byte {
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(code))
	out := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9)...)
	for _, field := range []struct {
		bytes int
		value uint64
	}{
		{2, 2}, {2, machine}, {4, 1}, {8, base + head}, {8, 64}, {8, 0}, {4, 0}, {2, 64}, {2, 56}, {2, 1}, {2, 0}, {2, 0}, {2, 0},
		{4, 1}, {4, 5}, {8, 0}, {8, base}, {8, base}, {8, size}, {8, size}, {8, 0x1000},
	} {
		value := binary.LittleEndian.AppendUint64(nil, field.value)
		out = append(out, value[:field.bytes]...)
	}
	return append(out, code...)
}

// permitting is an edit that gives a spec a profile of these calls alone.
func permitting(names ...string) func(*specs.Spec) {
	return func(s *specs.Spec) {
		eperm := uint(unix.EPERM)
		s.Linux.Seccomp = &specs.LinuxSeccomp{
			DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm,
			Architectures: []specs.Arch{map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}[goruntime.GOARCH]},
			Syscalls:      []specs.LinuxSyscall{{Names: names, Action: specs.ActAllow}},
		}
	}
}

// A startKind is a way in which the runtime starts a process.
type startKind struct {
	name         string
	profile      string
	create, exec starts.Start
}

var startKinds = []startKind{
	{"with no_new_privs", "default", starts.CreateNoNewPrivs, starts.ExecNoNewPrivs},
	{"without no_new_privs", "compatible", starts.CreatePrivileged, starts.ExecPrivileged},
}

// startVariants are the same start in other circumstances.
var startVariants = []struct {
	name     string
	terminal bool
	edit     func(*specs.Spec)
	exec     []string
}{
	{"root", false, func(*specs.Spec) {}, nil},
	{"user", false, func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1000, GID: 1000, AdditionalGids: []uint32{5, 6}}
	}, []string{"--user", "1000:1000", "--additional-gids", "5"}},
	{"directory", false, func(s *specs.Spec) { s.Process.Cwd = "/tmp" }, []string{"--cwd", "/tmp"}},
	{"closed directory", false, func(s *specs.Spec) {
		s.Process.Cwd, s.Process.User, s.Process.Capabilities = "/closed", specs.User{UID: 1000, GID: 1000}, nil
	}, []string{"--cwd", "/closed", "--user", "1000:1000"}},
	{"capabilities", false, func(s *specs.Spec) {
		c := s.Process.Capabilities
		c.Inheritable, c.Ambient = c.Bounding, c.Bounding
	}, nil},
	{"search", false, func(s *specs.Spec) {
		s.Process.Args[0], s.Process.Env = s.Process.Args[0][1:], []string{"PATH=/none:/bin:/"}
	}, nil},
	{"terminal", true, func(s *specs.Spec) {
		s.Process.Terminal, s.Process.User = true, specs.User{UID: 1000, GID: 1000}
	}, []string{"--tty", "--user", "1000"}},
}

// smallBundle is a bundle with the two smallest programs under a profile.
func smallBundle(t testing.TB, program string, edits ...func(*specs.Spec)) *bundle {
	t.Helper()
	s, ok := smallest[goruntime.GOARCH]
	if !ok {
		t.Skipf("there is no smallest program for %s", goruntime.GOARCH)
	}
	b := newBundle(t, "bulkhead", append([]func(*specs.Spec){args(program)}, edits...)...)
	for name, code := range map[string][]byte{"ends": s.ends, "waits": s.waits} {
		if err := os.WriteFile(b.dir+"/rootfs/"+name, executable(s.machine, code), 0o755); err != nil { //nolint:gosec // a program of a container
			t.Fatal(err)
		}
	}
	err := os.Mkdir(b.dir+"/rootfs/closed", 0o700)
	if err == nil {
		err = os.Chown(b.dir+"/rootfs/closed", 1000, 1000)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// waiting creates and starts a container whose first process only waits.
func (k startKind) waiting(t testing.TB, calls []string) *bundle {
	t.Helper()
	b := smallBundle(t, "/waits", permitting(calls...))
	must(t, b.withFiles(t, "--profile", k.profile, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
	b.do(t, "start", b.id)
	eventually(t, "the workload", func() error {
		if name := statusOf(t, b.pid(t))["Name"]; name != "waits" {
			return fmt.Errorf("the process is %q", name)
		}
		return nil
	})
	return b
}

// TestRuntimeCalls holds the table of the runtime's own calls to the kernel: a container under a filter of exactly the calls that
// it names, and the one that its program makes, starts in all circumstances; and without each of them it does what the
// table says.
func TestRuntimeCalls(t *testing.T) {
	requireRoot(t)
	recorder, err := newCallRecorder(rawCgroup())
	if err != nil {
		t.Logf("system calls are not counted on this host: %v", err)
	} else {
		defer func() {
			if err := recorder.close(); err != nil {
				t.Error(err)
			}
		}()
	}
	for _, k := range startKinds {
		own := smallest[goruntime.GOARCH]
		calls := append(starts.NeededBy(k.create|k.exec), own.exit, own.paused)
		t.Run(k.name+"/suffices", func(t *testing.T) { k.suffices(t, calls, recorder) })
		t.Run(k.name+"/create", func(t *testing.T) { k.createWithout(t, calls) })
		t.Run(k.name+"/exec", func(t *testing.T) { k.execWithout(t, calls) })
	}
}

// suffices starts in every circumstance, and looks for calls that the table does not have, and for denied ones that it does
// not call spare.
func (k startKind) suffices(t *testing.T, calls []string, recorder *callRecorder) {
	for _, v := range startVariants {
		t.Run(v.name, func(t *testing.T) {
			exec := k.waiting(t, calls)
			create := smallBundle(t, "/ends", permitting(calls...), v.edit)
			tell := func(start starts.Start, what string) {
				if recorder != nil {
					made, denied := recorder.take(t)
					k.compare(t, what, start, made, denied)
				}
			}
			if recorder != nil {
				recorder.take(t) // what others did
			}
			for range 3 {
				start(t, create, v.terminal, "--profile", k.profile, "run", create.id)
				tell(k.create, "create")
				start(t, exec, v.terminal, slices.Concat([]string{"--profile", k.profile, "exec"}, v.exec, []string{exec.id, "/ends"})...)
				tell(k.exec, "exec")
			}
		})
	}
}

// start runs a command of the runtime that must succeed, on a terminal where that is asked.
func start(t testing.TB, b *bundle, terminal bool, args ...string) {
	t.Helper()
	if terminal {
		typeInto(t, b.command(args...), "", 24, 80)
		return
	}
	b.do(t, args...)
}

func (k startKind) compare(t testing.TB, what string, start starts.Start, made, denied callTally) {
	t.Helper()
	known := map[string]starts.Call{}
	for _, c := range starts.Calls() {
		if c.Starts&start != 0 {
			known[c.Name] = c
		}
		if c.Starts&start != 0 && c.Need == starts.Needed && made[c.Name] == 0 {
			t.Errorf("%s: %s is said to be needed and was not called", what, c.Name)
		}
	}
	own := smallest[goruntime.GOARCH]
	for _, name := range slices.Concat(made.names(), denied.names()) {
		if _, ok := known[name]; !ok && name != own.exit && name != own.paused {
			t.Errorf("%s: %s was called and is not in the table", what, name)
		}
	}
	for _, name := range denied.names() {
		if known[name].Need != starts.Spare {
			t.Errorf("%s: %s was denied and is not spare", what, name)
		}
	}
}

// createWithout drops each call of the table from the profile.
func (k startKind) createWithout(t *testing.T, calls []string) {
	for _, c := range starts.Calls() {
		if c.Starts&k.create == 0 {
			continue
		}
		b := smallBundle(t, "/ends", permitting(slices.DeleteFunc(slices.Clone(calls), func(name string) bool { return name == c.Name })...))
		b.judgeDrop(t, c, b.try(t, "--profile", k.profile, "run", b.id))
	}
}

// execWithout does the same for exec. An exec has the filter of its container's create, so the container is created with all
// calls, and the one is dropped from the state that libcontainer keeps.
func (k startKind) execWithout(t *testing.T, calls []string) {
	b := k.waiting(t, calls)
	path := b.state + "/" + b.id + "/" + b.id + "/state.json"
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range starts.Calls() {
		if c.Starts&k.exec == 0 {
			continue
		}
		if err := os.WriteFile(path, withoutCall(t, whole, c.Name), 0o600); err != nil {
			t.Fatal(err)
		}
		b.judgeDrop(t, c, b.try(t, "--profile", k.profile, "exec", b.id, "/ends"))
	}
}

// withoutCall is libcontainer's state without a call of the profile.
func withoutCall(t testing.TB, state []byte, name string) []byte {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(state, &all); err != nil {
		t.Fatal(err)
	}
	profile := all["config"].(map[string]any)["seccomp"].(map[string]any)
	profile["syscalls"] = slices.DeleteFunc(profile["syscalls"].([]any), func(call any) bool { return call.(map[string]any)["name"] == name })
	out, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// judgeDrop compares what became of a start without a call with what the table says.
func (b *bundle) judgeDrop(t testing.TB, c starts.Call, r result) {
	t.Helper()
	switch started := r.code == 0; {
	case c.Need == starts.Needed && started:
		t.Errorf("it starts without %s, which is said to be needed", c.Name)
	case (c.Need == starts.Kept || c.Need == starts.Spare) && !started:
		t.Errorf("it does not start without %s, which is said to be none of the needed: %s", c.Name, r)
	case c.Need == starts.AtTimes:
		t.Logf("without %s, which not every start calls: exit status %d", c.Name, r.code)
	}
}

// TestRuntimeCallsOfSignals shows why rt_sigreturn is kept: a signal that comes while the first process waits for start, as the
// Go scheduler sends them, ends it without.
func TestRuntimeCallsOfSignals(t *testing.T) {
	for _, k := range startKinds {
		for _, dropped := range []string{"", "rt_sigreturn"} {
			calls := slices.DeleteFunc(append(starts.NeededBy(k.create), smallest[goruntime.GOARCH].exit), func(name string) bool { return name == dropped })
			b := smallBundle(t, "/ends", permitting(calls...))
			must(t, b.withFiles(t, "--profile", k.profile, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
			if err := syscall.Tgkill(b.pid(t), b.pid(t), unix.SIGURG); err != nil {
				t.Fatal(err)
			}
			if dropped == "" {
				b.do(t, "start", b.id)
			}
			b.waitStatus(t, "stopped")
		}
	}
}
