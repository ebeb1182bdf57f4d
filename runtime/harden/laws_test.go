package harden

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

// FuzzLaws mutates a real spec and checks the laws of the rule table:
//
//   - Judge finds nothing in what Harden gives back
//   - Harden of its own result changes nothing
//   - every right only shrinks
//   - the argument is untouched
//   - exec and update keep the same laws, and change nothing but their own part
//
// base chooses the spec, seed and edits the mutation: see mutate.
func FuzzLaws(f *testing.F) {
	names := realSpecs(f)
	for base := range names {
		for seed := range uint64(9) {
			f.Add(uint8(base), seed, uint8(seed))
		}
	}
	f.Fuzz(func(t *testing.T, base uint8, seed uint64, edits uint8) {
		s := realSpec(t, names[int(base)%len(names)])
		r := rand.New(rand.NewPCG(seed, uint64(base)))
		acceptable(s)
		mutate(s, r, int(edits)%8)
		p := profilePolicy(t, s, profiles.Names()[seed%3])
		before := clone(s)
		h, _, err := Harden(s, p)
		if !reflect.DeepEqual(before, s) {
			t.Fatal("Harden edits its argument")
		}
		if err != nil {
			checkWords(t, err.Error())
			return
		}
		checkHardened(t, h, p)
		checkShrinks(t, s, h)
		checkExec(t, s, h, p)
		checkUpdate(t, s, h, p)
	})
}

// acceptable takes out of the real specs what the default profile refuses, so that the laws behind a refusal are
// reached: host namespaces, a joined namespace of the host's, and writable data of all services.
func acceptable(s *specs.Spec) {
	for i := range s.Linux.Namespaces {
		s.Linux.Namespaces[i].Path = ""
	}
	for _, kind := range []specs.LinuxNamespaceType{"pid", "network", "ipc", "mount"} {
		if namespaceIndex(s, kind) < 0 {
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
		}
	}
	for i := range s.Mounts {
		if s.Mounts[i].Source == "/srv" {
			s.Mounts[i].Source = "/srv/data"
		}
	}
}

func checkHardened(t *testing.T, h *specs.Spec, p Policy) {
	t.Helper()
	if v := Judge(h, p); len(v) > 0 {
		t.Errorf("Judge objects to what Harden gave back: %v", v)
	}
	again, changes, err := Harden(h, p)
	if err != nil {
		t.Fatalf("Harden refuses its own result: %v", err)
	}
	for _, c := range changes {
		if !c.Note {
			t.Errorf("Harden changes its own result: %s: %s", c.Rule, showChange(c))
		}
	}
	if !equal(h, again) {
		t.Error("Harden edits its own result")
	}
}

// checkShrinks compares what was asked with what is given, property by property, with code of its own.
func checkShrinks(t *testing.T, asked, got *specs.Spec) {
	t.Helper()
	checkProcessShrinks(t, asked.Process, got.Process)
	if asked.Root.Readonly && !got.Root.Readonly {
		t.Error("root.readonly is gone")
	}
	for _, path := range asked.Linux.MaskedPaths {
		if cleaned := slices.Contains(got.Linux.MaskedPaths, path); !cleaned && path == cleanPath(path) {
			t.Errorf("masked path %q is gone", path)
		}
	}
	for name := range got.Linux.Sysctl {
		if !slices.ContainsFunc(keysOf(asked.Linux.Sysctl), func(k string) bool { return dotted(k) == name }) {
			t.Errorf("sysctl %q was not asked for", name)
		}
	}
	if len(got.Mounts) > len(asked.Mounts) {
		t.Error("there are more mounts than asked for")
	}
	checkResourcesShrink(t, asked.Linux.Resources, got.Linux.Resources)
	checkFilterShrinks(t, asked.Linux.Seccomp, got.Linux.Seccomp)
}

func checkProcessShrinks(t *testing.T, asked, got *specs.Process) {
	t.Helper()
	if asked.NoNewPrivileges && !got.NoNewPrivileges {
		t.Error("noNewPrivileges is gone")
	}
	if !reflect.DeepEqual(asked.User, got.User) || !slices.Equal(asked.Args, got.Args) {
		t.Error("another user or program runs")
	}
	wanted := asked.Capabilities
	if wanted == nil {
		wanted = &specs.LinuxCapabilities{}
	}
	given := capabilitySets(got.Capabilities)
	for i, set := range capabilitySets(wanted) {
		for _, name := range given[i].names {
			if !slices.Contains(set.names, name) {
				t.Errorf("%s has %s, which was not asked for", set.name, name)
			}
		}
	}
	for _, a := range asked.Rlimits {
		for _, g := range got.Rlimits {
			// RLIMIT_CORE 0 becomes 1, which is less: see limits_process.go.
			if a.Type == g.Type && a.Type != "RLIMIT_CORE" && (g.Hard > a.Hard || g.Soft > a.Soft) {
				t.Errorf("%s grows from %d to %d", a.Type, a.Hard, g.Hard)
			}
		}
	}
	if asked.OOMScoreAdj != nil && *got.OOMScoreAdj < *asked.OOMScoreAdj {
		t.Error("oomScoreAdj is lower than asked for")
	}
}

