package container

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// cgroupTree makes directories like those of a cgroup tree, each with the controllers that it has.
func cgroupTree(t *testing.T, controllers map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for dir, text := range controllers {
		path := filepath.Join(top, dir)
		if err := os.MkdirAll(path, 0o755); err != nil { //nolint:gosec // as in a cgroup tree
			t.Fatal(err)
		}
		for file, content := range map[string]string{"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": text + "\n"} {
			if err := os.WriteFile(filepath.Join(path, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return top
}

func TestDelegatedBelow(t *testing.T) {
	top := cgroupTree(t, map[string]string{"": "cpuset cpu io memory hugetlb pids rdma", "user": "cpu memory pids", "user/app": "memory pids"})
	// What is off in app can be switched on above it, up to where the user may write.
	if err := os.Remove(filepath.Join(top, "cgroup.procs")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"user/app/c1", "user/c1", "user/new.slice/c1", "user/app"} {
		d, err := delegatedBelow(filepath.Join(top, dir), top)
		if got := strings.Join(d.Missing, " "); err != nil || d.None != "" || got != "cpuset hugetlb io rdma" {
			t.Errorf("%s: missing %q, none %q: %v", dir, got, d.None, err)
		}
	}
	d, err := delegatedBelow(filepath.Join(top, "elsewhere/c1"), top)
	if err != nil || d.None != `this user may not write a cgroup at "`+top+`"` {
		t.Errorf("got %+v: %v", d, err)
	}
	if err := os.Remove(filepath.Join(top, "user/cgroup.controllers")); err != nil {
		t.Fatal(err)
	}
	if d, err := delegatedBelow(filepath.Join(top, "user/c1"), top); err == nil {
		t.Errorf("cannot read the controllers, and got %+v", d)
	}
}

const allLimits = `{"cpu":{"shares":512,"quota":50000,"period":100000,"cpus":"0-1"},"memory":{"limit":1},"pids":{"limit":5},"blockIO":{"weight":10},
"hugepageLimits":[{"pageSize":"2MB","limit":1}],"rdma":{"m":{"hcaHandles":1}},"unified":{"cpu.weight":"5","memory.high":"7","io.max":"8"}}`

func TestEnforcedLimits(t *testing.T) {
	tests := []struct {
		d     Delegation
		limit string
		want  string
		notes string
	}{
		{Delegation{Missing: []string{"cpu", "hugetlb", "rdma"}}, allLimits,
			`{"memory":{"limit":1},"cpu":{"cpus":"0-1"},"pids":{"limit":5},"blockIO":{"weight":10},"unified":{"io.max":"8","memory.high":"7"}}`,
			"linux.resources.cpu linux.resources.hugepageLimits linux.resources.rdma linux.resources.devices"},
		{Delegation{Missing: []string{"cpuset", "io", "memory", "pids"}}, allLimits,
			`{"cpu":{"shares":512,"quota":50000,"period":100000},"hugepageLimits":[{"pageSize":"2MB","limit":1}],"rdma":{"m":{"hcaHandles":1}},"unified":{"cpu.weight":"5"}}`,
			"linux.resources.cpu.cpus linux.resources.blockIO linux.resources.memory linux.resources.pids linux.resources.devices"},
		// What engines send that says nothing is no limit that is missed.
		{Delegation{Missing: []string{"cpuset", "io", "memory"}}, `{"cpu":{"shares":2},"memory":{"limit":0},"blockIO":{"weight":0,"weightDevice":[]}}`,
			`{"cpu":{"shares":2}}`, "linux.resources.devices"},
		{Delegation{None: "why"}, allLimits, `{}`, "linux.resources"},
	}
	for _, tt := range tests {
		var r specs.LinuxResources
		if err := json.Unmarshal([]byte(tt.limit), &r); err != nil {
			t.Fatal(err)
		}
		before, _ := json.Marshal(&r)
		got, err := json.Marshal(tt.d.enforced(&r))
		if err != nil || string(got) != tt.want {
			t.Errorf("%+v enforces %s, want %s: %v", tt.d, got, tt.want, err)
		}
		var fields []string
		for _, n := range tt.d.notes(&r) {
			fields = append(fields, n.Field)
		}
		if got := strings.Join(fields, " "); got != tt.notes {
			t.Errorf("%+v notes %s, want %s", tt.d, got, tt.notes)
		}
		if after, _ := json.Marshal(&r); string(after) != string(before) {
			t.Errorf("the argument was changed to %s", after)
		}
	}
}

func TestRefusedUpdate(t *testing.T) {
	some := Delegation{Missing: []string{"cpu"}}
	tests := []struct {
		d     Delegation
		limit string
		want  string
	}{
		{some, `{"cpu":{"quota":-1}}`, "change linux.resources.cpu: the controller cpu is not delegated to this user"},
		{some, `{"unified":{"cpu.max":"1 2"}}`, "change linux.resources.cpu: the controller cpu is not delegated to this user"},
		{some, `{"cpu":{"shares":0,"cpus":"0"},"memory":{"limit":5}}`, ""},
		{Delegation{None: "why"}, `{"memory":{"limit":5}}`, "change linux.resources.memory: the container has no cgroup: why"},
		{Delegation{None: "why"}, `{"memory":{"limit":0},"cpu":{}}`, ""},
		{Delegation{}, allLimits, ""},
	}
	for _, tt := range tests {
		var r specs.LinuxResources
		if err := json.Unmarshal([]byte(tt.limit), &r); err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := tt.d.refuse(&r); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v, %s: got %q, want %q", tt.d, tt.limit, got, tt.want)
		}
	}
}
