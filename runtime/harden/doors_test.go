package harden

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// created is Docker's container of testdata as create hardened it, with the policy of that create.
func created(t testing.TB) (*specs.Spec, Policy) {
	t.Helper()
	s := engineSpecs(t)["docker-29-run"]
	p := realPolicy(t, s)
	h, _, err := Harden(s, p)
	if err != nil {
		t.Fatal(err)
	}
	return h, p
}

func showChanges(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Rule+": "+showChange(c))
	}
	return out
}

// TestExecPrivileged is `docker exec --privileged`: every capability, and no_new_privs off as in the original spec.
func TestExecPrivileged(t *testing.T) {
	saved, p := created(t)
	before := clone(saved)
	all := strings.Fields(knownCapabilities)
	for i := range all {
		all[i] = "CAP_" + all[i]
	}
	proc := &specs.Process{
		Args: []string{"sh"}, Cwd: "/", ApparmorProfile: "x",
		Capabilities: &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all, Inheritable: all, Ambient: all},
		Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_CORE", Hard: 1 << 40, Soft: 1 << 40}},
	}
	h, changes, err := Exec(saved, proc, p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(saved, before) {
		t.Error("exec edits the saved spec")
	}
	if !h.Process.NoNewPrivileges {
		t.Error("exec has no no_new_privs")
	}
	ceiling := entryNames(p.Profile.Capabilities)
	for _, set := range capabilitySets(h.Process.Capabilities) {
		if extra := without(set.names, ceiling); len(extra) > 0 {
			t.Errorf("%s has %v", set.name, extra)
		}
	}
	rest := *h
	rest.Process = saved.Process
	if !equal(&rest, saved) {
		t.Error("exec changes more than the process")
	}
	for _, c := range changes {
		if !strings.HasPrefix(c.Field, "process.") {
			t.Errorf("exec reports %s", c.Field)
		}
	}
}

// TestExecWithinCreate is exec into a container that was given less than the profile has: `--cap-drop ALL`, and
// no-new-privileges under a profile that does not want it.
func TestExecWithinCreate(t *testing.T) {
	asked := engineSpecs(t)["docker-29-run"]
	p := realPolicy(t, asked)
	p.Profile.NoNewPrivileges.On = false
	asked.Process.NoNewPrivileges = true
	few := []string{"CAP_CHOWN"}
	asked.Process.Capabilities = &specs.LinuxCapabilities{Bounding: few, Effective: few, Permitted: few}
	saved, _, err := Harden(asked, p)
	if err != nil {
		t.Fatal(err)
	}
	more := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETUID"}
	proc := &specs.Process{Args: []string{"sh"}, Cwd: "/", Capabilities: &specs.LinuxCapabilities{Bounding: more, Effective: more, Permitted: more}}
	h, _, err := Exec(saved, proc, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range capabilitySets(h.Process.Capabilities) {
		if extra := without(set.names, few); len(extra) > 0 {
			t.Errorf("%s has %v", set.name, extra)
		}
	}
	if !h.Process.NoNewPrivileges {
		t.Error("exec has no no_new_privs, create had")
	}
	if len(p.Profile.Capabilities) < 2 {
		t.Error("exec edits the caller's profile")
	}
}

// Docker asks for it with `docker exec --privileged`.
func TestExecUnconfined(t *testing.T) {
	saved, p := created(t)
	saved.Process.ApparmorProfile = "docker-default"
	p.Facts.Kernel.AppArmor = true
	p.Facts.Kernel.AppArmorMode = "enforce"
	h, changes, err := Exec(saved, &specs.Process{Args: []string{"id"}, Cwd: "/", ApparmorProfile: "unconfined", NoNewPrivileges: true}, p)
	if err != nil {
		t.Fatal(err)
	}
	if h.Process.ApparmorProfile != "docker-default" {
		t.Errorf("the profile is %q", h.Process.ApparmorProfile)
	}
	want := `lsm: process.apparmorProfile: "unconfined" -> "docker-default" (an exec is confined as its container is)`
	if got := showChanges(changes); len(got) != 1 || got[0] != want {
		t.Errorf("exec reports %q, want %q", got, want)
	}
}

func TestExecInherits(t *testing.T) {
	saved, p := created(t)
	saved.Process.ApparmorProfile = "docker-default"
	adj := 500
	saved.Process.OOMScoreAdj = &adj
	h, changes, err := Exec(saved, &specs.Process{Args: []string{"id"}, Cwd: "/", Env: []string{"A=b"}, NoNewPrivileges: true}, p)
	if err != nil {
		t.Fatal(err)
	}
	want := *saved.Process
	want.Args, want.Cwd, want.Env, want.Terminal, want.ConsoleSize, want.User = []string{"id"}, "/", []string{"A=b"}, false, nil, specs.User{}
	if !equal(h.Process, &want) {
		t.Errorf("got  %s\nwant %s", asJSON(t, h.Process), asJSON(t, &want))
	}
	if len(changes) > 0 {
		t.Errorf("exec reports %q", showChanges(changes))
	}
}

func TestExecRefuses(t *testing.T) {
	saved, p := created(t)
	_, _, err := Exec(saved, &specs.Process{Args: []string{"id"}, Cwd: "/", User: specs.User{UID: 70000}}, p)
	want := `refused by profile "default": process.user.uid is 70000, want below 65536, the size of the range (rule user); to allow it see bulkhead-profiles(5)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, _, err = Exec(saved, nil, p)
	want = `refused by profile "default": process is incomplete, want a process and the container's saved spec (rule rootfs); to allow it see bulkhead-profiles(5)`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestUpdateAbsent is an update that asks for nothing: engines send zeros.
func TestUpdateAbsent(t *testing.T) {
	saved, p := created(t)
	zero, none := int64(0), uint64(0)
	res := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: true, Access: "rwm"}},
		Memory:  &specs.LinuxMemory{Limit: &zero, Swap: &zero, Reservation: &zero},
		CPU:     &specs.LinuxCPU{Shares: &none, Quota: &zero, Period: &none},
		Pids:    &specs.LinuxPids{Limit: &zero},
		BlockIO: &specs.LinuxBlockIO{},
	}
	h, changes, err := Update(saved, res, p)
	if err != nil {
		t.Fatal(err)
	}
	if !equal(h, saved) {
		t.Errorf("got  %s\nwant %s", asJSON(t, h.Linux.Resources), asJSON(t, saved.Linux.Resources))
	}
	if len(changes) > 0 {
		t.Errorf("update reports %q", showChanges(changes))
	}
}

