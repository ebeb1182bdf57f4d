package harden

import "testing"

// The two halves of a rule are written apart. So when the narrow half does nothing, the judge must object to every spec
// that the narrow half would have changed: a mistake there refuses a container instead of weakening it.
func TestJudgeStandsAlone(t *testing.T) {
	for _, name := range realSpecs(t) {
		for _, broken := range Rules {
			if broken.narrow == nil {
				continue
			}
			s := realSpec(t, name)
			acceptable(s)
			p := realPolicy(t, s)
			for _, r := range Rules {
				if r.narrow != nil && r.ID != broken.ID {
					r.narrow(s, p)
				}
			}
			objections := broken.judge(s, p)
			changed := false
			for _, c := range broken.narrow(s, p) {
				changed = changed || !c.Note
			}
			if changed && len(objections) == 0 {
				t.Errorf("%s: the judge of %s accepts what its narrow half would have changed", name, broken.ID)
			}
		}
	}
}
