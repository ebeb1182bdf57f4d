package integration

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	libseccomp "github.com/seccomp/libseccomp-golang"
)

// A callRecorder counts the system calls of all processes of a cgroup that have a seccomp filter, and those of them that
// the filter denied. A runtime's own work before it loads the filter is left out; its few calls between that and the
// workload's execve are in.
//
// seccomp comes before the tracepoint raw_syscalls:sys_enter and denied calls still meet sys_exit: an exit with an errno and
// without an entry is a denial.
type callRecorder struct {
	made, denied *ebpf.Map
	closers      []func() error
}

// recordedCalls bounds the numbers that are counted.
const recordedCalls = 1024

// A tally is how often each call was made.
type callTally map[string]uint64

func (c callTally) names() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// newCallRecorder watches the cgroup v2 directory of a cgroup path. The error says what the host lacks: a tree of version 2
// (hybrid hosts have one), BTF, or the right to load programs.
func newCallRecorder(path string) (*callRecorder, error) {
	dir := filepath.Join("/sys/fs/cgroup/unified", path)
	if unified() {
		dir = filepath.Join("/sys/fs/cgroup", path)
	} else if _, err := os.Stat("/sys/fs/cgroup/unified/cgroup.procs"); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a cgroup
		return nil, err
	}
	at, err := findOffsets()
	if err != nil {
		return nil, err
	}
	r := &callRecorder{}
	if err := r.load(dir, at); err != nil {
		_ = r.close()
		return nil, err
	}
	return r, nil
}

// offsets are where the kernel keeps what the programs read.
type offsets struct {
	filters uint32 // the count of filters in a task_struct
	number  uint32 // the call's number in a pt_regs
}

func findOffsets() (offsets, error) {
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return offsets{}, err
	}
	task, err := memberOffset(spec, "task_struct", "seccomp")
	if err != nil {
		return offsets{}, err
	}
	count, err := memberOffset(spec, "seccomp", "filter_count")
	if err != nil {
		return offsets{}, err
	}
	number := map[string]string{"amd64": "orig_ax", "arm64": "syscallno"}[runtime.GOARCH]
	regs, err := memberOffset(spec, "pt_regs", number)
	return offsets{task + count, regs}, err
}

// memberOffset also looks into nameless structures.
func memberOffset(spec *btf.Spec, name, member string) (uint32, error) {
	var s *btf.Struct
	if err := spec.TypeByName(name, &s); err != nil {
		return 0, err
	}
	for _, m := range s.Members {
		if m.Name == member {
			return m.Offset.Bytes(), nil
		}
	}
	return 0, fmt.Errorf("find member %q of %q: the kernel has none", member, name)
}

func (r *callRecorder) load(dir string, at offsets) error {
	group, err := r.newMap(ebpf.CGroupArray, 4, 1)
	if err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := group.Put(uint32(0), uint32(f.Fd())); err != nil {
		return err
	}
	if r.made, err = r.newMap(ebpf.Array, 8, recordedCalls); err != nil {
		return err
	}
	if r.denied, err = r.newMap(ebpf.Array, 8, recordedCalls); err != nil {
		return err
	}
	pending, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.LRUHash, KeySize: 8, ValueSize: 8, MaxEntries: 1 << 15})
	if err != nil {
		return err
	}
	r.closers = append(r.closers, pending.Close)
	if err := r.attach("sys_exit", exitProgram(group, r.denied, pending, at)); err != nil {
		return err
	}
	return r.attach("sys_enter", enterProgram(group, r.made, pending, at))
}

func (r *callRecorder) newMap(kind ebpf.MapType, size, entries uint32) (*ebpf.Map, error) {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: kind, KeySize: 4, ValueSize: size, MaxEntries: entries})
	if err == nil {
		r.closers = append(r.closers, m.Close)
	}
	return m, err
}

func (r *callRecorder) attach(tracepoint string, program asm.Instructions) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "GPL", Instructions: program})
	if err != nil {
		return fmt.Errorf("load program for %s: %w", tracepoint, err)
	}
	defer func() { _ = p.Close() }() // the attachment holds it
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: tracepoint, Program: p})
	if err != nil {
		return fmt.Errorf("attach to %s: %w", tracepoint, err)
	}
	r.closers = append(r.closers, l.Close)
	return nil
}

func (r *callRecorder) close() error {
	var err error
	for _, c := range slices.Backward(r.closers) {
		err = cmp.Or(err, c())
	}
	return err
}

// take gives what was counted since the last time.
func (r *callRecorder) take(t testing.TB) (made, denied callTally) {
	t.Helper()
	return takeTally(t, r.made), takeTally(t, r.denied)
}

func takeTally(t testing.TB, m *ebpf.Map) callTally {
	t.Helper()
	out := callTally{}
	for nr := range uint32(recordedCalls) {
		var n uint64
		err := m.Lookup(nr, &n)
		if err == nil && n > 0 {
			name, nameErr := libseccomp.ScmpSyscall(int32(nr)).GetName()
			if nameErr != nil {
				name = fmt.Sprint(nr)
			}
			out[name] = n
			err = m.Put(nr, uint64(0))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}