// TestUpdateWidens is `docker update --memory 1t --pids-limit -1`.
func TestUpdateWidens(t *testing.T) {
	saved, p := created(t)
	before := clone(saved)
	memory, pids, shares := int64(1<<40), int64(-1), uint64(262144)
	h, changes, err := Update(saved, &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: &memory}, Pids: &specs.LinuxPids{Limit: &pids}, CPU: &specs.LinuxCPU{Shares: &shares},
	}, p)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(saved, before) {
		t.Error("update edits the saved spec")
	}
	r := h.Linux.Resources
	b := boundsOf(p)
	if *r.Memory.Limit != b.memoryCeiling || *r.Pids.Limit != b.pidsCeiling || *r.CPU.Shares != uint64(p.Profile.Limits.CPUWeight.Ceiling) {
		t.Errorf("memory %d, pids %d, shares %d", *r.Memory.Limit, *r.Pids.Limit, *r.CPU.Shares)
	}
	if *r.CPU.Quota != *saved.Linux.Resources.CPU.Quota {
		t.Errorf("quota changed to %d", *r.CPU.Quota)
	}
	var fields []string
	for _, c := range changes {
		fields = append(fields, c.Field)
	}
	for _, f := range []string{"linux.resources.memory.limit", "linux.resources.pids.limit", "linux.resources.cpu.shares"} {
		if !slices.Contains(fields, f) {
			t.Errorf("no change of %s in %q", f, fields)
		}
	}
}

// TestUpdateBelowTmpfs shrinks the memory below the size of /dev/shm, which exists already: what it holds counts as
// memory all the same.
func TestUpdateBelowTmpfs(t *testing.T) {
	saved, p := created(t)
	memory := int64(16 << 20)
	h, _, err := Update(saved, &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &memory}}, p)
	if err != nil {
		t.Fatal(err)
	}
	if *h.Linux.Resources.Memory.Limit != memory || !equal(h.Mounts, saved.Mounts) {
		t.Errorf("memory %d, mounts %s", *h.Linux.Resources.Memory.Limit, asJSON(t, h.Mounts))
	}
}

// TestUnchanged shows what a door says when a rule changes more than the request.
func TestUnchanged(t *testing.T) {
	saved, _ := created(t)
	got := clone(saved)
	got.Root.Path = "/other"
	want := "BUG: exec of a hardened container changed Root"
	if err := unchanged("exec", saved, got); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRefusalError(t *testing.T) {
	var r Refusal
	r.Profile = "default"
	for i := range 7 {
		r.Violations = append(r.Violations, Violation{Rule: "mounts", Field: mountField(i, "source"), Got: `"/x" (No such file or directory)`, Want: "Permission Denied"})
	}
	one := ` is "/x" (No-such-file-or-directory), want Permission-Denied (rule mounts)`
	want := `refused by profile "default": mounts[0].source` + one + "; mounts[1].source" + one + "; mounts[2].source" + one + "; mounts[3].source" + one +
		"; mounts[4].source" + one + "; and 2 more; to allow it see bulkhead-profiles(5)"
	if got := r.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestHardenOfNothing(t *testing.T) {
	want := `refused by profile "x": spec is empty, want a runtime-spec configuration (rule rootfs); to allow it see bulkhead-profiles(5)`
	if _, _, err := Harden(nil, Policy{Profile: profiles.Profile{Name: "x"}}); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if v := Judge(&specs.Spec{}, Policy{}); len(v) != 1 || v[0].String() != "spec is incomplete, want process, root and linux (rule rootfs)" {
		t.Errorf("got %v", v)
	}
	// A spec without anything is a request like any other.
	p := testPolicy(t)
	if _, _, err := Harden(&specs.Spec{}, p); err == nil {
		t.Error("an empty spec is accepted")
	}
}
