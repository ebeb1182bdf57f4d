package harden

import (
	"reflect"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// testPolicy is the default profile on an ordinary host: 8 GiB, 4 CPUs, swap accounting, amd64.
func testPolicy(t testing.TB) Policy {
	t.Helper()
	profile, err := profiles.Builtin("default")
	if err != nil {
		t.Fatal(err)
	}
	return Policy{
		Profile: profile, ID: "web1", Range: userns.Range{Start: 1000000, Size: 65536},
		Facts: bundle.Facts{Kernel: bundle.Kernel{Arch: "SCMP_ARCH_X86_64", LastCap: 40, TimeNamespace: true}},
		Host: cgroups.Capacity{
			Version: 2, Memory: 8 << 30, CPUs: 4, SwapAccounting: true,
			Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"},
		},
		Seccomp: testCeiling(),
	}
}

// testCeiling is a small seccomp profile with a condition.
func testCeiling() *specs.LinuxSeccomp {
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, Architectures: []specs.Arch{specs.ArchX86_64},
		Syscalls: []specs.LinuxSyscall{
			{Names: []string{"close", "execve", "exit", "exit_group", "getpid", "openat", "read", "write"}, Action: specs.ActAllow},
			{Names: []string{"socket"}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{Index: 0, Value: 2, Op: specs.OpEqualTo}}},
		},
	}
}

// testSpec has new namespaces, and nothing else.
func testSpec() *specs.Spec {
	return &specs.Spec{
		Version: "1.3.0", Process: &specs.Process{Cwd: "/", Args: []string{"/bin/true"}}, Root: &specs.Root{Path: "rootfs"},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{
			{Type: "pid"}, {Type: "network"}, {Type: "ipc"}, {Type: "uts"}, {Type: "mount"}, {Type: "user"}, {Type: "cgroup"},
		}},
	}
}

// A ruleCase is one request and everything that one rule says about it.
type ruleCase struct {
	name    string
	edit    func(*specs.Spec, *Policy)
	changes []string
	refused []string
	check   func(*testing.T, *specs.Spec)
}

func showChange(c Change) string {
	s := c.Field + ": " + c.From + " -> " + c.To + " (" + c.Why + ")"
	if c.Note {
		return "note " + s
	}
	return s
}

// runRule runs one rule alone over the cases, and over its own result once more: nothing may change then.
func runRule(t *testing.T, r Rule, cases []ruleCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, p := testSpec(), testPolicy(t)
			if c.edit != nil {
				c.edit(s, &p)
			}
			var changes []string
			if r.narrow != nil {
				for _, ch := range r.narrow(s, p) {
					changes = append(changes, showChange(ch))
				}
			}
			if !slices.Equal(changes, c.changes) {
				t.Errorf("changes:\n got %q\nwant %q", changes, c.changes)
			}
			var refused []string
			for _, v := range r.judge(s, p) {
				refused = append(refused, v.String())
			}
			if !slices.Equal(refused, c.refused) {
				t.Errorf("violations:\n got %q\nwant %q", refused, c.refused)
			}
			if c.check != nil {
				c.check(t, s)
			}
			if r.narrow != nil && len(refused) == 0 {
				before := clone(s)
				for _, ch := range r.narrow(s, p) {
					if !ch.Note {
						t.Errorf("second run changes again: %s", showChange(ch))
					}
				}
				if !reflect.DeepEqual(before, s) {
					t.Error("second run edits the spec")
				}
			}
		})
	}
}
