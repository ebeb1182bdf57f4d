package seccomp_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
)

// FuzzAlgebra checks the laws of package algebra against the reference evaluator, and the algebra that create uses against both.
func FuzzAlgebra(f *testing.F) {
	for i := range uint64(150) {
		f.Add(i, i*7)
	}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		ops := []int{3, 3, 7}[r.IntN(3)]
		sa, sb := seccomp.RandomOCI(r, ops), seccomp.RandomOCI(r, ops)
		a, err := seccomp.FromOCI(sa, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		b, err := seccomp.FromOCI(sb, "amd64")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []seccomp.Profile{a, b} {
			if strings.Contains(strings.Join(p.Notes, ""), "need more than") {
				return // the model is stricter than the reference there, which FuzzLaws checks
			}
		}
		either, notes := union(t, a, b)
		minus, dropped, err := algebra.Difference(a, b)
		if err != nil {
			t.Fatal(err)
		}
		for range 200 {
			name, args := seccomp.TestNames[r.IntN(len(seccomp.TestNames))], seccomp.RandomArgs(r)
			pa := seccomp.Meaning(sa, name, args).Action.Permits()
			pb := seccomp.Meaning(sb, name, args).Action.Permits()
			if got := either.Evaluate(name, args).Action.Permits(); got != (pa || pb) && (got || len(notes) == 0) {
				t.Fatalf("%s%#x: union permits: %v, from %v and %v", name, args, got, pa, pb)
			}
			if got := minus.Evaluate(name, args).Action.Permits(); got != (pa && !pb) && (got || len(dropped) == 0) {
				t.Fatalf("%s%#x: difference permits: %v, from %v and %v", name, args, got, pa, pb)
			}
		}
		laws(t, a, b, either, minus, len(notes)+len(dropped) == 0)
		canonical(t, a)
	})
}

func union(t *testing.T, a, b seccomp.Profile) (seccomp.Profile, []string) {
	t.Helper()
	p, notes, err := algebra.Union(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return p, notes
}

// permits is the part of a profile that says what is permitted, without how the rest is denied.
func permits(t *testing.T, p seccomp.Profile) (seccomp.Profile, bool) {
	t.Helper()
	nothing := seccomp.Profile{Arch: p.Arch, Default: seccomp.Verdict{Action: seccomp.KillProcess}}
	d, notes, err := algebra.Difference(p, nothing)
	if err != nil {
		t.Fatal(err)
	}
	return d, len(notes) == 0
}

func laws(t *testing.T, a, b, either, minus seccomp.Profile, exact bool) {
	t.Helper()
	if !exact {
		return
	}
	if again, _ := union(t, b, a); !algebra.Equal(either, again) {
		t.Fatal("union is not commutative")
	}
	if self, notes := union(t, a, a); len(notes) == 0 && !algebra.Equal(self, a) {
		t.Fatal("union is not idempotent")
	}
	both, lost := seccomp.Intersect(a, b)
	if absorbed, more := union(t, a, both); len(lost)+len(more) == 0 {
		x, ok := permits(t, absorbed)
		y, fine := permits(t, a)
		if ok && fine && !samePermits(x, y) {
			t.Fatal("a or (a and b) permits something else than a")
		}
	}
	if disjoint, _ := seccomp.Intersect(minus, b); disjoint.Default.Action.Permits() {
		t.Fatal("the difference and b permit what neither names")
	} else if u, c := disjoint.Reachable(); u+c > 0 {
		if ok, w := seccomp.Subset(disjoint, seccomp.Profile{Arch: a.Arch, Default: seccomp.Verdict{Action: seccomp.KillProcess}}); !ok && !strings.Contains(w, "too many") {
			t.Fatalf("the difference and b share %s", w)
		}
	}
	ab, w1 := seccomp.Subset(a, b)
	ba, w2 := seccomp.Subset(b, a)
	if strings.Contains(w1+w2, "too many") {
		return
	}
	x, ok := permits(t, a)
	y, fine := permits(t, b)
	if ok && fine && (ab && ba) != samePermits(x, y) {
		t.Fatalf("subsets %v and %v (%s %s), but the same permissions: %v", ab, ba, w1, w2, samePermits(x, y))
	}
	if none := !hasAny(minus); none != ab {
		t.Fatalf("the difference is empty: %v, a is within b: %v (%s)", none, ab, w1)
	}
}

func hasAny(p seccomp.Profile) bool {
	u, c := p.Reachable()
	return u+c > 0 || p.Default.Action.Permits()
}

// samePermits compares what is permitted, whatever the permitting action.
func samePermits(a, b seccomp.Profile) bool {
	for _, c := range algebra.Changes(a, b) {
		if c.Widens() || c.Narrows() {
			return false
		}
	}
	return true
}

func canonical(t *testing.T, a seccomp.Profile) {
	t.Helper()
	c, notes := algebra.Canonical(a)
	if !algebra.Equal(a, c) {
		t.Fatal("the canonical form means something else")
	}
	again, err := seccomp.FromOCI(c.ToOCI(), a.Arch)
	if err != nil || !algebra.Equal(again, a) {
		t.Fatalf("the printed canonical form means something else (%v)", err)
	}
	twice, _ := algebra.Canonical(again)
	if len(notes) == 0 && !reflect.DeepEqual(twice.ToOCI(), c.ToOCI()) {
		t.Fatalf("the canonical form has another: %+v and %+v", c.Calls, twice.Calls)
	}
}
