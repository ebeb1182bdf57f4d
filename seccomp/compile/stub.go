package compile

import (
	"fmt"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"
)

// Audit architectures (include/uapi/linux/audit.h), as seccomp_data.arch holds them.
const (
	AuditAMD64 uint32 = 0xc000003e
	AuditARM64 uint32 = 0xc00000b7
	AuditI386  uint32 = 0x40000003
)

// x32Bit marks the numbers of the x32 ABI, which shares its audit architecture with amd64.
const x32Bit = 1 << 30

// Results of a filter, without their data (seccomp(2)).
const (
	retErrno  uint32 = 0x00050000
	retENOSYS        = retErrno | 38
)

// Audit returns the audit architecture of amd64 and arm64.
func Audit(arch libseccomp.ScmpArch) (uint32, error) {
	switch arch {
	case libseccomp.ArchAMD64:
		return AuditAMD64, nil
	case libseccomp.ArchARM64:
		return AuditARM64, nil
	}
	return 0, fmt.Errorf("no audit architecture for %s", arch)
}

// Last is the largest number of a name in the profile that libseccomp knows, -1 without any. libcontainer's stub answers ENOSYS
// above it. Rules that give the default action count too.
func Last(s *specs.LinuxSeccomp, arch libseccomp.ScmpArch) int {
	last := -1
	for _, c := range s.Syscalls {
		for _, name := range c.Names {
			if nr, err := libseccomp.GetSyscallFromNameByArch(name, arch); err == nil {
				last = max(last, int(nr))
			}
		}
	}
	return last
}

// stub is what libcontainer puts in front of a filter whose default action denies: a number above the last one that the
// profile names gets ENOSYS. The numbers of x32 and other architectures go on to the filter.
func stub(s *specs.LinuxSeccomp, arch libseccomp.ScmpArch) ([]bpf.RawInstruction, error) {
	switch s.DefaultAction {
	case specs.ActAllow, specs.ActLog, specs.ActTrace:
		return nil, nil
	}
	audit, err := Audit(arch)
	last := Last(s, arch)
	if err != nil || last <= 0 {
		return nil, err
	}
	mask := uint32(0)
	if arch == libseccomp.ArchAMD64 {
		mask = x32Bit
	}
	return bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 4, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: audit, SkipFalse: 4},
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: mask, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(last), SkipFalse: 1},
		bpf.RetConstant{Val: retENOSYS},
	})
}
