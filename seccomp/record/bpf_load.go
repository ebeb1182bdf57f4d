package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const (
	// maxEvents bounds the table of events: what a container can make the kernel hold for its watcher (about 3 MiB).
	maxEvents = 16384
	// numbers bounds the tables that are indexed by system call number. The largest of Linux 6.18 is 469.
	numbers = 1024
)

// tables are what the programs share with the reader.
type tables struct {
	live   *ebpf.Map // [0]uint32: the watcher is complete
	states *ebpf.Map // what each thread did last; the kernel frees it with the thread
	kept   *ebpf.Map // [number]uint32: bits of the arguments to keep
	events *ebpf.Map // event -> tally
	crowd  *ebpf.Map // [number]uint64: events for which the table had no place
}

func (m tables) close() error {
	var errs []error
	for _, x := range []*ebpf.Map{m.live, m.states, m.kept, m.events, m.crowd} {
		if x != nil {
			errs = append(errs, x.Close())
		}
	}
	return errors.Join(errs...)
}

func newMaps() (m tables, err error) {
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	specs := []struct {
		to   **ebpf.Map
		spec ebpf.MapSpec
	}{
		{&m.live, ebpf.MapSpec{Name: "bulkhead_live", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}},
		{&m.states, ebpf.MapSpec{Name: "bulkhead_state", Type: ebpf.TaskStorage, KeySize: 4, ValueSize: 4, Flags: unix.BPF_F_NO_PREALLOC, Key: u32, Value: u32}},
		{&m.kept, ebpf.MapSpec{Name: "bulkhead_kept", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: numbers}},
		{&m.events, ebpf.MapSpec{Name: "bulkhead_event", Type: ebpf.Hash, KeySize: eventSize, ValueSize: 16, MaxEntries: maxEvents}},
		{&m.crowd, ebpf.MapSpec{Name: "bulkhead_crowd", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: numbers}},
	}
	for _, s := range specs {
		if *s.to, err = ebpf.NewMap(&s.spec); err != nil {
			return m, errors.Join(fmt.Errorf("make map %q: %w", s.spec.Name, hostCause(err)), m.close())
		}
	}
	return m, nil
}

// A probe is the programs in the kernel. All of it hangs on this process's descriptors: the kernel detaches and frees it
// when the process ends, however that happens.
type probe struct {
	maps     tables
	programs []*ebpf.Program
	links    []link.Link
	// deaths tells that killed threads of living processes are seen, which takes Linux 5.15.
	deaths bool
}

// newProbe loads and attaches the programs for a target. kept maps a number to the bits of the arguments to keep.
func newProbe(target DenialTarget, kept map[uint32]uint32) (*probe, error) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read the kernel's type information: %w; it takes a kernel with CONFIG_DEBUG_INFO_BTF, which shows /sys/kernel/btf/vmlinux", typesCause(err))
	}
	l, err := readLayout(types, runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	p := &probe{}
	if p.maps, err = newMaps(); err != nil {
		return nil, err
	}
	if err := p.start(types, program{l, target, p.maps}, kept); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *probe) start(types *btf.Spec, code program, kept map[uint32]uint32) error {
	for number, bits := range kept {
		if number < numbers {
			if err := p.maps.kept.Put(number, bits); err != nil {
				return fmt.Errorf("fill map %q: %w", "bulkhead_kept", hostCause(err))
			}
		}
	}
	if err := p.attach(types, "bulkhead_death", "sched_process_exit", code.death()); err == nil {
		p.deaths = true
	}
	if err := p.attach(types, "bulkhead_enter", "sys_enter", code.enter()); err != nil {
		return err
	}
	if err := p.attach(types, "bulkhead_exit", "sys_exit", code.exit()); err != nil {
		return err
	}
	// Only now do the programs look at anything: with one of them alone, half of each pair would be missing.
	if err := p.maps.live.Put(uint32(0), uint32(1)); err != nil {
		return fmt.Errorf("fill map %q: %w", "bulkhead_live", hostCause(err))
	}
	return nil
}

func (p *probe) attach(types *btf.Spec, name, tracepoint string, code asm.Instructions) error {
	prog, err := ebpf.NewProgramWithOptions(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: tracepoint, Instructions: code,
		License: "GPL", // the kernel lends some of the functions only to programs that say so
	}, ebpf.ProgramOptions{KernelTypes: types})
	if err != nil {
		return fmt.Errorf("load program for tracepoint %q: %w", tracepoint, hostCause(err))
	}
	p.programs = append(p.programs, prog)
	l, err := link.AttachTracing(link.TracingOptions{Program: prog})
	if err != nil {
		return fmt.Errorf("attach program to tracepoint %q: %w", tracepoint, hostCause(err))
	}
	p.links = append(p.links, l)
	return nil
}

// missed is how often the kernel did not run a program.
func (p *probe) missed() uint64 {
	sum := uint64(0)
	for _, prog := range p.programs {
		info, err := prog.Info()
		if err != nil {
			continue
		}
		n, _ := info.RecursionMisses()
		sum += n
	}
	return sum
}

func (p *probe) close() error {
	var errs []error
	for _, l := range p.links {
		errs = append(errs, l.Close())
	}
	for _, prog := range p.programs {
		errs = append(errs, prog.Close())
	}
	return errors.Join(append(errs, p.maps.close())...)
}

// hostCause says what the host lacks. The library's own hint about locked memory is wrong since Linux 5.11, which does not
// count BPF memory against RLIMIT_MEMLOCK.
func hostCause(err error) error {
	var verifier *ebpf.VerifierError
	if errors.As(err, &verifier) {
		return fmt.Errorf("the kernel's verifier does not take it: %w", err)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	if errno != unix.EPERM && errno != unix.EACCES {
		return errno
	}
	if missing := missingCapabilities(); missing != "" {
		return fmt.Errorf("the process lacks %s: run it as root: %w", missing, errno)
	}
	if mode := lockdown(); mode == "confidentiality" {
		return fmt.Errorf("the kernel is in lockdown mode %q, in which nobody may look into it with BPF; integrity or none allows it: %w", mode, errno)
	}
	return fmt.Errorf("the host does not let root use BPF here (a security module, or an outer container's filter): %w", errno)
}

// typesCause leaves out what the library looked for elsewhere.
func typesCause(err error) error {
	if _, stat := os.Stat("/sys/kernel/btf/vmlinux"); errors.Is(stat, fs.ErrNotExist) {
		return errors.New("there is none")
	}
	return err
}

// missingCapabilities names what this process lacks of what BPF takes (capabilities(7), Linux 5.8).
func missingCapabilities() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(status)) {
		value, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		set, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil || set&(1<<unix.CAP_SYS_ADMIN) != 0 {
			return ""
		}
		var missing []string
		if set&(1<<unix.CAP_BPF) == 0 {
			missing = append(missing, "CAP_BPF")
		}
		if set&(1<<unix.CAP_PERFMON) == 0 {
			missing = append(missing, "CAP_PERFMON")
		}
		return strings.Join(missing, " and ")
	}
	return ""
}

// lockdown is the active mode of kernel_lockdown(7), the word in brackets, or empty.
func lockdown() string {
	b, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}
