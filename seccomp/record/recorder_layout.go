package record

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// A recorderLayout is what the recorder reads of the running kernel's structures.
type recorderLayout struct {
	layout
	// pid is the thread's ID in the host's first PID namespace.
	pid field
	// comm is the first byte of a task's name.
	comm field
	// ptrace is not 0 while a tracer has the task.
	ptrace field
	// pending are the signals that wait for the thread alone; a thread that is being killed has SIGKILL there.
	pending field
}

func readRecorderLayout(types *btf.Spec, arch string) (recorderLayout, error) {
	l, err := readLayout(types, arch)
	if err != nil {
		return recorderLayout{}, err
	}
	r := recorderLayout{layout: l}
	if r.pid, err = findField(types, "task_struct.pid"); err != nil {
		return recorderLayout{}, err
	}
	if r.comm, err = findField(types, "task_struct.comm"); err != nil {
		return recorderLayout{}, err
	}
	if r.ptrace, err = findField(types, "task_struct.ptrace"); err != nil {
		return recorderLayout{}, err
	}
	r.pending, err = findField(types, "task_struct.pending.signal.sig[0]")
	return r, err
}

// A machine is what differs between architectures: number(s) of calls, and the bit that x32 sets in them.
type machine struct {
	execve, listen, accept, accept4 int32
	x32                             int32
}

// machineOf is from arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
var machineOf = map[string]machine{
	"amd64": {execve: 59, listen: 50, accept: 43, accept4: 288, x32: x32Bit},
	"arm64": {execve: 221, listen: 201, accept: 202, accept4: 242},
}

// x32Bit is __X32_SYSCALL_BIT of asm/unistd.h.
const x32Bit = 0x40000000

// initComm begins the name of a process of libcontainer's on its way to the workload's execve, which replaces it.
const initComm = "runc:[2:"

// unlessInit jumps to label when the task in R6 has that name. The verifier lets an array be read by its elements only.
func (l recorderLayout) unlessInit(label string) asm.Instructions {
	var out asm.Instructions
	for i, c := range []byte(initComm) {
		f := l.comm
		f.offset += int16(i)
		out = append(out, f.load(asm.R1, task), asm.JNE.Imm(asm.R1, int32(c), "workload"))
	}
	return append(out, asm.Ja.Label(label), asm.Mov.Imm(asm.R1, 0).WithSymbol("workload"))
}
