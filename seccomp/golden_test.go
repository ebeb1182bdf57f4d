package seccomp

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var update = flag.Bool("update", false, "write testdata/canonical")

func TestCanonical(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no profiles", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := new(specs.LinuxSeccomp)
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(mustParse(t, s).ToOCI(), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		golden := filepath.Join("testdata", "canonical", filepath.Base(f))
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: the canonical form changed (%v): review go test ./seccomp -update", f, err)
		}
	}
}
