package compile_test

import (
	"math/rand/v2"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/algebra"
)

// FuzzAlgebraProgram proves that what the operator's algebra prints compiles to what it says: no ranges, no two NE of a call.
func FuzzAlgebraProgram(f *testing.F) {
	for i := range uint64(60) {
		f.Add(i, i*13)
	}
	ops := []specs.LinuxSeccompOperator{specs.OpEqualTo, specs.OpNotEqual, specs.OpNotEqual, specs.OpMaskedEqual, specs.OpLessThan, specs.OpGreaterEqual}
	f.Fuzz(func(t *testing.T, x, y uint64) {
		r := rand.New(rand.NewPCG(x, y))
		var in [2]seccomp.Profile
		for i := range in {
			p, err := seccomp.FromOCI(randomProfile(r, ops), "amd64")
			if err != nil {
				t.Fatal(err)
			}
			in[i] = p
		}
		union, _, err := algebra.Union(in[0], in[1])
		if err != nil {
			t.Fatal(err)
		}
		minus, _, err := algebra.Difference(in[0], in[1])
		if err != nil {
			t.Fatal(err)
		}
		agree(t, union, r)
		agree(t, minus, r)
		if one, notes := algebra.Canonical(in[0]); len(notes) == 0 {
			agree(t, one, r)
		}
	})
}
