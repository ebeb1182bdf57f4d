package seccomp

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// meaning is the reference: it reads the OCI form the way libcontainer hands it to libseccomp, with no algebra at all.
func meaning(s *specs.LinuxSeccomp, name string, args [6]uint64) Verdict {
	read := func(a specs.LinuxSeccompAction, ret *uint) Verdict {
		act, _ := parseAction(a)
		v := Verdict{Action: act}
		if act == Errno || act == Trace {
			v.Errno = 1
			if ret != nil {
				v.Errno = uint16(*ret)
			}
		}
		return v
	}
	def := read(s.DefaultAction, s.DefaultErrnoRet)
	got, matched := def, false
	for _, c := range s.Syscalls {
		v := read(c.Action, c.ErrnoRet)
		if !slices.Contains(c.Names, name) || v == def {
			continue
		}
		if len(c.Args) == 0 {
			return v
		}
	}
	for _, c := range s.Syscalls {
		v := read(c.Action, c.ErrnoRet)
		if !slices.Contains(c.Names, name) || v == def || !entryMatches(c.Args, args) {
			continue
		}
		if !matched || v.Action > got.Action {
			got, matched = v, true
		}
	}
	return got
}

func entryMatches(conds []specs.LinuxSeccompArg, args [6]uint64) bool {
	var count [6]int
	repeated, hits := false, 0
	for _, a := range conds {
		count[a.Index]++
		repeated = repeated || count[a.Index] > 1
		if argMatches(a, args[a.Index]) {
			hits++
		}
	}
	return hits == len(conds) || (repeated && hits > 0)
}

func argMatches(a specs.LinuxSeccompArg, x uint64) bool {
	switch a.Op {
	case specs.OpEqualTo:
		return x == a.Value
	case specs.OpNotEqual:
		return x != a.Value
	case specs.OpMaskedEqual:
		return x&a.Value == a.ValueTwo&a.Value
	case specs.OpLessThan:
		return x < a.Value
	case specs.OpLessEqual:
		return x <= a.Value
	case specs.OpGreaterEqual:
		return x >= a.Value
	case specs.OpGreaterThan:
		return x > a.Value
	}
	return false
}

var (
	testNames   = []string{"socket", "clone3", "ioctl", "no_such_call"}
	testOps     = []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpMaskedEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterEqual, specs.OpGreaterThan}
	testActions = []specs.LinuxSeccompAction{specs.ActAllow, specs.ActAllow, specs.ActAllow, specs.ActErrno, specs.ActErrno, specs.ActLog, specs.ActKillProcess, specs.ActTrap, specs.ActTrace, specs.ActNotify}
	testValues  = []uint64{0, 1, 2, 3, 5, 7, 8, 38, 40, 0x5412, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 5, 1 << 63, 1<<64 - 2, 1<<64 - 1}
)

func pick[T any](r *rand.Rand, s []T) T { return s[r.IntN(len(s))] }

// randomOCI makes a profile of few names and values, so that rules meet often. kind limits the operators to the first n.
func randomOCI(r *rand.Rand, ops int) *specs.LinuxSeccomp {
	s := &specs.LinuxSeccomp{DefaultAction: pick(r, testActions[2:7]), Architectures: []specs.Arch{specs.ArchX86_64}}
	for range r.IntN(7) {
		c := specs.LinuxSyscall{Names: []string{pick(r, testNames)}, Action: pick(r, testActions)}
		if c.Action == specs.ActErrno && r.IntN(2) == 0 {
			n := uint(r.IntN(40))
			c.ErrnoRet = &n
		}
		for range r.IntN(4) {
			c.Args = append(c.Args, specs.LinuxSeccompArg{
				Index: uint(r.IntN(3)), Op: pick(r, testOps[:ops]), Value: pick(r, testValues), ValueTwo: pick(r, testValues),
			})
		}
		s.Syscalls = append(s.Syscalls, c)
	}
	return s
}

func randomArgs(r *rand.Rand) (args [6]uint64) {
	for i := range args {
		args[i] = pick(r, testValues) + uint64(r.IntN(3)) - 1
		if r.IntN(8) == 0 {
			args[i] = r.Uint64()
		}
	}
	return args
}

func mustParse(t testing.TB, s *specs.LinuxSeccomp) Profile {
	t.Helper()
	p, err := FromOCI(s, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// FuzzLaws checks what every other package relies on, against the reference.
func FuzzLaws(f *testing.F) {
	for i := range uint64(200) {
		f.Add(i, i*7)
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		ops := pick(r, []int{3, 3, 7})
		sa, sb := randomOCI(r, ops), randomOCI(r, ops)
		a, b := mustParse(t, sa), mustParse(t, sb)
		both, notes := Intersect(a, b)
		printed := mustParse(t, both.ToOCI())
		again, more := Intersect(both, b)
		if ok, w := Subset(both, a); !ok && !strings.Contains(w, "too many") {
			t.Fatalf("intersection is not within a: %s", w)
		}
		if ok, w := Subset(both, b); !ok && !strings.Contains(w, "too many") {
			t.Fatalf("intersection is not within b: %s", w)
		}
		inside, why := Subset(a, b)
		for range 200 {
			name, args := pick(r, testNames), randomArgs(r)
			va, vb, v := meaning(sa, name, args), meaning(sb, name, args), both.Evaluate(name, args)
			if got := a.Evaluate(name, args); tooMany(a) {
				if got.Action < va.Action {
					t.Fatalf("%s%x: model %v, meaning %v in %+v", name, args, got, va, sa)
				}
			} else if got != va && (va.Action != Errno || got.Action != Errno) {
				t.Fatalf("%s%x: model %v, meaning %v in %+v", name, args, got, va, sa)
			}
			if got := meaning(both.ToOCI(), name, args); got != v {
				t.Fatalf("%s%x: printed %v, model %v", name, args, got, v)
			}
			if got := printed.Evaluate(name, args); got != v {
				t.Fatalf("%s%x: round trip %v, model %v", name, args, got, v)
			}
			if got := again.Evaluate(name, args); got.Action < v.Action || (len(more) == 0 && got.Action.Permits() != v.Action.Permits()) {
				t.Fatalf("%s%x: intersected again %v, once %v", name, args, got, v)
			}
			if va, vb := a.Evaluate(name, args), b.Evaluate(name, args); inside && va.Action.Permits() && !vb.Action.Permits() {
				t.Fatalf("%s%x: %v and %v, but subset (%s)", name, args, va, vb, why)
			}
			checkVerdict(t, name, args, va, vb, v, len(notes) == 0 && !tooMany(a) && !tooMany(b))
		}
	})
}

func tooMany(p Profile) bool {
	return slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, "need more than") })
}

func checkVerdict(t *testing.T, name string, args [6]uint64, a, b, v Verdict, exact bool) {
	t.Helper()
	permitted := a.Action.Permits() && b.Action.Permits()
	switch {
	case v.Action < a.Action || v.Action < b.Action:
		t.Fatalf("%s%x: %v is weaker than %v and %v", name, args, v, a, b)
	case permitted && exact && v.Action != max(a.Action, b.Action):
		t.Fatalf("%s%x: got %v from %v and %v", name, args, v, a, b)
	}
}
