package container

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/runtime/harden"
)

// checkEncoded holds what is written of a record, and what is read of it, to encoding/json.
func checkEncoded(t *testing.T, v any) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := plainjson.Marshal(v, 100)
	if err != nil || string(got) != string(want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	usual, read := reflect.New(reflect.TypeOf(v).Elem()), reflect.New(reflect.TypeOf(v).Elem())
	if err := json.Unmarshal(want, usual.Interface()); err != nil {
		t.Fatal(err)
	}
	if err := plainjson.Unmarshal(want, read.Interface()); err != nil || !reflect.DeepEqual(read.Interface(), usual.Interface()) {
		t.Errorf("%v\nread %+v\nwant %+v", err, read, usual)
	}
}

// TestEncodeDecision: a record's second line is what encoding/json writes, for all that engines ask and all that profiles have.
func TestEncodeDecision(t *testing.T) {
	files, err := filepath.Glob("../bundle/testdata/specs/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("found %d specs, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d Decision
		d.Spec = new(specs.Spec)
		if err := json.Unmarshal(text, d.Spec); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"default", "restricted", "compatible"} {
			if d.Policy.Profile, err = profiles.Load(name, ""); err != nil {
				t.Fatal(err)
			}
			d.Policy.Facts.Sources = []bundle.Source{{}}
			d.Changes = []harden.Change{{Rule: "r", From: "a <b> & \"c\"\n\u2028é\xff", Note: true}, {}}
			checkEncoded(t, &d)
		}
	}
}

// TestEncodeEverything sets every field of a decision, so that none is forgotten, and then none.
func TestEncodeEverything(t *testing.T) {
	var d Decision
	checkEncoded(t, &d)
	fillValue(reflect.ValueOf(&d).Elem(), 12)
	checkEncoded(t, &d)
}

// fillValue gives everything in v a value, down to a depth.
func fillValue(v reflect.Value, depth int) {
	if depth == 0 || !v.CanSet() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem(), depth-1)
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i), depth-1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillValue(v.Index(0), depth-1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"b", "a<"} {
			elem := reflect.New(v.Type().Elem()).Elem()
			fillValue(elem, depth-1)
			v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
		}
	case reflect.String:
		v.SetString(`x"`)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{1.5, "x"}))
	case reflect.Float64:
		v.SetFloat(0.5)
	default:
		if v.CanInt() {
			v.SetInt(-7)
		} else if v.CanUint() {
			v.SetUint(1 << 7)
		}
	}
}

// TestEncodeHolding: the first line has a time and libcontainer's cgroup, which are not plain.
func TestEncodeHolding(t *testing.T) {
	var h Holding
	checkEncoded(t, &h)
	fillValue(reflect.ValueOf(&h).Elem(), 8)
	h.Created = time.Unix(1e9, 5).UTC()
	checkEncoded(t, &h)
}
