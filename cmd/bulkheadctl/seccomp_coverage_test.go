package main

import (
	"runtime"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles/cves"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// What closes a flaw and what only seems to.
func TestCoverageCloses(t *testing.T) {
	allow := func(args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{"socket"}, Action: specs.ActAllow, Args: args}
	}
	arg := func(value, two uint64, op specs.LinuxSeccompOperator) specs.LinuxSeccompArg {
		return specs.LinuxSeccompArg{Value: value, ValueTwo: two, Op: op}
	}
	named := func(names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: specs.ActAllow}
	}
	const alg, nft, xt, x32, pipe = "CVE-2019-8912", "CVE-2024-1086", "CVE-2021-22555", "CVE-2014-0038", "CVE-2022-0847"
	for name, c := range map[string]struct {
		rules []specs.LinuxSyscall
		archs []specs.Arch
		open  []string
	}{
		"nothing":                              {},
		"every socket":                         {rules: []specs.LinuxSyscall{allow()}, open: []string{alg}},
		"one family":                           {rules: []specs.LinuxSyscall{allow(arg(2, 0, specs.OpEqualTo))}},
		"the family by 32 bits":                {rules: []specs.LinuxSyscall{allow(arg(0xffffffff, 38, specs.OpMaskedEqual))}, open: []string{alg}},
		"the upper half passes a range":        {rules: []specs.LinuxSyscall{allow(arg(40, 0, specs.OpGreaterThan))}, open: []string{alg}},
		"the upper half passes NE":             {rules: []specs.LinuxSyscall{allow(arg(38, 0, specs.OpNotEqual))}, open: []string{alg}},
		"below":                                {rules: []specs.LinuxSyscall{allow(arg(38, 0, specs.OpLessThan))}},
		"a user namespace alone":               {rules: []specs.LinuxSyscall{named("unshare")}},
		"a user namespace and a socket":        {rules: []specs.LinuxSyscall{named("unshare"), allow()}, open: []string{alg, nft}},
		"clone3 has no arguments":              {rules: []specs.LinuxSyscall{named("clone3"), allow()}, open: []string{alg, nft}},
		"another family and a user namespace":  {rules: []specs.LinuxSyscall{named("clone3"), allow(arg(1, 0, specs.OpEqualTo))}},
		"compat calls without the compat ABI":  {rules: []specs.LinuxSyscall{named("setsockopt", "unshare", "recvmmsg")}, archs: []specs.Arch{specs.ArchX86_64}},
		"compat calls":                         {rules: []specs.LinuxSyscall{named("setsockopt", "unshare", "recvmmsg")}, archs: []specs.Arch{specs.ArchX86_64, specs.ArchX86}, open: []string{xt}},
		"x32 calls":                            {rules: []specs.LinuxSyscall{named("setsockopt", "recvmmsg")}, archs: []specs.Arch{specs.ArchX86_64, specs.ArchX32}, open: []string{x32}},
		"another way into the same":            {rules: []specs.LinuxSyscall{named("sendfile")}, open: []string{pipe}},
		"compat calls of another architecture": {rules: []specs.LinuxSyscall{named("setsockopt", "unshare")}, archs: []specs.Arch{specs.ArchX86_64, specs.ArchARM}},
	} {
		s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Architectures: c.archs, Syscalls: c.rules}
		p, err := seccomp.FromOCI(s, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		v, err := coverage([]comparedProfile{{name, p, c.archs}})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range v.CVEs {
			if slices.Contains([]string{alg, nft, xt, x32, pipe}, x.ID) && x.Closed[0] == slices.Contains(c.open, x.ID) {
				t.Errorf("%s: %s is closed: %v (by %v, via %v)", name, x.ID, x.Closed[0], x.By, x.Via)
			}
		}
	}
}

// The table names calls that exist, and what is permitted whole closes nothing that the architecture has.
func TestCoverageTable(t *testing.T) {
	table, err := cves.Table()
	if err != nil {
		t.Fatal(err)
	}
	all := comparedProfile{"all", seccomp.Profile{Arch: "amd64", Default: seccomp.Verdict{Action: seccomp.Allow}}, []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32}}
	none := comparedProfile{"none", seccomp.Profile{Arch: "amd64", Default: seccomp.Verdict{Action: seccomp.Errno, Errno: 1}}, all.architectures}
	for _, c := range table {
		for _, need := range c.Needs {
			for _, w := range need {
				if !syscalls.Known(w.Call) {
					t.Errorf("%s: %q names no call of %s", c.ID, w.Text, runtime.GOOS)
				}
			}
		}
		if by, _ := all.closes(c); len(by) > 0 {
			t.Errorf("%s: closed by %v, which is permitted", c.ID, by)
		}
		if by, _ := none.closes(c); len(by) == 0 {
			t.Errorf("%s: open, and nothing is permitted", c.ID)
		}
	}
}
