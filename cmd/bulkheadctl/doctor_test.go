package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/cgroups"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func TestWriteChecks(t *testing.T) {
	checks := []check{
		{Name: "root", State: stateOK, Found: "this is root", Needed: true},
		{Name: "cgroups", State: stateMissing, Found: "none", Means: "no container can start", Do: "mount them", Needed: true},
		{Name: "a long name", State: stateLimited, Found: "half of it, and a text that is long enough to be wrapped at eighty columns"},
	}
	var b strings.Builder
	writeChecks(&b, 80, checks)
	golden(t, b.String(), `
ok       root         this is root
missing  cgroups      none
         so: no container can start
         do: mount them
limited  a long name  half of it, and a text that is long enough to be wrapped
                      at eighty columns

Containers cannot start here: 1 thing is missing that they need.
`)
	b.Reset()
	writeChecks(&b, 80, checks[:1])
	golden(t, b.String(), `
ok       root  this is root

Containers can start here. All 1 checks are ok.
`)
}

func TestJudgeCgroups(t *testing.T) {
	all := []string{"cpu", "memory", "pids"}
	tests := []struct {
		have         cgroups.Capacity
		err          error
		state, found string
	}{
		{cgroups.Capacity{Version: 2, Controllers: all, SwapAccounting: true}, nil, stateOK, "version 2 with cpu, memory, pids"},
		{cgroups.Capacity{Version: 2, Controllers: all}, nil, stateLimited, "version 2 with cpu, memory, pids; swap is not accounted"},
		{cgroups.Capacity{Version: 1, Controllers: all, SwapAccounting: true}, nil, stateLimited, "version 1 with cpu, memory, pids"},
		{cgroups.Capacity{Version: 2, Controllers: []string{"cpu", "pids"}}, nil, stateMissing, "version 2 with cpu, pids; without memory"},
		{cgroups.Capacity{}, errors.New("probe cgroups: none"), stateMissing, "probe cgroups: none"},
	}
	for _, tt := range tests {
		if got := judgeCgroups(tt.have, tt.err); got.State != tt.state || got.Found != tt.found {
			t.Errorf("got %s %q, want %s %q", got.State, got.Found, tt.state, tt.found)
		}
	}
}

func TestJudgeRanges(t *testing.T) {
	pools := []userns.Range{{Start: 100000, Size: 3 * 65536}, {Start: 1000000, Size: 1000}}
	lease := userns.Lease{Range: userns.Range{Start: 100000 + 65536, Size: 65536}}
	got := judgeRanges(pools, []userns.Lease{lease}, 65536)
	if want := "100000+196608, 1000000+1000; room for 2 containers besides the 1 of now"; got.Found != want || got.State != stateOK {
		t.Errorf("got %s %q, want %q", got.State, got.Found, want)
	}
	if got := judgeRanges(pools[1:], nil, 65536); got.State != stateMissing {
		t.Errorf("got %s %q", got.State, got.Found)
	}
}

func TestHasCapability(t *testing.T) {
	status := "CapPrm:\tffffffffffffffff\nCapEff:\t0000000001000000\n"
	if !hasCapability(status, unix.CAP_SYS_RESOURCE) || hasCapability(status, unix.CAP_SYS_ADMIN) || hasCapability("", 0) {
		t.Error("read the wrong bits")
	}
}

func TestDockerCheck(t *testing.T) {
	bin := fakeRuntime(t)
	tests := []struct{ text, state, found string }{
		{`{}`, stateLimited, "PATH names no runtime of bulkhead"},
		{`{"runtimes":{"bulkhead":{"path":"` + bin + `"}}}`, stateOK, "PATH has bulkhead"},
		{`{"runtimes":{"bulkhead":{"path":"` + bin + `"}},"default-runtime":"bulkhead"}`, stateOK, "PATH has bulkhead; the default is bulkhead"},
		{`{"runtimes":{"bulkhead":{"path":"/gone/bulkhead"}}}`, stateLimited, "PATH names programs that are not there: /gone/bulkhead"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "daemon.json")
		writeFile(t, path, tt.text, 0o600)
		got := dockerCheck(path)
		if want := strings.ReplaceAll(tt.found, "PATH", path); got.State != tt.state || got.Found != want {
			t.Errorf("got %s %q, want %s %q", got.State, got.Found, tt.state, want)
		}
	}
}

func TestWritableByOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("makes files of root's: run as root")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "bulkhead")
	writeFile(t, path, "", 0o775)
	if got := writableByOthers(path); got != path {
		t.Errorf("got %q, want %q", got, path)
	}
	if got := writableByOthers("/usr"); got != "" {
		t.Errorf("got %q", got)
	}
}

// Every probe runs here and answers in whole; what they find is the machine's.
func TestExamine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("probes mounts: run as root")
	}
	before, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	seen := map[string]bool{}
	for _, c := range examine() {
		if c.Name == "" || c.Found == "" || seen[c.Name] {
			t.Errorf("bad line: %+v", c)
		}
		if c.State != stateOK && c.Means == "" && c.Do == "" {
			t.Errorf("says nothing about what follows: %+v", c)
		}
		seen[c.Name] = true
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if strings.Contains(string(after), "bulkhead-doctor") || strings.Count(string(before), "\n") == 0 {
		t.Error("a mount is left behind")
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "bulkhead-doctor-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
