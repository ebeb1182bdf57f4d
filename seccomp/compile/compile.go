// Package compile turns an OCI seccomp profile into the BPF program that libcontainer would load, and runs such a program in
// user space. It links libseccomp; package seccomp does not.
package compile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/net/bpf"
)

// manyRules is libcontainer's own threshold above which it asks libseccomp for a binary tree (libseccomp before 2.5.5
// misbehaves with one and no rules).
const manyRules = 32

// Program compiles a profile the way libcontainer 1.5 does: the same order of rules, the same layout, its ENOSYS stub in
// front. arch is the architecture that counts as native; the rules must not name others. The program is what the kernel gets.
func Program(s *specs.LinuxSeccomp, arch libseccomp.ScmpArch) ([]bpf.RawInstruction, error) {
	return ProgramAs(s, arch, LikeRunc)
}

// A Layout is how libseccomp arranges the calls in a program.
type Layout int

// LikeRunc is libcontainer's choice: a tree for more than 32 names, else linear.
const (
	LikeRunc Layout = iota
	Linear
	Tree
)

// ProgramAs is [Program] in a layout of the caller's choice. libcontainer cannot be told one: this is for comparing them.
func ProgramAs(s *specs.LinuxSeccomp, arch libseccomp.ScmpArch, layout Layout) ([]bpf.RawInstruction, error) {
	filter, err := build(s, arch, layout)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	defer filter.Release()
	body, err := export(filter)
	if err != nil {
		return nil, fmt.Errorf("export seccomp filter: %w", err)
	}
	head, err := stub(s, arch)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	return append(head, body...), nil
}

func build(s *specs.LinuxSeccomp, arch libseccomp.ScmpArch, layout Layout) (*libseccomp.ScmpFilter, error) {
	def, err := action(s.DefaultAction, s.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	filter, err := libseccomp.NewFilter(def)
	if err != nil {
		return nil, err
	}
	if err = onlyArch(filter, arch); err == nil {
		err = fill(filter, s, def, layout)
	}
	if err != nil {
		filter.Release()
		return nil, err
	}
	return filter, nil
}

func fill(filter *libseccomp.ScmpFilter, s *specs.LinuxSeccomp, def libseccomp.ScmpAction, layout Layout) error {
	n := 0
	for _, c := range s.Syscalls {
		n += len(c.Names)
	}
	if layout == Tree || layout == LikeRunc && n > manyRules {
		if err := filter.SetOptimize(2); err != nil {
			return err
		}
	}
	for i, c := range s.Syscalls {
		for _, name := range c.Names {
			if err := add(filter, c, name, def); err != nil {
				return fmt.Errorf("linux.seccomp.syscalls[%d] %q: %w", i, name, err)
			}
		}
	}
	return nil
}

// onlyArch replaces the architecture of this machine, which libseccomp puts into every new filter.
func onlyArch(filter *libseccomp.ScmpFilter, arch libseccomp.ScmpArch) error {
	native, err := libseccomp.GetNativeArch()
	if err != nil || native == arch {
		return err
	}
	if err := filter.AddArch(arch); err != nil {
		return err
	}
	return filter.RemoveArch(native)
}

func action(a specs.LinuxSeccompAction, ret *uint) (libseccomp.ScmpAction, error) {
	number := int16(1)
	if ret != nil {
		number = int16(*ret)
	}
	switch a {
	case specs.ActKill, specs.ActKillThread:
		return libseccomp.ActKillThread, nil
	case specs.ActKillProcess:
		return libseccomp.ActKillProcess, nil
	case specs.ActTrap:
		return libseccomp.ActTrap, nil
	case specs.ActErrno:
		return libseccomp.ActErrno.SetReturnCode(number), nil
	case specs.ActTrace:
		return libseccomp.ActTrace.SetReturnCode(number), nil
	case specs.ActLog:
		return libseccomp.ActLog, nil
	case specs.ActNotify:
		return libseccomp.ActNotify, nil
	case specs.ActAllow:
		return libseccomp.ActAllow, nil
	}
	return libseccomp.ActInvalid, fmt.Errorf("unknown action %q", a)
}

var operators = map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
	specs.OpEqualTo: libseccomp.CompareEqual, specs.OpNotEqual: libseccomp.CompareNotEqual,
	specs.OpGreaterThan: libseccomp.CompareGreater, specs.OpGreaterEqual: libseccomp.CompareGreaterEqual,
	specs.OpLessThan: libseccomp.CompareLess, specs.OpLessEqual: libseccomp.CompareLessOrEqual,
	specs.OpMaskedEqual: libseccomp.CompareMaskedEqual,
}

func add(filter *libseccomp.ScmpFilter, c specs.LinuxSyscall, name string, def libseccomp.ScmpAction) error {
	act, err := action(c.Action, c.ErrnoRet)
	if err != nil {
		return err
	}
	nr, err := libseccomp.GetSyscallFromName(name)
	if known := err == nil; !known || act == def {
		return nil // libcontainer skips both
	}
	if len(c.Args) == 0 {
		return filter.AddRule(nr, act)
	}
	var count [6]int
	repeated := false
	conds := make([]libseccomp.ScmpCondition, len(c.Args))
	for i, a := range c.Args {
		op, ok := operators[a.Op]
		if !ok || a.Index > 5 {
			return fmt.Errorf("args[%d]: unknown operator %q or index %d", i, a.Op, a.Index)
		}
		if conds[i], err = libseccomp.MakeCondition(a.Index, op, a.Value, a.ValueTwo); err != nil {
			return err
		}
		count[a.Index]++
		repeated = repeated || count[a.Index] > 1
	}
	if !repeated {
		return filter.AddRuleConditional(nr, act, conds)
	}
	for _, cond := range conds {
		if err := filter.AddRuleConditional(nr, act, []libseccomp.ScmpCondition{cond}); err != nil {
			return err
		}
	}
	return nil
}

// export reads the program that libseccomp writes to a descriptor. A reader runs beside it, because a pipe holds less than the
// largest program.
func export(filter *libseccomp.ScmpFilter) ([]bpf.RawInstruction, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	type result struct {
		data []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		data, err := io.ReadAll(r)
		done <- result{data, err}
	}()
	err = filter.ExportBPF(w)
	closeErr := w.Close()
	got := <-done
	if err := errors.Join(err, closeErr, got.err, r.Close()); err != nil {
		return nil, err
	}
	if len(got.data)%8 != 0 {
		return nil, fmt.Errorf("got %d bytes, want a multiple of 8", len(got.data))
	}
	var out []bpf.RawInstruction
	for d := got.data; len(d) > 0; d = d[8:] {
		out = append(out, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(d), Jt: d[2], Jf: d[3], K: binary.NativeEndian.Uint32(d[4:]),
		})
	}
	return out, nil
}
