package compile_test

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// Every allowed call of every profile is answered from the kernel's bitmap, and nothing else is: in either layout.
func TestConstAllow(t *testing.T) {
	for _, goarch := range []string{"amd64", "arm64"} {
		arch, err := compile.Arch(goarch)
		if err != nil {
			t.Fatal(err)
		}
		profiles := engineProfiles(t)
		for _, name := range []string{"default", "restricted", "compatible"} {
			if profiles[name], err = shipped(name); err != nil {
				t.Fatal(err)
			}
		}
		for name, s := range profiles {
			p, err := seccomp.FromOCI(s, goarch)
			if err != nil {
				t.Fatal(err)
			}
			for _, layout := range []compile.Layout{compile.LikeRunc, compile.Linear, compile.Tree} {
				program, err := compile.ProgramAs(p.ToOCI(), arch, layout)
				if err != nil {
					t.Fatal(err)
				}
				if err := compile.VerifyProgram(p, program); err != nil {
					t.Errorf("%s on %s, layout %d: %v", name, goarch, layout, err)
				}
				st, err := compile.Stat(p, program)
				if err != nil {
					t.Fatal(err)
				}
				if len(st.Missed) > 0 || st.Constant != st.Allowed {
					t.Errorf("%s on %s, layout %d: %d allowed, %d constant, missed %v", name, goarch, layout, st.Allowed, st.Constant, st.Missed)
				}
				t.Logf("%s %s layout %d: %+v", name, goarch, layout, st)
			}
		}
	}
}

// An unconditional LOG runs the program each time, and so does what looks at an argument.
func TestStat(t *testing.T) {
	p, err := seccomp.FromOCI(&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{
		{Names: []string{"read", "write", "mseal"}, Action: specs.ActAllow},
		{Names: []string{"getpid"}, Action: specs.ActLog},
		{Names: []string{"ioctl"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 1, Op: specs.OpEqualTo, Value: 7}}},
	}}, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	arch, err := compile.Arch("amd64")
	if err != nil {
		t.Fatal(err)
	}
	program, err := compile.Program(p.ToOCI(), arch)
	if err != nil {
		t.Fatal(err)
	}
	st, err := compile.Stat(p, program)
	if err != nil {
		t.Fatal(err)
	}
	if st.Constant != 2 || st.Allowed != 3 || st.Conditional != 1 || len(st.Missed) != 1 || st.Missed[0] != "getpid" || st.MostSteps > st.Instructions {
		t.Errorf("got %+v", st)
	}
}
