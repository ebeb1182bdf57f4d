package compile

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// A Machine runs a seccomp program in user space, with no effect on the process.
type Machine struct {
	vm *bpf.VM
}

// NewMachine takes a program such as [Program] makes or PTRACE_SECCOMP_GET_FILTER reads.
func NewMachine(program []bpf.RawInstruction) (*Machine, error) {
	insns, ok := bpf.Disassemble(program)
	if !ok {
		return nil, fmt.Errorf("read seccomp filter: an instruction is unknown")
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		return nil, fmt.Errorf("read seccomp filter: %w", err)
	}
	return &Machine{vm}, nil
}

// Run returns the verdict of the program for a call: the audit architecture, the number and the registers.
func (m *Machine) Run(audit, nr uint32, args [6]uint64) (seccomp.Verdict, error) {
	// struct seccomp_data, with each word in network order because that is how the machine loads a word.
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data[0:], nr)
	binary.BigEndian.PutUint32(data[4:], audit)
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	ret, err := m.vm.Run(data)
	if err != nil {
		return seccomp.Verdict{}, fmt.Errorf("run seccomp filter: %w", err)
	}
	return Decode(uint32(ret))
}

// Decode reads the result of a filter (seccomp(2)).
func Decode(ret uint32) (seccomp.Verdict, error) {
	v := seccomp.Verdict{}
	switch ret & 0xffff0000 {
	case 0x80000000:
		v.Action = seccomp.KillProcess
	case 0x00000000:
		v.Action = seccomp.KillThread
	case 0x00030000:
		v.Action = seccomp.Trap
	case retErrno:
		v = seccomp.Verdict{Action: seccomp.Errno, Errno: uint16(ret)}
	case 0x7fc00000:
		v.Action = seccomp.Notify
	case 0x7ff00000:
		v = seccomp.Verdict{Action: seccomp.Trace, Errno: uint16(ret)}
	case 0x7ffc0000:
		v.Action = seccomp.Log
	case 0x7fff0000:
		v.Action = seccomp.Allow
	default:
		return v, fmt.Errorf("read seccomp result: unknown value %#x", ret)
	}
	return v, nil
}
