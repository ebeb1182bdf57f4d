package recording

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// Every key of the format is documented.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/seccomp-recordings.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []reflect.Type{
		reflect.TypeFor[Recording](), reflect.TypeFor[Phase](), reflect.TypeFor[Call](), reflect.TypeFor[Seen](),
		reflect.TypeFor[Arguments](), reflect.TypeFor[Combination](), reflect.TypeFor[Unseen](), reflect.TypeFor[Losses](),
	} {
		_, keys := fieldsOf(kind)
		for _, key := range keys {
			if !strings.Contains(string(text), "`"+key+"`") {
				t.Errorf("docs/seccomp-recordings.md lacks `%s` of %s", key, kind.Name())
			}
		}
	}
}
