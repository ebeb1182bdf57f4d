package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReadRecord: what is not a record of this program's says so.
func TestReadRecord(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"none", nil, "container does not exist"},
		{"a killed create", map[string]string{"lock": ""}, `load container "c1": its create was cut short; delete --force removes it`},
		{"half written", map[string]string{"lock": "", "record.json.new": "{"}, `load container "c1": its create was cut short; delete --force removes it`},
		{"another runtime's", map[string]string{"state.json": "{}"}, `load container "c1": it belongs to another runtime: "DIR/c1" has no record.json`},
		{"damaged", map[string]string{"record.json": "{"}, `load container "c1": record.json in "DIR/c1" is damaged: unexpected end of JSON input; what it has on this host is not known: end its processes and remove that directory`},
		{"of another", map[string]string{"record.json": `{"version":1,"id":"c2"}`}, `load container "c1": its record belongs to "c2"`},
		{
			"newer", map[string]string{"record.json": `{"version":2,"id":"c1"}`},
			`load container "c1": its record has version 2, this program knows up to 1: use the newer program`,
		},
		{"without a version", map[string]string{"record.json": `{"id":"c1"}`}, `load container "c1": its record has version 0, this program knows up to 1: use the newer program`},
		{"good", map[string]string{"record.json": `{"version":1,"id":"c1","later":true}`}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &Runtime{Root: t.TempDir()}
			for name, data := range c.files {
				path := filepath.Join(r.Root, "c1", name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.readRecord("c1")
			wantError(t, "record", err, strings.ReplaceAll(c.want, "DIR", r.Root))
		})
	}
}
