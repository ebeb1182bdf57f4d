package harden

import "testing"

func BenchmarkMountsRule(b *testing.B) {
	s := realSpec(b, "docker-29-run")
	p := realPolicy(b, s)
	narrowMounts(s, p)
	for b.Loop() {
		narrowMounts(s, p)
		if v := judgeMounts(s, p); len(v) > 0 {
			b.Fatal(v)
		}
	}
}
