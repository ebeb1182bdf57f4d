package main

import (
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/container"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func golden(t *testing.T, got, want string) {
	t.Helper()
	if got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.TrimPrefix(want, "\n"))
	}
}

func TestWriteRecord(t *testing.T) {
	memory, pids, quota, period := int64(512<<20), int64(100), int64(150000), uint64(100000)
	rec := &container.Record{
		Holding: container.Holding{
			ID: "web1", Bundle: "/b", Profile: "site", Leased: true, Range: userns.Range{Start: 100000, Size: 65536},
			RootHow: "overlay of 2 layers", Created: time.Unix(0, 0).UTC(),
		},
	}
	rec.Decision = container.Decision{
		Policy: harden.Policy{Profile: profiles.Profile{Widened: map[string]string{"limits": "large builds", "sysctl": "a router"}}},
		Changes: []harden.Change{
			{Rule: "capabilities", Field: "process.capabilities", From: "with CAP_SYS_ADMIN", To: "only CAP_CHOWN", Why: "the profile does not name them"},
			{Rule: "lsm", Field: "process.apparmorProfile", Why: "absent although AppArmor is active", Note: true},
			{Rule: "limits", Field: "linux.resources.pids.limit", To: "100", Why: strings.Repeat("word ", 20)},
		},
		Spec: &specs.Spec{
			Process: &specs.Process{Args: []string{"nginx", "-g", "x"}, NoNewPrivileges: true, Capabilities: &specs.LinuxCapabilities{Bounding: []string{"CAP_KILL", "CAP_CHOWN"}}},
			Linux: &specs.Linux{
				Seccomp: &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"read", "write"}, Action: specs.ActAllow}, {Names: []string{"bpf"}, Action: specs.ActErrno}}},
				Resources: &specs.LinuxResources{
					Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &pids}, CPU: &specs.LinuxCPU{Quota: &quota, Period: &period},
				},
			},
		},
	}
	var b strings.Builder
	writeRecord(&b, 80, rec, "running")
	golden(t, b.String(), `
container  web1 (running)
bundle     /b
created    1970-01-01T00:00:00Z
profile    site
range      100000 to 165535 on the host are 0 to 65535 inside
root       overlay of 2 layers
verified   ID mapping, capabilities, no_new_privs, filter, limits and mount
           flags were read back from the kernel before the workload ran

what this site's profile makes wider, and the reason it gives
  limits  large builds
  sysctl  a router

what it has
  command         nginx -g x
  user            0:0
  capabilities    CHOWN KILL
  new privileges  none (no_new_privs)
  system calls    2 allowed, all others get SCMP_ACT_ERRNO
  memory          at most 512.0 MiB
  processes       at most 100
  cpu             at most 1.50 CPUs

what was changed
  capabilities: process.capabilities
    from  with CAP_SYS_ADMIN
    to    only CAP_CHOWN
    why   the profile does not name them
  limits: linux.resources.pids.limit
    from  (nothing)
    to    100
    why   word word word word word word word word word word word word word word
          word word word word word word

what was noted
  lsm: process.apparmorProfile
    absent although AppArmor is active
`)
}

func TestWriteRecordHalfMade(t *testing.T) {
	var b strings.Builder
	writeRecord(&b, 80, &container.Record{Holding: container.Holding{ID: "x", Bundle: "/b", Creating: true}}, "stopped")
	golden(t, b.String(), `
container  x (stopped)
bundle     /b
range      none of bulkhead's: the engine brought a user namespace with its own
           mapping
verified   nothing yet: its create is not through

Nothing had to be changed.
`)
}

func TestWriteRefusals(t *testing.T) {
	list := parseRefusals([]byte(`{"time":"2026-01-02T03:04:05Z","door":"create","id":"abc","bundle":"/b","refusal":{"profile":"default","violations":[{"rule":"mounts","field":"mounts[9].source","got":"\"/\"","want":"a volume"},{"rule":"namespaces","field":"linux.namespaces[pid]","got":"the host's","want":"a new one"}]}}
{"time":"2026-01-02T03:04:06Z","door":"exec","id":"abd","bundle":"/b","refusal":{"profile":"mine","violations":[{"rule":"user","field":"process.user","got":"0","want":"not root"},{"rule":"limits","field":"linux.resources","got":"x","want":"y"}]}}
{"time":"2026-01-02T03:0`))
	if len(list) != 2 {
		t.Fatalf("read %d refusals", len(list))
	}
	if got := refusalsOf(list, "abc"); len(got) != 1 || len(refusalsOf(list, "ab")) != 2 {
		t.Errorf("found %v", got)
	}
	var b strings.Builder
	writeRefusals(&b, 80, list)
	golden(t, b.String(), `
refused  create of abc
when     2026-01-02T03:04:05Z
bundle   /b
profile  default

  mounts: mounts[9].source
    got     "/"
    want    a volume
    to do   run it without this option, or write a site's profile based on
            "default" that opens "mounts.allowedSources" with a reason in
            "widened" (bulkheadctl profile check)

  namespaces: linux.namespaces[pid]
    got     the host's
    want    a new one
    to do   run it without this option: no profile gives a container a namespace
            of the host

refused  exec of abd
when     2026-01-02T03:04:06Z
bundle   /b
profile  mine

  user: process.user
    got     0
    want    not root
    to do   run it as another user (--user), or under a profile that allows root

  limits: linux.resources
    got     x
    want    y
    to do   run it without this option, or open "limits" in the profile "mine"
            with a reason in "widened" (bulkheadctl profile check)
`)
}
