package compile

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"
)

// architectures are those that runc adds for engines on amd64 and arm64.
var architectures = map[specs.Arch]libseccomp.ScmpArch{
	specs.ArchX86: libseccomp.ArchX86, specs.ArchX86_64: libseccomp.ArchAMD64, specs.ArchX32: libseccomp.ArchX32,
	specs.ArchARM: libseccomp.ArchARM, specs.ArchAARCH64: libseccomp.ArchARM64,
}

// ProgramForAll compiles a profile for every architecture that it names, as runc does and bulkhead does not. The program has no
// ENOSYS stub and nothing here can judge it: it is for comparing sizes and times.
func ProgramForAll(s *specs.LinuxSeccomp, layout Layout) ([]bpf.RawInstruction, error) {
	def, err := action(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	filter, err := libseccomp.NewFilter(def)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	defer filter.Release()
	for i, name := range s.Architectures {
		arch, ok := architectures[name]
		if !ok {
			return nil, fmt.Errorf("compile seccomp profile: linux.seccomp.architectures[%d]: %q is not of amd64 or arm64", i, name)
		}
		if err := filter.AddArch(arch); err != nil {
			return nil, fmt.Errorf("compile seccomp profile: linux.seccomp.architectures[%d]: %w", i, err)
		}
	}
	if err := fill(filter, s, def, layout); err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	program, err := export(filter)
	if err != nil {
		return nil, fmt.Errorf("export seccomp filter: %w", err)
	}
	return program, nil
}
