package record

import (
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Available says what this host or this process lacks for the recorder and the watcher in BPF; nil when nothing is known to be
// missing. It loads a program that does nothing.
func Available() error {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("look for the kernel's BTF: %w", err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.RawTracepoint, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return fmt.Errorf("load a BPF program: %w", err)
	}
	return p.Close()
}

// Words puts into words which arguments of a call a reader wants to know, and what else the profiles' conditions look at.
func (e *Explainer) Words(name string, args [6]uint64) string {
	return arguments(name, args, conditionBits(e.enforced.Call(name))|conditionBits(e.ceiling.Call(name)))
}
