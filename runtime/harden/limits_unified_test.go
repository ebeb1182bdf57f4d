package harden

import (
	"fmt"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func unifiedOf(pairs ...string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) {
		s.Linux.Resources.Unified = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.Resources.Unified[pairs[i]] = pairs[i+1]
		}
	}
}

func TestLimitsUnified(t *testing.T) {
	line := func(key, from, to, why string) string {
		return fmt.Sprintf("linux.resources.unified[%s]: %q -> %q (%s)", key, from, to, why)
	}
	runRule(t, limits, []ruleCase{
		limitCase("kept", unifiedOf("memory.max", "1048576", "memory.high", "max", "pids.max", "10", "cpu.max", "50000 100000", "cpu.weight", "10",
			"cpuset.cpus", "0-1", "io.max", "8:0 rbps=1048576 wiops=max\n8:16 rbps=1", "hugetlb.2MB.max", "max", "memory.swap.max", "0"), nil, nil),
		limitCase("narrowed", unifiedOf("memory.max", "max", "memory.min", "max", "memory.swap.max", "max", "pids.max", "max", "cpu.max", "max",
			"cpu.weight", "10000", "cpu.max.burst", "99999999"), []string{
			line("cpu.max", "max", "400000", "the host keeps a part of its CPU time"),
			line("cpu.max.burst", "99999999", "400000", "a burst is at most a quota"),
			line("cpu.weight", "10000", "303", "weights are relative, and the host's own work has one"),
			line("memory.max", "max", "805306368", "the host keeps a part of its memory"),
			line("memory.min", "max", "805306368", "protection lies within the memory ceiling"),
			line("memory.swap.max", "max", "0", "no swap beyond memory"),
			line("pids.max", "max", "1000", "tasks are bounded"),
		}, nil),
		limitCase("period kept", unifiedOf("cpu.max", "max 10000"), []string{line("cpu.max", "max 10000", "40000 10000", "the host keeps a part of its CPU time")}, nil),
		limitCase("no oom group", unifiedOf("memory.oom.group", "1"),
			[]string{`linux.resources.unified[memory.oom.group]: "1" -> absent (one process that is out of memory must not take the container along)`}, nil),
		limitCase("refused", unifiedOf("cgroup.procs", "0", "memory.max", "lots", "cpu.max", "1 2 3", "../x", "1", "cpuset.cpus.partition", "root", "pids.max", "+1",
			"hugetlb.../x.max", "1", "io.max", "8:0 rbps=1\x00"), nil, []string{
			`linux.resources.unified[../x] is a file that no rule bounds, want absent (rule limits)`,
			`linux.resources.unified[cgroup.procs] is a file that no rule bounds, want absent (rule limits)`,
			`linux.resources.unified[cpu.max] is "1 2 3", want a value of that file (rule limits)`,
			`linux.resources.unified[cpuset.cpus.partition] is a file that no rule bounds, want absent (rule limits)`,
			`linux.resources.unified[hugetlb.../x.max] is a file that no rule bounds, want absent (rule limits)`,
			`linux.resources.unified[io.max] is "8:0 rbps=1\x00", want a value of that file (rule limits)`,
			`linux.resources.unified[memory.max] is "lots", want a value of that file (rule limits)`,
			`linux.resources.unified[pids.max] is "+1", want a value of that file (rule limits)`,
		}),
	})
}

// The judge finds what the narrow half would have bounded.
func TestUnifiedJudge(t *testing.T) {
	_, p := testSpec(), testPolicy(t)
	quiet(&p)
	for name, c := range map[string]struct{ value, want string }{
		"memory.max":      {"805306369", "at most 805306368"},
		"memory.min":      {"max", "at most 805306368"},
		"memory.swap.max": {"1", "0"},
		"pids.max":        {"1001", "at most 1000"},
		"cpu.weight":      {"304", "at most 303"},
		"cpu.max":         {"40001 10000", "at most 40000"},
	} {
		o := protest{rule: "limits"}
		o.unified(map[string]string{name: c.value}, boundsOf(p))
		shown, _, _ := strings.Cut(c.value, " ")
		want := fmt.Sprintf("linux.resources.unified[%s] is %q, want %s (rule limits)", name, shown, c.want)
		if len(o.violations) != 1 || o.violations[0].String() != want {
			t.Errorf("got %v, want %q", o.violations, want)
		}
	}
}

func TestWeightOf(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 1, 2: 1, 1024: 100, 262144: 10000, 1 << 40: 10000} {
		if got := weightOf(shares); got != want {
			t.Errorf("weightOf(%d) is %d, want %d", shares, got, want)
		}
	}
}
