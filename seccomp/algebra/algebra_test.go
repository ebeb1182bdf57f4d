package algebra

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// milder is a total order: ENOSYS before the other numbers, then the smaller one.
func TestMilder(t *testing.T) {
	order := []seccomp.Verdict{
		{Action: seccomp.Allow}, {Action: seccomp.Log}, {Action: seccomp.Notify}, {Action: seccomp.Errno, Errno: 38},
		{Action: seccomp.Errno, Errno: 1}, {Action: seccomp.Errno, Errno: 93}, {Action: seccomp.Trap}, {Action: seccomp.KillProcess},
	}
	for i, a := range order {
		for j, b := range order {
			if got, want := milder(a, b), order[min(i, j)]; got != want {
				t.Errorf("%v and %v: got %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestUnionErrors(t *testing.T) {
	p := func(arch, path string) seccomp.Profile {
		s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, ListenerPath: path, Syscalls: []specs.LinuxSyscall{{Names: []string{"mount"}, Action: specs.ActNotify}}}
		p, err := seccomp.FromOCI(s, arch)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	_, _, err := Union(p("amd64", "/a"), p("amd64", "/b"))
	if err == nil || err.Error() != `merge seccomp profiles: they have different listeners, "/a" and "/b"` {
		t.Error(err)
	}
	_, _, err = Union(p("amd64", "/a"), p("arm64", "/a"))
	if err == nil || err.Error() != `merge seccomp profiles: the architectures differ, "amd64" and "arm64"` {
		t.Error(err)
	}
	_, _, err = Difference(p("amd64", "/a"), p("arm64", "/a"))
	if err == nil || err.Error() != `subtract seccomp profiles: the architectures differ, "amd64" and "arm64"` {
		t.Error(err)
	}
	if u, _, err := Union(p("amd64", "/a"), p("amd64", "")); err != nil || u.ListenerPath != "/a" {
		t.Errorf("got %q, %v", u.ListenerPath, err)
	}
}

// One NE stays as it is; two in a call become MASKED_EQ, because libseccomp may compile them wrongly side by side.
func TestCanonicalUnequal(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 0} {
		c := specs.LinuxSyscall{Names: []string{"ioctl"}, Action: specs.ActAllow}
		for i := range n {
			c.Args = append(c.Args, specs.LinuxSeccompArg{Index: uint(i), Op: specs.OpNotEqual, Value: 0})
		}
		if n == 2 { // keep the product small
			c.Args = []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpNotEqual, Value: 5}}
		}
		s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{c}}
		if n == 2 {
			s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: c.Names, Action: specs.ActLog, Args: []specs.LinuxSeccompArg{
				{Index: 0, Op: specs.OpNotEqual, Value: 7}, {Index: 1, Op: specs.OpEqualTo, Value: 5},
			}})
		}
		p, err := seccomp.FromOCI(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		got, notes := Canonical(p)
		if len(notes) > 0 && n == 1 {
			t.Error(notes)
		}
		if u := countUnequal(got.Calls[0].Rules); u != want && len(notes) == 0 {
			t.Errorf("%d NE conditions become %d, want %d: %v", n, u, want, got.Calls[0].Rules)
		}
		if !Equal(got, p) {
			t.Error("another meaning")
		}
		t.Log(len(got.Calls[0].Rules), notes)
	}
}
