package compile_test

import (
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// The default profile in sentences.
func TestDefaultVerdicts(t *testing.T) {
	own, err := shipped("default")
	if err != nil {
		t.Fatal(err)
	}
	p, err := seccomp.FromOCI(own, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	const high = 1 << 32
	allow, eperm := seccomp.Verdict{Action: seccomp.Allow}, seccomp.Verdict{Action: seccomp.Errno, Errno: 1}
	enosys, eproto := seccomp.Verdict{Action: seccomp.Errno, Errno: 38}, seccomp.Verdict{Action: seccomp.Errno, Errno: 93}
	for _, c := range []struct {
		name string
		args [6]uint64
		want seccomp.Verdict
	}{
		{"read", [6]uint64{}, allow},
		{"clone", [6]uint64{0x3d0f00}, allow},
		{"clone", [6]uint64{0x10000000}, eperm},
		{"clone", [6]uint64{high | 0x3d0f00}, allow},
		{"clone", [6]uint64{high | 0x00020000}, eperm},
		{"clone3", [6]uint64{}, enosys},
		{"unshare", [6]uint64{}, eperm},
		{"socket", [6]uint64{1, 1, 0}, allow},
		{"socket", [6]uint64{2, 1, 6}, allow},
		{"socket", [6]uint64{10, 2, 0}, allow},
		{"socket", [6]uint64{16, 3, 0}, allow},
		{"socket", [6]uint64{16, 3, 9}, eproto},
		{"socket", [6]uint64{16, 3, high}, eproto},
		{"socket", [6]uint64{38, 5, 0}, eperm},
		{"socket", [6]uint64{high | 38, 5, 0}, eperm},
		{"socket", [6]uint64{40, 1, 0}, eperm},
		{"socketpair", [6]uint64{1, 1, 0}, allow},
		{"socketpair", [6]uint64{30, 1, 0}, eperm},
		{"personality", [6]uint64{0xffffffff}, allow},
		{"personality", [6]uint64{0x0040000}, eperm},
		{"arch_prctl", [6]uint64{0x1002}, allow},
		{"arch_prctl", [6]uint64{0x1012}, eperm},
		{"io_uring_setup", [6]uint64{}, eperm},
		{"futex_waitv", [6]uint64{}, enosys},
	} {
		if got := p.Evaluate(c.name, c.args); got != c.want {
			t.Errorf("%s%#x: got %v, want %v", c.name, c.args, got, c.want)
		}
	}
	denied := map[uint64]bool{0x5412: true, 0x541c: true, 0x541d: true, 0x5423: true}
	for request := range uint64(1 << 16) {
		for _, bits := range []uint64{0, high, 0xffffffff << 32, 1 << 63} {
			want := allow
			if denied[request] {
				want = eperm
			}
			if got := p.Evaluate("ioctl", [6]uint64{3, request | bits}); got != want {
				t.Fatalf("ioctl %#x: got %v, want %v", request|bits, got, want)
			}
		}
	}
}
