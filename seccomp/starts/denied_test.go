package starts

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestDenied(t *testing.T) {
	rule := func(action specs.LinuxSeccompAction, names ...string) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: names, Action: action}
	}
	all := NeededBy(CreateNoNewPrivs)
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })
	}
	limited := rule(specs.ActAllow, "write")
	limited.Args = []specs.LinuxSeccompArg{{Index: 0, Value: 1, Op: specs.OpEqualTo}}
	for name, c := range map[string]struct {
		profile *specs.LinuxSeccomp
		want    string
	}{
		"no filter":             {nil, ""},
		"everything":            {&specs.LinuxSeccomp{DefaultAction: specs.ActAllow}, ""},
		"what is needed":        {&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{rule(specs.ActAllow, all...)}}, ""},
		"two missing":           {&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{rule(specs.ActAllow, without("write", "futex")...)}}, "futex write"},
		"one denied, one asked": {&specs.LinuxSeccomp{DefaultAction: specs.ActKillProcess, Syscalls: []specs.LinuxSyscall{rule(specs.ActLog, without("write", "close")...), rule(specs.ActErrno, "write"), rule(specs.ActNotify, "close")}}, "write"},
		"with arguments":        {&specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{rule(specs.ActAllow, without("write")...), limited}}, ""},
		"nothing":               {&specs.LinuxSeccomp{DefaultAction: specs.ActErrno}, strings.Join(all, " ")},
	} {
		if got := strings.Join(Denied(c.profile, CreateNoNewPrivs), " "); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
