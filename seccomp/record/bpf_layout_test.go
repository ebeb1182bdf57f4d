package record

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

func number(size uint32) *btf.Int { return &btf.Int{Name: "number", Size: size} }

func structure(name string, size uint32, members ...btf.Member) *btf.Struct {
	return &btf.Struct{Name: name, Size: size, Members: members}
}

func at(offset uint32, name string, t btf.Type) btf.Member {
	return btf.Member{Name: name, Type: t, Offset: btf.Bits(offset * 8)}
}

// armTypes are a kernel's structures as arm64 has them, with made-up offsets.
func armTypes(t *testing.T, task ...btf.Member) *btf.Spec {
	t.Helper()
	user := structure("", 272, at(0, "regs", &btf.Array{Index: number(4), Type: number(8), Nelems: 31}), at(248, "sp", number(8)))
	ns := structure("ns_common", 24, at(16, "inum", number(4)))
	mnt := structure("mnt_namespace", 64, at(8, "ns", ns))
	proxy := structure("nsproxy", 64, at(24, "mnt_ns", &btf.Pointer{Target: mnt}))
	signal := structure("signal_struct", 128, at(100, "flags", number(4)))
	members := append([]btf.Member{
		at(0, "thread_info", structure("thread_info", 32, at(0, "flags", number(8)))),
		at(64, "exit_code", number(4)),
		at(72, "nsproxy", &btf.Pointer{Target: proxy}),
		at(80, "signal", &btf.Pointer{Target: signal}),
	}, task...)
	regs := structure("pt_regs", 336,
		at(0, "", &btf.Union{Size: 272, Members: []btf.Member{at(0, "user_regs", user), at(0, "", user)}}),
		at(272, "orig_x0", number(8)), at(280, "syscallno", number(4)))
	b, err := btf.NewBuilder([]btf.Type{structure("task_struct", 4096, members...), mnt, proxy, signal, regs})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestLayoutOfArm64(t *testing.T) {
	counter := structure("", 4, at(0, "counter", number(4)))
	spec := armTypes(t, at(3000, "seccomp", structure("seccomp", 16, at(0, "mode", number(4)), at(4, "filter_count", counter))))
	got, err := readLayout(spec, "arm64")
	want := layout{
		filterCount: field{3004, asm.Word}, nsproxy: field{72, asm.DWord}, exitCode: field{64, asm.Word}, signal: field{80, asm.DWord},
		mountNS: field{24, asm.DWord}, mountInode: field{24, asm.Word}, signalFlags: field{100, asm.Word},
		number:  field{280, asm.Word},
		args:    [6]field{{272, asm.DWord}, {8, asm.DWord}, {16, asm.DWord}, {24, asm.DWord}, {32, asm.DWord}, {40, asm.DWord}},
		foreign: field{0, asm.DWord}, foreignMask: 1 << 22,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestLayoutErrors(t *testing.T) {
	for _, test := range []struct {
		name, arch, want string
		task             btf.Member
	}{
		{"old kernel", "arm64", `find "task_struct.seccomp.filter_count.counter" in the kernel's types: "seccomp" has no member "filter_count"`,
			at(3000, "seccomp", structure("seccomp", 16, at(0, "mode", number(4))))},
		{"far away", "arm64", `find "task_struct.seccomp.filter_count.counter" in the kernel's types: offset 70000, want at most 32767`,
			at(70000, "seccomp", structure("seccomp", 4, at(0, "filter_count", structure("", 4, at(0, "counter", number(4))))))},
		{"not a number", "arm64", `find "task_struct.seccomp.filter_count.counter" in the kernel's types: its size is 12 bytes, want a number or a pointer`,
			at(3000, "seccomp", structure("seccomp", 12, at(0, "filter_count", structure("", 12, at(0, "counter", structure("x", 12))))))},
		{"architecture", "riscv64", `architecture "riscv64" is not supported, want amd64 or arm64`, at(3000, "seccomp", number(4))},
	} {
		if _, err := readLayout(armTypes(t, test.task), test.arch); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// TestLayoutOfThisKernel reads the running kernel's types.
func TestLayoutOfThisKernel(t *testing.T) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("this kernel shows no types: %v", err)
	}
	l, err := readLayout(types, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOARCH == "amd64" && (l.number != field{120, asm.DWord} || l.args[0] != field{112, asm.DWord}) {
		t.Errorf("orig_ax at %v, di at %v: both are of the stable struct pt_regs", l.number, l.args[0])
	}
}
