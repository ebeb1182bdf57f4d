package compile_test

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// known is like what a recording of a server has.
func known(arch specs.Arch) *specs.LinuxSeccomp {
	value := func(index uint, mask uint64, values ...uint64) []specs.LinuxSyscall {
		var out []specs.LinuxSyscall
		for _, v := range values {
			out = append(out, specs.LinuxSyscall{Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: index, Value: mask, ValueTwo: v, Op: specs.OpMaskedEqual}}})
		}
		return out
	}
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: []specs.Arch{arch}, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"read", "write", "close", "fstat", "epoll_pwait", "openat", "unshare", "bpf", "clone3"}, Action: specs.ActAllow},
	}}
	for name, rules := range map[string][]specs.LinuxSyscall{
		"mmap": value(2, 6, 0, 2, 4), "mprotect": value(2, 6, 0, 4), "futex": value(1, 0xffffffff, 0x80, 0x81, 0x189), "ioctl": value(1, 0xffffffff, 0x5401, 0x541b),
		"clone": value(0, 0xffffff00, 0x3d0f00, 0x1200000), "socket": value(0, 0xffffffff, 1, 2), "fcntl": value(1, 0xffffffff, 1, 2, 3, 4), "madvise": value(2, 0xffffffff, 4),
		"prctl": value(0, 0xffffffff, 15, 38), "personality": value(0, 0xffffffff, 0xffffffff),
	} {
		for _, r := range rules {
			r.Names = []string{name}
			s.Syscalls = append(s.Syscalls, r)
		}
	}
	return s
}

// TestWatchIsProven follows the filters under which workloads are watched for all inputs: what a shipped profile denies is denied in
// the same way, and what it permits is permitted or asked about.
func TestWatchIsProven(t *testing.T) {
	for _, name := range []string{"default", "restricted", "compatible"} {
		for _, m := range machines {
			s, err := shipped(name)
			if err != nil {
				t.Fatal(err)
			}
			p, err := seccomp.FromOCI(s, m.goarch)
			if err != nil {
				t.Fatal(err)
			}
			p, _ = seccomp.Intersect(p, p)
			quiet, err := seccomp.FromOCI(known(p.ToOCI().Architectures[0]), m.goarch)
			if err != nil {
				t.Fatal(err)
			}
			for what, q := range map[string]seccomp.Profile{"known": quiet, "nothing known": {Arch: m.goarch, Default: seccomp.Verdict{Action: seccomp.Errno, Errno: 1}}} {
				w, err := seccomp.Watch(p, q)
				if err != nil {
					t.Fatal(err)
				}
				if err := compile.Verify(w); err != nil {
					t.Errorf("%s, %s, %s: %v", name, m.goarch, what, err)
				}
				for _, c := range algebra.Changes(p, w) {
					if !c.A.Action.Permits() || c.B.Action != seccomp.Notify {
						t.Errorf("%s, %s, %s: %s %s became %s", name, m.goarch, what, c.Name, c.A, c.B)
					}
				}
			}
		}
	}
}
