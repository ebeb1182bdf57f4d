package record

import (
	"fmt"
	"math"
	"runtime"

	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// libArchs are libseccomp's words for a GOARCH and for the 32-bit architecture that the same machine may run.
var libArchs = map[string][2]libseccomp.ScmpArch{
	"amd64": {libseccomp.ArchAMD64, libseccomp.ArchX86},
	"arm64": {libseccomp.ArchARM64, libseccomp.ArchARM},
}

// callName is the name of a number on an architecture, and whether libseccomp knows it: a filter that libseccomp compiles has no
// rules for other names. foreign is for the 32-bit architecture.
func callName(number uint32, arch string, foreign bool) (name string, known bool) {
	a := libArchs[arch][0]
	if foreign {
		a = libArchs[arch][1]
	}
	if number < numbers {
		if name, err := libseccomp.ScmpSyscall(number).GetNameByArch(a); err == nil && name != "" {
			return name, true
		}
	}
	if !foreign {
		if name, ok := syscalls.Name(arch, number); ok {
			return name, false
		}
	}
	return fmt.Sprintf("system call %d", number), false
}

// foreignName is the name of a call of the machine's 32-bit architecture (1) or of x32 (2), or empty.
func foreignName(kind int, number uint32) string {
	a := libArchs[runtime.GOARCH][1]
	if kind == 2 {
		a = libseccomp.ArchX32
	}
	if number > math.MaxInt32 {
		return ""
	}
	name, err := libseccomp.ScmpSyscall(number).GetNameByArch(a)
	if err != nil {
		return ""
	}
	return name
}
