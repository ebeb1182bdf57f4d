package harden

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Every spec that a real engine wrote has beside it what comes out with the default profile: hardened.json and report.txt,
// or only the report when it is refused; and what the restricted profile says. After a wanted change run `go test ./runtime/harden -run Golden -update` and read the difference.
func TestGolden(t *testing.T) {
	for _, name := range realSpecs(t) {
		t.Run(name, func(t *testing.T) {
			s := realSpec(t, name)
			hardened, changes, err := Harden(s, realPolicy(t, s))
			golden(t, filepath.Join("testdata", name, "report.txt"), []byte(report(changes, err)))
			golden(t, filepath.Join("testdata", name, "hardened.json"), indented(t, hardened))
			_, changes, err = Harden(s, profilePolicy(t, s, "restricted"))
			golden(t, filepath.Join("testdata", name, "restricted.txt"), []byte(report(changes, err)))
		})
	}
}

// report is one line for each change, with its rule, and the refusal when there is one.
func report(changes []Change, err error) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.Rule + ": " + showChange(c) + "\n")
	}
	if err != nil {
		b.WriteString(err.Error() + "\n")
	}
	return b.String()
}

// indented is nil for a spec that was refused: there is no file then.
func indented(t *testing.T, s *specs.Spec) []byte {
	t.Helper()
	if s == nil {
		return nil
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// golden compares got with a file, which is absent when got is nil.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		var err error
		if got == nil {
			err = os.RemoveAll(file)
		} else {
			err = os.WriteFile(file, got, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil && (got != nil || !os.IsNotExist(err)) {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s", file, firstDifference(string(got), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		line := func(l []string) string {
			if i < len(l) {
				return l[i]
			}
			return "(end)"
		}
		if line(g) != line(w) {
			return "line " + decimal(i+1) + "\n got " + line(g) + "\nwant " + line(w)
		}
	}
	return "no line"
}

// A spec that is hardened must not hold the argument's memory: the caller keeps its own.
func TestGoldenArgumentUntouched(t *testing.T) {
	for _, name := range realSpecs(t) {
		s := realSpec(t, name)
		before := clone(s)
		_, _, _ = Harden(s, realPolicy(t, s))
		if !equal(before, s) {
			t.Errorf("%s: Harden edits its argument", name)
		}
	}
}

func BenchmarkHarden(b *testing.B) {
	s := realSpec(b, "docker-29-run")
	p := realPolicy(b, s)
	for b.Loop() {
		if _, _, err := Harden(s, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSeccompRule(b *testing.B) {
	s := realSpec(b, "docker-29-run")
	p := realPolicy(b, s)
	given := s.Linux.Seccomp
	for b.Loop() {
		s.Linux.Seccomp = given
		narrowSeccomp(s, p)
		if v := judgeSeccomp(s, p); len(v) > 0 {
			b.Fatal(v)
		}
	}
}
