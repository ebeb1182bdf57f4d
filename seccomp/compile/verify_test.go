package compile_test

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// For all inputs: the shipped profiles, the engines' profiles, and what create makes of them.
func TestVerify(t *testing.T) {
	for _, goarch := range []string{"amd64", "arm64"} {
		for _, name := range []string{"default", "restricted", "compatible"} {
			s, err := shipped(name)
			if err != nil {
				t.Fatal(err)
			}
			own, err := seccomp.FromOCI(s, goarch)
			if err != nil {
				t.Fatal(err)
			}
			if err := compile.Verify(own); err != nil {
				t.Errorf("%s on %s: %v", name, goarch, err)
			}
			for file, s := range engineProfiles(t) {
				engine, err := seccomp.FromOCI(s, goarch)
				if err != nil {
					t.Fatal(err)
				}
				if err := compile.Verify(engine); err != nil {
					t.Errorf("%s on %s: %v", file, goarch, err)
				}
				both, _ := seccomp.Intersect(engine, own)
				if err := compile.Verify(both); err != nil {
					t.Errorf("%s within %s on %s: %v", file, name, goarch, err)
				}
			}
		}
	}
}

// A program of another profile is found out, with the call that shows it.
func TestVerifyProgramFindsTheDifference(t *testing.T) {
	profile := func(value uint64) seccomp.Profile {
		p, err := seccomp.FromOCI(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
			{Names: []string{"read", "mseal"}, Action: specs.ActAllow},
			{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: value}}},
		}}, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	a := profile(7)
	arch, err := compile.Arch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	program, err := compile.Program(a.ToOCI(), arch)
	if err != nil {
		t.Fatal(err)
	}
	if err := compile.VerifyProgram(a, program); err != nil {
		t.Error(err)
	}
	err = compile.VerifyProgram(profile(1<<32|7), program)
	const want = "verify seccomp filter: ioctl (number 16, architecture 0xc000003e, arguments [0x0 0x7 0x0 0x0 0x0 0x0]): the filter gives SCMP_ACT_ALLOW, the profile SCMP_ACT_ERRNO(1)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	a.Arch = "s390x"
	if err := compile.Verify(a); err == nil || err.Error() != `verify seccomp profile: architecture "s390x": want amd64 or arm64` {
		t.Error(err)
	}
}

// libseccomp gets two ranges with different high words wrong (facts of issue 3): the proof says so, or it was mended.
func TestVerifyFindsMiscompiledRanges(t *testing.T) {
	p, err := seccomp.FromOCI(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpLessEqual, Value: 7}}},
		{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpGreaterEqual, Value: 0x200000005}}},
	}}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	err = compile.Verify(p)
	if err == nil {
		t.Skip("this libseccomp compiles the profile rightly")
	}
	if !strings.HasPrefix(err.Error(), "verify seccomp filter: ioctl (number 16, ") {
		t.Error(err)
	}
	t.Log(err)
}

func BenchmarkVerify(b *testing.B) {
	s, err := shipped("default")
	if err != nil {
		b.Fatal(err)
	}
	p, err := seccomp.FromOCI(s, "amd64")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := compile.Verify(p); err != nil {
			b.Fatal(err)
		}
	}
}
