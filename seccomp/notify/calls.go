package notify

import (
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// x32Bit marks the numbers of the x32 ABI (asm/unistd.h).
const x32Bit = 1 << 30

// A machine is what this program's architecture is called elsewhere.
type machine struct {
	audit        uint32
	arch, compat specs.Arch
	compatLib    libseccomp.ScmpArch
}

func thisMachine() machine {
	if runtime.GOARCH == "arm64" {
		return machine{compile.AuditARM64, specs.ArchAARCH64, specs.ArchARM, libseccomp.ArchARM}
	}
	return machine{compile.AuditAMD64, specs.ArchX86_64, specs.ArchX86, libseccomp.ArchX86}
}

// identify names a call. arch is empty for a native one. The filters made here kill a thread that makes another, but one that
// somebody else made may notify it.
func (m machine) identify(audit, number uint32) (arch specs.Arch, name string) {
	switch {
	case audit != m.audit:
		name, err := libseccomp.ScmpSyscall(number).GetNameByArch(m.compatLib)
		if err != nil {
			name = ""
		}
		return m.compat, name
	case m.arch == specs.ArchX86_64 && number&x32Bit != 0:
		name, err := libseccomp.ScmpSyscall(number).GetNameByArch(libseccomp.ArchX32)
		if err != nil {
			name = ""
		}
		return specs.ArchX32, name
	}
	name, ok := syscalls.Name(runtime.GOARCH, number)
	if !ok {
		if lib, err := libseccomp.ScmpSyscall(number).GetName(); err == nil {
			name = lib
		}
	}
	return "", name
}

// starts tells whether a call is one that replaces the launcher by the workload.
func starts(n Notification) bool {
	return n.Arch == thisMachine().audit && (n.Number == unix.SYS_EXECVE || n.Number == unix.SYS_EXECVEAT)
}
