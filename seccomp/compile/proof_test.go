package compile_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

var machines = []struct {
	goarch string
	arch   libseccomp.ScmpArch
	audit  uint32
	other  uint32
}{
	{"amd64", libseccomp.ArchAMD64, compile.AuditAMD64, compile.AuditI386},
	{"arm64", libseccomp.ArchARM64, compile.AuditARM64, compile.AuditAMD64},
}

// shipped reads a built-in profile from the table that package profiles makes its files from, which its own test checks. It
// does not import that package: packages on one floor do not.
func shipped(name string) (*specs.LinuxSeccomp, error) {
	data, err := os.ReadFile("../../profiles/seccomp/table.json")
	if err != nil {
		return nil, err
	}
	var table struct {
		Rows []struct {
			Profiles, Names []string
			Action          string
			Errno           uint
			Rules           [][]specs.LinuxSeccompArg
		}
	}
	if err := json.Unmarshal(data, &table); err != nil {
		return nil, err
	}
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno}
	for _, r := range table.Rows {
		if !slices.Contains(r.Profiles, name) {
			continue
		}
		c := specs.LinuxSyscall{Names: r.Names, Action: specs.ActAllow}
		if r.Action == "deny" {
			c.Action, c.ErrnoRet = specs.ActErrno, &r.Errno
		}
		if len(r.Rules) == 0 {
			s.Syscalls = append(s.Syscalls, c)
		}
		for _, c.Args = range r.Rules {
			s.Syscalls = append(s.Syscalls, c)
		}
	}
	return s, nil
}

// points are values near every constant of the profile, with and without high bits.
func points(s *specs.LinuxSeccomp) []uint64 {
	seen := map[uint64]bool{}
	var out []uint64
	add := func(xs ...uint64) {
		for _, x := range xs {
			if !seen[x] {
				seen[x] = true
				out = append(out, x)
			}
		}
	}
	add(0, 1, 1<<31, 1<<32-1, 1<<32, 1<<63, 1<<64-1, 0x5412, 0x541c, 0x541d, 0x5423, 0x5401, 0x5413)
	for _, c := range s.Syscalls {
		for _, a := range c.Args {
			for _, v := range []uint64{a.Value, a.ValueTwo, a.Value | a.ValueTwo, a.ValueTwo | ^a.Value} {
				add(v, v-1, v+1, v|1<<32, v|1<<63, v^1<<31, v|0xffffffff<<32)
			}
		}
	}
	return out
}

// prove runs every number, with every point in each argument that the call's rules look at, through the program and the model.
func prove(t *testing.T, s *specs.LinuxSeccomp, m int, r *rand.Rand) int {
	t.Helper()
	mc := machines[m]
	s.Architectures = nil
	program, err := compile.Program(s, mc.arch)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := compile.NewMachine(program)
	if err != nil {
		t.Fatal(err)
	}
	model, err := seccomp.FromOCI(s, mc.goarch)
	if err != nil {
		t.Fatal(err)
	}
	run := func(audit, nr uint32, args [6]uint64) seccomp.Verdict {
		v, err := vm.Run(audit, nr, args)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	kill := seccomp.Verdict{Action: seccomp.KillThread}
	values := points(s)
	last := uint32(compile.Last(s, mc.arch))
	for nr := range uint32(600) {
		name, err := libseccomp.ScmpSyscall(nr).GetNameByArch(mc.arch)
		if err != nil {
			name = "?"
		}
		args := [6]uint64{}
		for range 1 + len(model.Call(name).Rules)*len(values) {
			want := model.Evaluate(name, args)
			if nr > last && !model.Default.Action.Permits() {
				want = seccomp.Verdict{Action: seccomp.Errno, Errno: 38}
			}
			if got := run(mc.audit, nr, args); got != want {
				t.Fatalf("%s %d %s%#x: the filter gives %v, the model %v", mc.goarch, nr, name, args, got, want)
			}
			for i := range args {
				args[i] = values[r.IntN(len(values))]
			}
		}
		if got := run(mc.other, nr, args); got != kill {
			t.Fatalf("%s %d from another architecture gets %v", mc.goarch, nr, got)
		}
		if got := run(mc.audit, nr|1<<30, args); mc.goarch == "amd64" && got != kill {
			t.Fatalf("x32 number %d gets %v", nr, got)
		}
	}
	return len(program)
}

func TestShippedProfiles(t *testing.T) {
	for _, name := range []string{"default", "restricted", "compatible"} {
		for m := range machines {
			s, err := shipped(name)
			if err != nil {
				t.Fatal(err)
			}
			n := prove(t, s, m, rand.New(rand.NewPCG(1, 2)))
			t.Logf("%s on %s: %d instructions", name, machines[m].goarch, n)
		}
	}
}

func engineProfiles(t testing.TB) map[string]*specs.LinuxSeccomp {
	t.Helper()
	files, err := filepath.Glob("../testdata/*-*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no engine profiles", err)
	}
	out := map[string]*specs.LinuxSeccomp{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := new(specs.LinuxSeccomp)
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = s
	}
	return out
}

// What create enforces: each engine's profile within each of ours, as it is printed.
func TestIntersections(t *testing.T) {
	for file, s := range engineProfiles(t) {
		for _, name := range []string{"default", "restricted"} {
			own, err := shipped(name)
			if err != nil {
				t.Fatal(err)
			}
			both := intersect(t, s, own)
			n := prove(t, both, 0, rand.New(rand.NewPCG(3, 4)))
			t.Logf("%s within %s: %d instructions", file, name, n)
		}
	}
}

func intersect(t testing.TB, a, b *specs.LinuxSeccomp) *specs.LinuxSeccomp {
	t.Helper()
	pa, err := seccomp.FromOCI(a, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	pb, err := seccomp.FromOCI(b, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	both, notes := seccomp.Intersect(pa, pb)
	if len(notes) > 0 {
		t.Errorf("not exact: %v", notes)
	}
	for _, p := range []seccomp.Profile{pa, pb} {
		if ok, w := seccomp.Subset(both, p); !ok {
			t.Errorf("wider: %s", w)
		}
	}
	return both.ToOCI()
}

// The engines' own profiles too, which shows that the model means what libseccomp means.
func TestEngineProfiles(t *testing.T) {
	for file, s := range engineProfiles(t) {
		t.Log(file, prove(t, s, 0, rand.New(rand.NewPCG(5, 6))))
	}
}

// What create does before libcontainer compiles: read both profiles, intersect, judge, print.
func BenchmarkIntersect(b *testing.B) {
	own, err := shipped("default")
	if err != nil {
		b.Fatal(err)
	}
	docker := engineProfiles(b)["docker-29-run.json"]
	b.ReportAllocs()
	for b.Loop() {
		intersect(b, docker, own)
	}
}

func BenchmarkProgram(b *testing.B) {
	own, err := shipped("default")
	if err != nil {
		b.Fatal(err)
	}
	s := intersect(b, engineProfiles(b)["docker-29-run.json"], own)
	for b.Loop() {
		if _, err := compile.Program(s, libseccomp.ArchAMD64); err != nil {
			b.Fatal(err)
		}
	}
}
