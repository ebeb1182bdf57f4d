package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// TestLoadedFilter reads the filters that the kernel really holds for a container, of its init before the workload begins
// and of an exec'd process, and compares their verdicts with the meaning of the two profiles.
func TestLoadedFilter(t *testing.T) {
	requireRoot(t)
	callers := []string{"none", "docker-20.10-run.json", "docker-29-run.json"}
	for _, profile := range []string{"default", "restricted", "compatible"} {
		for _, caller := range callers {
			t.Run(profile+"/"+caller, func(t *testing.T) { loadedFilter(t, profile, caller) })
		}
	}
}

func loadedFilter(t *testing.T, profile, caller string) {
	given := callerProfile(t, caller)
	b := newBundle(t, "bulkhead", func(s *specs.Spec) {
		s.Linux.Seccomp = given
		if profile == "restricted" {
			s.Process.User = specs.User{UID: 1000, GID: 1000}
		}
	})
	must(t, b.withFiles(t, "--profile", profile, "create", "--bundle", b.dir, "--pid-file", b.dir+"/pid", b.id))
	model := enforcedModel(t, given, profile)
	// The leader is the thread that will execute the workload; libcontainer gives the filter to no other thread of its init.
	judgeLoaded(t, "init", b.pid(t), model)
	b.do(t, "start", b.id)
	eventually(t, "the workload", func() error {
		if name := statusOf(t, b.pid(t))["Name"]; name != "sleep" {
			return fmt.Errorf("the process is %q", name)
		}
		return nil
	})
	judgeLoaded(t, "the workload", b.pid(t), model)
	must(t, b.withFiles(t, "--profile", profile, "exec", "--detach", "--pid-file", b.dir+"/exec-pid", b.id, "sleep", "1000"))
	pid, err := strconv.Atoi(b.output(t, "exec-pid"))
	if err != nil {
		t.Fatal(err)
	}
	judgeLoaded(t, "the exec'd process", pid, model)
}

// callerProfile is an engine's own profile, or nil when it gives none.
func callerProfile(t testing.TB, name string) *specs.LinuxSeccomp {
	t.Helper()
	if name == "none" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join("..", "seccomp", "testdata", name))
	s := new(specs.LinuxSeccomp)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// enforcedModel is what a container may call: what the hardening profile permits and the caller, if it says anything.
