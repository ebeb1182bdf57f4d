package seccomp

import (
	"math/rand/v2"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestWatchRefuses(t *testing.T) {
	deny := Profile{Arch: "amd64", Default: Verdict{Action: Errno, Errno: 1}}
	for _, c := range []struct {
		name     string
		p, quiet Profile
		want     string
	}{
		{"default", Profile{Arch: "amd64", Default: Verdict{Action: Log}}, deny, "watch seccomp profile: its default SCMP_ACT_LOG permits calls that it does not name"},
		{
			"listener", Profile{Arch: "amd64", Default: deny.Default, ListenerPath: "/run/agent.sock"}, deny,
			`watch seccomp profile: it has a listener of its own ("/run/agent.sock"), and the kernel takes only one`,
		},
		{"architecture", deny, Profile{Arch: "arm64", Default: deny.Default}, `watch seccomp profile: the architectures differ, "amd64" and "arm64"`},
	} {
		if _, err := Watch(c.p, c.quiet); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestWatchParts has a rule of each kind, with what becomes of it.
func TestWatchParts(t *testing.T) {
	masked := func(index uint, mask, value uint64) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Index: index, Op: specs.OpMaskedEqual, Value: mask, ValueTwo: value}
	}
	p := mustParse(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "close", "mmap"}, Action: specs.ActAllow},
			{Names: []string{"clone3"}, Action: specs.ActErrno},
			{Names: []string{"reboot"}, Action: specs.ActKillProcess},
			{Names: []string{"clone"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{masked(0, 0x7e020000, 0)}},
		},
	})
	quiet := mustParse(t, &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "reboot", "mount"}, Action: specs.ActAllow},
			{Names: []string{"mmap"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{masked(2, 6, 0)}},
			{Names: []string{"mmap"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{masked(2, 6, 2)}},
		},
	})
	got, err := Watch(p, quiet)
	if err != nil {
		t.Fatal(err)
	}
	const want = `clone: SCMP_ACT_NOTIFY if arg0 & 0x7e020000 == 0x0
close: SCMP_ACT_NOTIFY
mmap: SCMP_ACT_ALLOW if arg2 & 0x6 == 0x0
mmap: SCMP_ACT_ALLOW if arg2 & 0x6 == 0x2
mmap: SCMP_ACT_NOTIFY if arg2 & 0x4 == 0x4
read: SCMP_ACT_ALLOW
reboot: SCMP_ACT_KILL_PROCESS
`
	text := ""
	for _, c := range got.Calls {
		for _, r := range c.Rules {
			text += c.Name + ": " + r.String() + "\n"
		}
	}
	if text != want {
		t.Errorf("got\n%swant\n%s", text, want)
	}
}

// FuzzWatch holds the law: what was denied is denied in the same way, what was permitted runs or asks, and what runs without a question was
// permitted by both.
func FuzzWatch(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // a test
		p, quiet := mustParse(t, randomOCI(r, len(testOps))), mustParse(t, randomOCI(r, len(testOps)))
		w, err := Watch(p, quiet)
		if err != nil {
			if !p.Default.Action.Permits() && !p.Notifies() {
				t.Fatal(err)
			}
			return
		}
		if ok, beyond := Subset(w, p); !ok && !strings.Contains(beyond, "too many to compare") {
			t.Errorf("it permits more: %s", beyond)
		}
		if ok, lost := Subset(p, w); !ok && !strings.Contains(lost, "too many to compare") {
			t.Errorf("it permits less: %s", lost)
		}
		for range 200 {
			name, args := pick(r, testNames), randomArgs(r)
			was, is, silent := p.Evaluate(name, args), w.Evaluate(name, args), quiet.Evaluate(name, args)
			switch {
			case !was.Action.Permits() && is != was,
				was.Action.Permits() && is != was && is.Action != Notify,
				was.Action.Permits() && is == was && !silent.Action.Permits():
				t.Errorf("%s(%#x): %s became %s, quiet says %s", name, args, was, is, silent)
			}
		}
	})
}
