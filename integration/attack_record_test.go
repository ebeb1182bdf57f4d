package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackRecord makes the runtime write a record that it would not read again: nobody could then stop or delete the container.
func TestAttackRecord(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", func(s *specs.Spec) {
		s.Annotations = map[string]string{}
		// JSON text may write one byte in six: a config.json of 8 MB is within the bound, its record is not.
		for i := range 80 {
			s.Annotations[fmt.Sprint("a", i)] = strings.Repeat("<", 100_000)
		}
	})
	data, err := os.ReadFile(b.dir + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(b.dir+"/config.json", []byte(strings.ReplaceAll(string(data), `\u003c`, "<")), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, b.create(t), "write record of", "the request is too large")
	if _, err := os.Stat(b.state + "/" + b.id); err == nil {
		t.Error("the refused container has left its state")
	}
}
