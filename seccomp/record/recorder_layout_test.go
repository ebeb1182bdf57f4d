package record

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// TestRecorderLayoutOfArm64 finds what the recorder reads beside the watcher, and what is missing on an older kernel.
func TestRecorderLayoutOfArm64(t *testing.T) {
	counter := structure("", 4, at(0, "counter", number(4)))
	set := structure("", 8, at(0, "sig", &btf.Array{Index: number(4), Type: number(8), Nelems: 1}))
	members := []btf.Member{
		at(3000, "seccomp", structure("seccomp", 16, at(0, "mode", number(4)), at(4, "filter_count", counter))),
		at(3100, "pid", number(4)),
		at(3200, "comm", &btf.Array{Index: number(4), Type: number(1), Nelems: 16}),
		at(3300, "ptrace", number(4)),
		at(3400, "pending", structure("sigpending", 24, at(16, "signal", set))),
	}
	l, err := readRecorderLayout(armTypes(t, members...), "arm64")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string][2]field{
		"pid": {l.pid, {3100, asm.Word}}, "comm": {l.comm, {3200, asm.Byte}}, "ptrace": {l.ptrace, {3300, asm.Word}}, "pending": {l.pending, {3416, asm.DWord}},
		"filter_count": {l.filterCount, {3004, asm.Word}},
	} {
		if f[0] != f[1] {
			t.Errorf("%s is at %+v, want %+v", name, f[0], f[1])
		}
	}
	_, err = readRecorderLayout(armTypes(t, members[0]), "arm64")
	if want := `find "task_struct.pid" in the kernel's types: "task_struct" has no member "pid"`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestRecorderPrograms are whole on every architecture: each jump leads to one place.
func TestRecorderPrograms(t *testing.T) {
	requireBPF(t)
	maps, err := newRecorderMaps(usualSizes())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = maps.close() }()
	for arch, m := range machineOf {
		p := recorderProgram{machine: m, maps: maps, sizes: usualSizes()}
		for name, code := range map[string]asm.Instructions{
			"enter": p.enter(), "exit": p.exit(), "exec": p.exec(), "fork": p.fork(), "death": p.death(), "gone": p.gone(), "scan": p.scan(),
		} {
			symbols, err := code.SymbolOffsets()
			if err != nil {
				t.Errorf("%s of %s: %v", name, arch, err)
			}
			for to := range code.ReferenceOffsets() {
				if _, ok := symbols[to]; !ok {
					t.Errorf("%s of %s jumps to %q, which is nowhere", name, arch, to)
				}
			}
		}
	}
}

// TestArgumentTable has a record for every call of recording.ArgumentsOf that an architecture knows.
func TestArgumentTable(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		table, err := argumentTable(arch)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, r := range table {
			if r.Kept == kept {
				n++
			}
		}
		if n < 20 {
			t.Errorf("%s: arguments of %d calls are kept, want at least 20", arch, n)
		}
	}
	if _, err := newArgumentRecord([]int{3}, []uint64{1}); err == nil || err.Error() != "BUG: argument 3 is to be recorded, the programs keep the first 3" {
		t.Errorf("got %v", err)
	}
}
