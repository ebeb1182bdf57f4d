package record

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// recorderSizes bound what a container can make the kernel hold for its recorder.
type recorderSizes struct {
	// odd is how many numbers without a cell are counted.
	odd uint32
	// combinations of one call's arguments; held is how many the table has room for, of all calls together.
	combinations int32
	held         uint32
	// shards is a power of two.
	shards int32
}

// maxShards bounds the memory: a shard has 96 KiB.
const maxShards = 16

func usualSizes() recorderSizes {
	s := recorderSizes{odd: 256, combinations: recording.Limit, held: 32 * recording.Limit, shards: 1}
	for int(s.shards) < min(runtime.NumCPU(), maxShards) {
		s.shards *= 2
	}
	return s
}

// recorderMaps are what the programs share with the reader.
type recorderMaps struct {
	marks        *ebpf.Map // [0]: a byte for each ID of a thread, see recorderProgram.mark
	cells        *ebpf.Map // [0]: shards of phases of architectures of cells
	odd          *ebpf.Map // oddKey -> cell, for numbers without one
	arguments    *ebpf.Map // [0]: an argumentRecord for each native number
	combinations *ebpf.Map // combination -> count
	control      *ebpf.Map // [0]: see atBegan and so on
	phase        *ebpf.Map // [0]: which it is, which call began it, when
}

func (m recorderMaps) list() []*ebpf.Map {
	return []*ebpf.Map{m.marks, m.cells, m.odd, m.arguments, m.combinations, m.control, m.phase}
}

func (m recorderMaps) close() error {
	var errs []error
	for _, x := range m.list() {
		if x != nil {
			errs = append(errs, x.Close())
		}
	}
	return errors.Join(errs...)
}

func newRecorderMaps(s recorderSizes) (m recorderMaps, err error) {
	table := func(name string, size uint32) ebpf.MapSpec {
		return ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: size, MaxEntries: 1}
	}
	specs := []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&m.control, table("bulkhead_ctl", controlSize)},
		{&m.phase, table("bulkhead_phase", phaseRecordSize)},
		{&m.marks, table("bulkhead_marks", marks)},
		{&m.cells, table("bulkhead_cells", uint32(s.shards)*shardSize)}, //nolint:gosec // small and positive
		{&m.odd, ebpf.MapSpec{Name: "bulkhead_odd", Type: ebpf.Hash, KeySize: 16, ValueSize: cellSize, MaxEntries: s.odd}},
		{&m.arguments, table("bulkhead_args", cellNumbers*argumentsSize)},
		{&m.combinations, ebpf.MapSpec{Name: "bulkhead_combi", Type: ebpf.Hash, KeySize: comboKey, ValueSize: 8, MaxEntries: s.held}},
	}
	for _, s := range specs {
		if *s.to, err = ebpf.NewMap(&s.spec); err != nil {
			return m, errors.Join(fmt.Errorf("make map %q: %w", s.spec.Name, hostCause(err)), m.close())
		}
	}
	return m, nil
}

// argumentTable says for every native call which of its arguments are kept.
func argumentTable(arch string) ([]argumentRecord, error) {
	table := make([]argumentRecord, cellNumbers)
	for _, name := range syscalls.Names(arch) {
		r, ok := recording.ArgumentsOf(name)
		number, _ := syscalls.Number(arch, name)
		if !ok || number >= cellNumbers {
			continue
		}
		record, err := newArgumentRecord(r.Indices, r.Masks)
		if err != nil {
			return nil, err
		}
		table[number] = record
	}
	return table, nil
}

// A recorderProbe is the recorder's half in the kernel. It hangs on this process's descriptors as a probe does.
type recorderProbe struct {
	maps recorderMaps
	// counters have the programs that count calls, followers those that follow tasks.
	counters, followers probe
}