func enforcedModel(t testing.TB, given *specs.LinuxSeccomp, profile string) seccomp.Profile {
	t.Helper()
	own, err := profiles.SeccompProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	if given == nil {
		given = own
	}
	a, err := seccomp.FromOCI(given, goruntime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	b, err := seccomp.FromOCI(own, goruntime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	both, notes := seccomp.Intersect(a, b)
	if len(notes) > 0 {
		t.Errorf("intersection is not exact: %v", notes)
	}
	return both
}

// A judgement compares one loaded filter with the model.
type judgement struct {
	t     testing.TB
	who   string
	vm    *compile.Machine
	model seccomp.Profile
	audit uint32
	// last is the largest number that the profile names: libcontainer's stub answers ENOSYS above it.
	last uint32
	// values are the interesting ones of an argument.
	values []uint64
	random *rand.Rand
}

func judgeLoaded(t testing.TB, who string, tid int, model seccomp.Profile) {
	t.Helper()
	program, err := loadedProgram(tid)
	if err != nil {
		if notGiven(t, tid, err) {
			t.Skipf("this kernel does not give filters: %v", err)
		}
		t.Fatalf("%s: %v", who, err)
	}
	j := judgement{t: t, who: who, model: model, values: interesting(model), random: rand.New(rand.NewPCG(7, uint64(len(program))))}
	if j.vm, err = compile.NewMachine(program); err != nil {
		t.Fatalf("%s: %v", who, err)
	}
	native, err := libseccomp.GetNativeArch()
	if err == nil {
		j.audit, err = compile.Audit(native)
	}
	if err != nil {
		t.Fatal(err)
	}
	j.last = uint32(compile.Last(model.ToOCI(), native))
	for nr := range uint32(601) {
		j.number(nr)
	}
	for _, nr := range []uint32{j.last, j.last + 1, 1<<30 - 1, 1 << 30, 1<<30 + j.last, 1 << 31, 1<<31 + 59, 1<<32 - 2, 1<<32 - 1} {
		j.number(nr)
	}
	for range 2000 {
		j.number(j.random.Uint32())
	}
	j.foreign()
}

// number judges one system call with arguments for each of its rules, with all interesting values, and with others.
func (j *judgement) number(nr uint32) {
	j.t.Helper()
	name, err := libseccomp.ScmpSyscall(int32(nr)).GetName()
	if err != nil || nr > 1<<30 {
		name = "?"
	}
	rules := j.model.Call(name).Rules
	args := [6]uint64{}
	for _, r := range rules {
		j.call(nr, name, satisfying(r))
	}
	for range 1 + len(rules)*len(j.values) {
		j.call(nr, name, args)
		for i := range args {
			args[i] = j.values[j.random.IntN(len(j.values))]
		}
	}
	j.call(nr, name, [6]uint64{j.random.Uint64(), j.random.Uint64(), j.random.Uint64(), j.random.Uint64(), j.random.Uint64(), j.random.Uint64()})
}

func (j *judgement) call(nr uint32, name string, args [6]uint64) {
	j.t.Helper()
	want := j.model.Evaluate(name, args)
	switch {
	case nr == 1<<32-1 && j.audit == compile.AuditAMD64: // libseccomp takes -1, which a tracer writes to skip a call, for no x32 number
		want = j.model.Default
	case nr&(1<<30) != 0 && j.audit == compile.AuditAMD64: // x32
		want = seccomp.Verdict{Action: seccomp.KillThread}
	case nr > j.last:
		want = seccomp.Verdict{Action: seccomp.Errno, Errno: 38}
	}
	j.expect(j.audit, nr, args, want)
}

func (j *judgement) expect(audit, nr uint32, args [6]uint64, want seccomp.Verdict) {
	j.t.Helper()
	got, err := j.vm.Run(audit, nr, args)
	if err != nil {
		j.t.Fatal(err)
	}
	if got != want {
		j.t.Fatalf("%s: call %d (arch %#x) with %#x gets %v, want %v", j.who, nr, audit, args, got, want)
	}
}

// foreign judges what comes by another architecture's door: nothing of it runs, whatever the number.
func (j *judgement) foreign() {
	j.t.Helper()
	audits := []uint32{compile.AuditAMD64, compile.AuditARM64, compile.AuditI386, 0, 1<<32 - 1, 0xc0000016, 0x40000028, j.audit ^ 1<<31}
	for _, audit := range slices.DeleteFunc(audits, func(a uint32) bool { return a == j.audit }) {
		for nr := range uint32(601) {
			j.expect(audit, nr, [6]uint64{}, seccomp.Verdict{Action: seccomp.KillThread})
			j.expect(audit, nr|1<<30, [6]uint64{1, 2, 3, 4, 5, 6}, seccomp.Verdict{Action: seccomp.KillThread})
		}
	}
}

// satisfying are arguments that a rule holds for, with other bits than those that it looks at set where it looks at some.
func satisfying(r seccomp.Rule) [6]uint64 {
	var args [6]uint64
	for _, c := range r.Conds {
		switch c.Op {
		case seccomp.NotEqual:
			args[c.Arg] = c.Value + 1
		case seccomp.Masked:
			args[c.Arg] = c.Value | ^c.Mask
		case seccomp.Less:
			args[c.Arg] = c.Value - 1
		default:
			args[c.Arg] = c.Value
		}
	}
	return args
}

// interesting are values around every constant of a profile, with high bits and without.
func interesting(p seccomp.Profile) []uint64 {
	out := []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, 1<<64 - 1, 0x5412, 0x541c, 0x541d, 0x5423}
	for _, c := range p.Calls {
		for _, r := range c.Rules {
			for _, cond := range r.Conds {
				for _, v := range []uint64{cond.Value, cond.Mask, cond.Value | ^cond.Mask} {
					out = append(out, v, v-1, v+1, v|1<<32, v|1<<63, v^1<<31, v|0xffffffff<<32)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
