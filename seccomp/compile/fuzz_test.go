package compile_test

import (
	"math/rand/v2"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

// randomProfile has few names and values, so that rules meet. Ranges are left to the intersection, which rewrites them.
func randomProfile(r *rand.Rand, ops []specs.LinuxSeccompOperator) *specs.LinuxSeccomp {
	actions := []specs.LinuxSeccompAction{
		specs.ActAllow, specs.ActAllow, specs.ActErrno, specs.ActLog, specs.ActKillProcess, specs.ActTrap,
	}
	values := []uint64{0, 1, 2, 3, 5, 7, 40, 0x5412, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 5, 1 << 63, 1<<64 - 1}
	s := &specs.LinuxSeccomp{DefaultAction: pick(r, actions)}
	for range r.IntN(8) {
		c := specs.LinuxSyscall{Names: []string{pick(r, []string{"socket", "ioctl", "clone"})}, Action: pick(r, actions)}
		for i := range 1 + r.IntN(2) {
			c.Args = append(c.Args, specs.LinuxSeccompArg{
				Index: uint(i * r.IntN(3)), Op: pick(r, ops), Value: pick(r, values), ValueTwo: pick(r, values),
			})
		}
		s.Syscalls = append(s.Syscalls, c)
	}
	return s
}

// FuzzProgram proves that what the algebra prints compiles to what the algebra says, for the intersection of any two profiles,
// which is what create enforces.
func FuzzProgram(f *testing.F) {
	for i := range uint64(60) {
		f.Add(i, i*13)
	}
	exact := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual}
	all := append([]specs.LinuxSeccompOperator{specs.OpLessThan, specs.OpGreaterEqual, specs.OpGreaterThan, specs.OpLessEqual}, exact...)
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		a, err := seccomp.FromOCI(randomProfile(r, exact), "amd64")
		if err != nil {
			t.Fatal(err)
		}
		b, err := seccomp.FromOCI(randomProfile(r, all), "amd64")
		if err != nil {
			t.Fatal(err)
		}
		both, _ := seccomp.Intersect(a, b)
		agree(t, both, r)
	})
}

func agree(t *testing.T, p seccomp.Profile, r *rand.Rand) {
	t.Helper()
	s := p.ToOCI()
	if len(s.Syscalls) > 40 {
		return // libseccomp takes minutes for hundreds of rules with two arguments
	}
	program, err := compile.Program(s, libseccomp.ArchAMD64)
	if err != nil {
		t.Fatalf("%v in %+v", err, p)
	}
	if len(program) > 4096 {
		t.Skip("larger than the kernel takes")
	}
	if err := compile.VerifyProgram(p, program); err != nil {
		t.Fatal(err)
	}
	vm, err := compile.NewMachine(program)
	if err != nil {
		t.Fatal(err)
	}
	last := compile.Last(s, libseccomp.ArchAMD64)
	values := points(s)
	for _, name := range []string{"socket", "ioctl", "clone"} {
		nr, err := libseccomp.GetSyscallFromName(name)
		if err != nil {
			t.Fatal(err)
		}
		if int(nr) > last {
			continue // the stub answers
		}
		for range 150 {
			var args [6]uint64
			for i := range args {
				args[i] = values[r.IntN(len(values))]
			}
			got, err := vm.Run(compile.AuditAMD64, uint32(nr), args)
			if err != nil {
				t.Fatal(err)
			}
			if want := p.Evaluate(name, args); got != want {
				t.Fatalf("%s%#x: the filter gives %v, the model %v, in %+v", name, args, got, want, p.Call(name))
			}
		}
	}
}
