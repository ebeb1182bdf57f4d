package bundle

import (
	"os"
	"path/filepath"
	"testing"
)

func writeBundle(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoadWhatEnginesWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/specs/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("found %d specs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, notes, err := Load(writeBundle(t, string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) != 0 {
				t.Errorf("notes %q, want none", notes)
			}
			if spec.Process.Args[0] == "" || len(spec.Mounts) == 0 {
				t.Errorf("spec is half empty: %+v", spec)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile("testdata/specs/docker-29-run.json")
	if err != nil {
		b.Fatal(err)
	}
	dir := writeBundle(b, string(data))
	for b.Loop() {
		if _, _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}
