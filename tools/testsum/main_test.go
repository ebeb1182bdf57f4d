package main

import (
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name, script, want string
		code               int
	}{
		{"pass and skip", `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:1: no kernel\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":0.5}`,
			"pass p (0.5 s)\nskipped:\n  p.TestA: a_test.go:1: no kernel\n1 passed, 0 failed, 1 skipped\n", 0},
		{"a failed test shows its output", `{"Action":"output","Package":"p","Test":"TestA","Output":"    got 1\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`,
			"    got 1\nfail p (0.0 s)\npackages that failed: 1\n0 passed, 1 failed, 0 skipped\n", 1},
		{"a package that does not build", `{"Action":"pass","Package":"q","Test":"TestB"}
{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}
{"Action":"fail","Package":"p"}`,
			"p.go:1: undefined: x\nfail p (0.0 s)\npackages that failed: 1\n1 passed, 0 failed, 0 skipped\n", 1},
		{"no test", ``, "0 passed, 0 failed, 0 skipped\n", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			code := run([]string{"printf", "%s", c.script}, &out)
			if out.String() != c.want || code != c.code {
				t.Errorf("run = %d, printed %q, want %d, %q", code, out.String(), c.code, c.want)
			}
		})
	}
	var out strings.Builder
	pass := `{"Action":"pass","Package":"p","Test":"TestA"}`
	if code := run([]string{"sh", "-c", "echo '" + pass + "'; exit 3"}, &out); code != 1 {
		t.Errorf("run of a command that fails = %d, want 1, printed %q", code, out.String())
	}
}
