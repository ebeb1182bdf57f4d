package plainjson

import (
	"runtime"
	"strings"
	"testing"
)

// TestReadStrictlyBoundsMemory: a text of very many elements is refused before there is memory for all of them.
func TestReadStrictlyBoundsMemory(t *testing.T) {
	for _, name := range []string{"S", "e"} {
		text := []byte(`{"` + name + `":[` + strings.Repeat(`"",`, 4<<20) + `""]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadStrictly(text, new(odd))
		runtime.ReadMemStats(&after)
		if want := name + "[262144] is one element too many, want at most 262144 in the whole file"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 48<<20 {
			t.Errorf("%s took %d bytes", name, took)
		}
	}
}
