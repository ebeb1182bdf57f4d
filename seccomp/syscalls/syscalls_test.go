package syscalls

import (
	"slices"
	"testing"

	libseccomp "github.com/seccomp/libseccomp-golang"
)

func TestNearest(t *testing.T) {
	for in, want := range map[string]string{
		"opentat": "openat", "raed": "read", "clone4": "clone", "Socket": "socket", "futex_wiat": "futex_wait",
		"completely_different": "", "": "", "xyzzyxyz": "",
	} {
		if got := Nearest(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	if names := read().names; !slices.IsSorted(names) || len(names) < 500 {
		t.Errorf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
	for arch, lib := range map[string]libseccomp.ScmpArch{"amd64": libseccomp.ArchAMD64, "arm64": libseccomp.ArchARM64} {
		for _, name := range Names(arch) {
			nr, ok := Number(arch, name)
			if back, _ := Name(arch, nr); !ok || back != name {
				t.Errorf("%s on %s: number %d, whose name is %q", name, arch, nr, back)
			}
		}
		for nr := range uint32(600) {
			if name, err := libseccomp.ScmpSyscall(nr).GetNameByArch(lib); err == nil {
				if got, _ := Name(arch, nr); got != name {
					t.Errorf("%s %d: got %q, libseccomp has %q", arch, nr, got, name)
				}
			}
		}
	}
	if _, ok := Number("arm64", "open"); ok {
		t.Error("arm64 has no open")
	}
	if _, ok := Number("vax", "read"); ok || Known("raed") || !Known("_llseek") {
		t.Error("an architecture or a name")
	}
}
