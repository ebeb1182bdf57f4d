package record

import (
	"fmt"
	"math"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A field is where the kernel keeps a value, in bytes from the beginning of the outermost structure of its path.
type field struct {
	offset int16
	size   asm.Size
}

// load reads the field of the structure that src points to.
func (f field) load(dst, src asm.Register) asm.Instruction {
	return asm.LoadMem(dst, src, f.offset, f.size)
}

// A layout is what the programs read of the running kernel's structures.
type layout struct {
	filterCount, nsproxy, exitCode, signal field // of task_struct
	mountNS                                field // of nsproxy
	mountInode                             field // of mnt_namespace
	signalFlags                            field // of signal_struct
	number                                 field // of pt_regs, and the arguments as the caller gave them
	args                                   [6]field
	// foreign has a bit of foreignMask set while a call of another architecture is under way.
	foreign     field
	foreignMask int32
}

// A registers names what differs between architectures: members of pt_regs and of thread_info.
type registers struct {
	number      string
	args        [6]string
	foreign     string
	foreignMask int32
}

// registersOf is from arch/x86/include/asm/{syscall,thread_info}.h (TS_COMPAT) and arch/arm64/include/asm/{ptrace,
// thread_info}.h (TIF_32BIT). On arm64 the result replaces x0, so argument 0 is orig_x0.
var registersOf = map[string]registers{
	"amd64": {"orig_ax", [6]string{"di", "si", "dx", "r10", "r8", "r9"}, "status", 2},
	"arm64": {"syscallno", [6]string{"orig_x0", "regs[1]", "regs[2]", "regs[3]", "regs[4]", "regs[5]"}, "flags", 1 << 22},
}

// readLayout finds the fields in the kernel's type information.
func readLayout(types *btf.Spec, arch string) (layout, error) {
	r, ok := registersOf[arch]
	if !ok {
		return layout{}, fmt.Errorf("architecture %q is not supported, want amd64 or arm64", arch)
	}
	l := layout{foreignMask: r.foreignMask}
	paths := []struct {
		to   *field
		path string
	}{
		{&l.filterCount, "task_struct.seccomp.filter_count.counter"},
		{&l.nsproxy, "task_struct.nsproxy"},
		{&l.exitCode, "task_struct.exit_code"},
		{&l.signal, "task_struct.signal"},
		{&l.mountNS, "nsproxy.mnt_ns"},
		{&l.mountInode, "mnt_namespace.ns.inum"},
		{&l.signalFlags, "signal_struct.flags"},
		{&l.foreign, "task_struct.thread_info." + r.foreign},
		{&l.number, "pt_regs." + r.number},
	}
	for i, name := range r.args {
		paths = append(paths, struct {
			to   *field
			path string
		}{&l.args[i], "pt_regs." + name})
	}
	for _, p := range paths {
		f, err := findField(types, p.path)
		if err != nil {
			return layout{}, err
		}
		*p.to = f
	}
	return l, nil
}

// findField follows a path such as task_struct.seccomp.filter_count, or pt_regs.regs[1].
func findField(types *btf.Spec, path string) (field, error) {
	names := strings.Split(path, ".")
	var s *btf.Struct
	if err := types.TypeByName(names[0], &s); err != nil {
		return field{}, fmt.Errorf("find %q in the kernel's types: %w", path, err)
	}
	var t btf.Type = s
	offset := uint32(0)
	for _, name := range names[1:] {
		name, index := cutIndex(name)
		m, at, ok := member(t, name)
		if !ok {
			return field{}, fmt.Errorf("find %q in the kernel's types: %q has no member %q", path, t.TypeName(), name)
		}
		t, offset = btf.UnderlyingType(m), offset+at
		if a, ok := t.(*btf.Array); ok {
			size, err := btf.Sizeof(a.Type)
			if err != nil {
				return field{}, fmt.Errorf("find %q in the kernel's types: %w", path, err)
			}
			t, offset = btf.UnderlyingType(a.Type), offset+index*uint32(size) //nolint:gosec // sizes of the kernel's own types
		}
	}
	return fieldOf(path, t, offset)
}

func fieldOf(path string, t btf.Type, offset uint32) (field, error) {
	size, err := btf.Sizeof(t)
	if err != nil {
		return field{}, fmt.Errorf("find %q in the kernel's types: %w", path, err)
	}
	if offset > math.MaxInt16 {
		return field{}, fmt.Errorf("find %q in the kernel's types: offset %d, want at most %d", path, offset, math.MaxInt16)
	}
	sizes := map[int]asm.Size{1: asm.Byte, 2: asm.Half, 4: asm.Word, 8: asm.DWord}
	s, ok := sizes[size]
	if !ok {
		return field{}, fmt.Errorf("find %q in the kernel's types: its size is %d bytes, want a number or a pointer", path, size)
	}
	return field{int16(offset), s}, nil //nolint:gosec // bounded above
}

// cutIndex splits "regs[1]".
func cutIndex(name string) (string, uint32) {
	base, rest, ok := strings.Cut(name, "[")
	if !ok || len(rest) == 0 {
		return name, 0
	}
	return base, uint32(rest[0] - '0')
}

// member finds a member by name, also inside unnamed structures and unions, and gives its offset in bytes.
func member(t btf.Type, name string) (btf.Type, uint32, bool) {
	var members []btf.Member
	switch s := t.(type) {
	case *btf.Struct:
		members = s.Members
	case *btf.Union:
		members = s.Members
	}
	for _, m := range members {
		if m.Name == name && m.BitfieldSize == 0 {
			return m.Type, m.Offset.Bytes(), true
		}
		if m.Name != "" {
			continue
		}
		if found, at, ok := member(btf.UnderlyingType(m.Type), name); ok {
			return found, m.Offset.Bytes() + at, true
		}
	}
	return nil, 0, false
}