func newRecorderProbe(t DenialTarget, sizes recorderSizes) (*recorderProbe, error) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w; it takes a kernel with CONFIG_DEBUG_INFO_BTF, which shows /sys/kernel/btf/vmlinux", typesCause(err))
	}
	defer btf.FlushKernelSpec() // tens of megabytes that are not needed again
	l, err := readRecorderLayout(types, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	table, err := argumentTable(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	p := &recorderProbe{}
	if p.maps, err = newRecorderMaps(sizes); err != nil {
		return nil, err
	}
	if err = p.fill(table, sizes); err == nil {
		err = p.start(types, recorderProgram{recorderLayout: l, machine: machineOf[runtime.GOARCH], target: t, maps: p.maps, sizes: sizes})
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// fill says in the tables which calls' arguments are kept.
func (p *recorderProbe) fill(table []argumentRecord, sizes recorderSizes) error {
	if err := p.maps.arguments.Put(uint32(0), table); err != nil {
		return fmt.Errorf("fill map %q: %w", "bulkhead_args", hostCause(err))
	}
	cells := make([]cellRecord, int(sizes.shards)*shardSize/cellSize)
	for i := range cells {
		native := i/cellNumbers%3 == 0
		if native && table[i%cellNumbers].Kept == kept {
			cells[i].Arguments = 1
		}
	}
	if err := p.maps.cells.Put(uint32(0), cells); err != nil {
		return fmt.Errorf("fill map %q: %w", "bulkhead_cells", hostCause(err))
	}
	return nil
}

// start attaches the programs. Until one of them marks a task none of them does anything, so their order does not matter but for
// the marks: who executes a program and who forks must be seen before the scan for those that are there already.
func (p *recorderProbe) start(types *btf.Spec, code recorderProgram) error {
	for _, a := range []struct {
		to               *probe
		name, tracepoint string
		code             asm.Instructions
	}{
		{&p.counters, "bulkhead_enter", "sys_enter", code.enter()},
		{&p.counters, "bulkhead_exit", "sys_exit", code.exit()},
		{&p.followers, "bulkhead_fork", "sched_process_fork", code.fork()},
		{&p.followers, "bulkhead_exec", "sched_process_exec", code.exec()},
	} {
		if err := a.to.attach(types, a.name, a.tracepoint, a.code); err != nil {
			return err
		}
	}
	// Kernels before 5.15 have no death.
	if p.followers.attach(types, "bulkhead_death", "sched_process_exit", code.death()) != nil {
		if err := p.followers.attach(types, "bulkhead_gone", "sched_process_exit", code.gone()); err != nil {
			return err
		}
	}
	return p.scan(types, code.scan())
}

// scan marks the tasks of a workload that runs already. A child of one that was not yet marked may have been missed: it goes on
// until there is no more.
func (p *recorderProbe) scan(types *btf.Spec, code asm.Instructions) error {
	prog, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Name: "bulkhead_scan", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceIter, AttachTo: "task", Instructions: code, License: "GPL",
	}, ebpf.ProgramOptions{KernelTypes: types})
	if err != nil {
		return fmt.Errorf("load program for iterator %q: %w", "task", hostCause(err))
	}
	defer func() { _ = prog.Close() }()
	it, err := link.AttachIter(link.IterOptions{Program: prog})
	if err != nil {
		return fmt.Errorf("attach program to iterator %q: %w", "task", hostCause(err))
	}
	defer func() { _ = it.Close() }()
	for before, rounds := uint64(0), 0; rounds < maxScans; rounds++ {
		if err := runIterator(it); err != nil {
			return fmt.Errorf("look for the container's processes: %w", hostCause(err))
		}
		c, err := p.readControl()
		if err != nil {
			return err
		}
		if c.Joined == before {
			return nil
		}
		before = c.Joined
	}
	return errors.New("look for the container's processes: they multiply faster than they are found")
}

// maxScans bounds the race with a workload that only forks.
const maxScans = 100

func runIterator(it *link.Iter) error {
	r, err := it.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return errors.Join(err, r.Close())
}

func (p *recorderProbe) close() error {
	return errors.Join(p.counters.close(), p.followers.close(), p.maps.close())
}
