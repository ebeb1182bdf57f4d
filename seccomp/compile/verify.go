package compile

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/bdd"
)

// maxNumber bounds the numbers whose names libseccomp is asked for.
const maxNumber = 1 << 11

// Verify compiles a profile as libcontainer does and proves that the filter is the profile: for every audit architecture, every
// number and all bits of all arguments the filter's result is the verdict of [seccomp.Profile.Evaluate], or what libcontainer and
// libseccomp put around it (ENOSYS above the last number, a killed thread for x32 and for another architecture). The error of
// a filter that differs names one call for which it does. The architecture is amd64 or arm64.
//
// It is not a test of chosen values: the filter is followed for all inputs at once. A profile that libseccomp compiles
// wrongly (two ranges on an argument) fails.
func Verify(p seccomp.Profile) error {
	arch, err := Arch(p.Arch)
	if err != nil {
		return fmt.Errorf("verify seccomp profile: %w", err)
	}
	s := p.ToOCI()
	program, err := Program(s, arch)
	if err != nil {
		return err
	}
	return VerifyProgram(p, program)
}

// VerifyProgram is [Verify] for a program that exists, such as one that PTRACE_SECCOMP_GET_FILTER read. It does not ask whether
// the kernel takes a program of its size.
func VerifyProgram(p seccomp.Profile, program []bpf.RawInstruction) error {
	arch, err := Arch(p.Arch)
	if err != nil {
		return fmt.Errorf("verify seccomp filter: %w", err)
	}
	g := bdd.New()
	got, err := function(g, program)
	if err != nil {
		return fmt.Errorf("verify seccomp filter: %w", err)
	}
	want, err := expected(g, p, arch)
	if err != nil {
		return fmt.Errorf("verify seccomp filter: %w", err)
	}
	got = g.Combine(got, got, func(ret, _ uint32) uint32 {
		v, err := Decode(ret)
		if err != nil {
			return ret
		}
		return bdd.VerdictLeaf(v)
	})
	if got == want {
		return nil
	}
	differ := g.Combine(got, want, func(x, y uint32) uint32 {
		if x == y {
			return 0
		}
		return 1
	})
	audit, nr, args, _ := g.Sample(differ)
	return fmt.Errorf("verify seccomp filter: %s: the filter gives %s, the profile %s", describe(arch, audit, nr, args),
		verdictAt(g, got, audit, nr, args), verdictAt(g, want, audit, nr, args))
}

func describe(arch libseccomp.ScmpArch, audit, nr uint32, args [6]uint64) string {
	name := "call"
	if n, err := libseccomp.ScmpSyscall(nr).GetNameByArch(arch); err == nil {
		name = n
	}
	return fmt.Sprintf("%s (number %d, architecture %#x, arguments %#x)", name, nr, audit, args)
}

func verdictAt(g *bdd.Graph, f bdd.Ref, audit, nr uint32, args [6]uint64) seccomp.Verdict {
	point := g.And(g.Equal(bdd.Arch, uint64(audit)), g.Equal(bdd.Number, uint64(nr)))
	for i, a := range args {
		point = g.And(point, g.Equal(bdd.Arg(uint8(i)), a))
	}
	for _, n := range g.Leaves(f) {
		if g.And(point, g.Where(f, func(x uint32) bool { return x == n })) != bdd.False {
			return bdd.LeafVerdict(n)
		}
	}
	return seccomp.Verdict{}
}

// expected is what a filter for the profile has to be.
func expected(g *bdd.Graph, p seccomp.Profile, arch libseccomp.ScmpArch) (bdd.Ref, error) {
	audit, err := Audit(arch)
	if err != nil {
		return 0, err
	}
	f := g.Leaf(bdd.VerdictLeaf(p.Default))
	for nr := range uint64(maxNumber) {
		name, err := libseccomp.ScmpSyscall(nr).GetNameByArch(arch)
		if err != nil || len(p.Call(name).Rules) == 0 {
			continue
		}
		f = g.If(g.Equal(bdd.Number, nr), g.Call(p, name), f)
	}
	kill := g.Leaf(bdd.VerdictLeaf(seccomp.Verdict{Action: seccomp.KillThread}))
	x32 := bdd.False
	if arch == libseccomp.ArchAMD64 {
		x32 = g.MaskedTouches(bdd.Number, x32Bit)
		// libseccomp kills from the first x32 number on, but not -1, which a tracer sets to skip a call.
		foreign := g.And(g.Not(g.Less(bdd.Number, x32Bit)), g.Not(g.Equal(bdd.Number, 1<<32-1)))
		f = g.If(foreign, kill, f)
	}
	s := p.ToOCI()
	if last := Last(s, arch); last > 0 && stubbed(s) {
		above := g.And(g.Not(g.Less(bdd.Number, uint64(last)+1)), g.Not(x32))
		f = g.If(above, g.Leaf(bdd.VerdictLeaf(seccomp.Verdict{Action: seccomp.Errno, Errno: 38})), f)
	}
	return g.If(g.Equal(bdd.Arch, uint64(audit)), f, kill), nil
}

// stubbed reports whether libcontainer puts its ENOSYS stub before the filter.
func stubbed(s *specs.LinuxSeccomp) bool {
	switch s.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
		return false
	}
	return true
}

// Arch is libseccomp's architecture for a GOARCH that this package can judge.
func Arch(goarch string) (libseccomp.ScmpArch, error) {
	switch goarch {
	case "amd64":
		return libseccomp.ArchAMD64, nil
	case "arm64":
		return libseccomp.ArchARM64, nil
	}
	return libseccomp.ArchInvalid, fmt.Errorf("architecture %q: want amd64 or arm64", goarch)
}