func checkResourcesShrink(t *testing.T, asked, got *specs.LinuxResources) {
	t.Helper()
	if asked == nil {
		return
	}
	if asked.Memory != nil {
		noMore(t, "memory.limit", asked.Memory.Limit, got.Memory.Limit)
		noMore(t, "memory.reservation", asked.Memory.Reservation, got.Memory.Reservation)
	}
	if asked.Pids != nil {
		noMore(t, "pids.limit", asked.Pids.Limit, got.Pids.Limit)
	}
	if asked.CPU != nil {
		noMore(t, "cpu.quota", asked.CPU.Quota, got.CPU.Quota)
		if asked.CPU.Shares != nil && got.CPU.Shares != nil && *asked.CPU.Shares > 2 && *got.CPU.Shares > *asked.CPU.Shares {
			t.Error("cpu.shares grow")
		}
	}
	for key := range got.Unified {
		if _, ok := asked.Unified[key]; !ok {
			t.Errorf("unified key %q was not asked for", key)
		}
	}
}

// noMore compares numbers where 0 and below ask for no limit.
func noMore(t *testing.T, what string, asked, got *int64) {
	t.Helper()
	if asked != nil && got != nil && *asked > 0 && (*got > *asked || *got <= 0) {
		t.Errorf("%s grows from %d to %d", what, *asked, *got)
	}
}

// checkFilterShrinks asks the evaluator about every call that either filter names, with arguments that filters look at.
func checkFilterShrinks(t *testing.T, asked, got *specs.LinuxSeccomp) {
	t.Helper()
	if asked == nil {
		return
	}
	before, err := seccomp.FromOCI(asked, "amd64")
	if err != nil {
		t.Fatalf("a filter that cannot be read was accepted: %v", err)
	}
	after, err := seccomp.FromOCI(got, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, calls := range [][]seccomp.Call{before.Calls, after.Calls, {{Name: "no_such_call"}}} {
		for _, c := range calls {
			for _, value := range []uint64{0, 1, 2, 8, 16, 38, 40, 0x20000, 0x7e020000, 0xffffffff, ^uint64(0)} {
				args := [6]uint64{value, value, value, value, value, value}
				if after.Evaluate(c.Name, args).Action.Permits() && !before.Evaluate(c.Name, args).Action.Permits() {
					t.Fatalf("%s%v is permitted, and was not before", c.Name, args)
				}
			}
		}
	}
}

// checkExec runs the original process through the second door, as engines do.
func checkExec(t *testing.T, asked, h *specs.Spec, p Policy) {
	t.Helper()
	proc := clone(asked).Process
	got, _, err := Exec(h, proc, p)
	if err != nil {
		t.Fatalf("exec of the process that create accepted: %v", err)
	}
	p.running = true
	if v := Judge(got, p); len(v) > 0 {
		t.Errorf("Judge objects to what Exec gave back: %v", v)
	}
	rest := *got
	rest.Process = h.Process
	if !equal(&rest, h) {
		t.Error("Exec changes more than the process")
	}
	if !reflect.DeepEqual(proc, asked.Process) {
		t.Error("Exec edits its argument")
	}
	for _, set := range capabilitySets(got.Process.Capabilities) {
		for _, name := range set.names {
			if !slices.Contains(entryNames(p.Profile.Capabilities), name) {
				t.Errorf("exec has %s in %s", name, set.name)
			}
		}
	}
}

// checkUpdate asks for the original limits, and for none at all, through the third door.
func checkUpdate(t *testing.T, asked, h *specs.Spec, p Policy) {
	t.Helper()
	before := clone(h)
	unlimited := &specs.LinuxResources{
		Memory: &specs.LinuxMemory{Limit: new(int64(-1)), Swap: new(int64(-1))}, Pids: &specs.LinuxPids{Limit: new(int64(-1))},
		CPU: &specs.LinuxCPU{Quota: new(int64(-1))},
	}
	for _, res := range []*specs.LinuxResources{{}, unlimited, clone(asked).Linux.Resources} {
		if res == nil {
			continue
		}
		got, _, err := Update(h, res, p)
		if err != nil {
			continue // a request that the limits rule refuses
		}
		p := p
		p.running = true
		if v := Judge(got, p); len(v) > 0 {
			t.Errorf("Judge objects to what Update gave back: %v", v)
		}
		b := boundsOf(p)
		if r := got.Linux.Resources; *r.Memory.Limit > b.memoryCeiling || *r.Memory.Limit <= 0 || *r.Pids.Limit > b.pidsCeiling || *r.Pids.Limit <= 0 || *r.CPU.Quota <= 0 {
			t.Error("update goes above a ceiling")
		}
		if reflect.DeepEqual(res, &specs.LinuxResources{}) && !equal(got, h) {
			t.Error("an empty update changes something")
		}
	}
	if !reflect.DeepEqual(before, h) {
		t.Error("Update edits its argument")
	}
}
