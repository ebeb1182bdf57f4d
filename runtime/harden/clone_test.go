package harden

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// engineSpecs are the configurations of real engines in testdata, by name.
func engineSpecs(t testing.TB) map[string]*specs.Spec {
	t.Helper()
	files, err := filepath.Glob("testdata/*/config.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("find testdata: %v", err)
	}
	found := map[string]*specs.Spec{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		s := new(specs.Spec)
		if err := json.Unmarshal(data, s); err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(filepath.Dir(f))] = s
	}
	return found
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestCloneIsTheJSONCopy(t *testing.T) {
	for name, s := range engineSpecs(t) {
		want := new(specs.Spec)
		if err := json.Unmarshal([]byte(asJSON(t, s)), want); err != nil {
			t.Fatal(err)
		}
		got := clone(s)
		if !reflect.DeepEqual(got, s) {
			t.Errorf("%s: the copy differs from its original", name)
		}
		if asJSON(t, got) != asJSON(t, want) {
			t.Errorf("%s: the copy differs from the JSON copy", name)
		}
	}
}

// TestCloneSharesNothing fills every property, so that a kind of property that clone forgets is found.
func TestCloneSharesNothing(t *testing.T) {
	s := new(specs.Spec)
	fill(reflect.ValueOf(s).Elem())
	c := clone(s)
	if !reflect.DeepEqual(c, s) {
		t.Fatal("the copy differs from its original")
	}
	before := asJSON(t, s)
	scramble(reflect.ValueOf(c).Elem())
	if asJSON(t, s) != before {
		t.Error("a change of the copy changed the original")
	}
}

// fill gives every property below v a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e)
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), e)
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{"v"}))
	case reflect.String:
		v.SetString("s")
	case reflect.Bool:
		v.SetBool(true)
	default:
		if v.CanInt() {
			v.SetInt(1)
		} else if v.CanUint() {
			v.SetUint(1)
		}
	}
}

// scramble changes everything that v reaches.
func scramble(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			scramble(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scramble(v.Field(i))
		}
	case reflect.Interface:
		if list, ok := v.Interface().([]any); ok {
			list[0] = "scrambled"
		}
	case reflect.Slice:
		for i := range v.Len() {
			scramble(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(k))
			scramble(e)
			v.SetMapIndex(k, reflect.Value{})
		}
	case reflect.String:
		v.SetString("scrambled")
	case reflect.Bool:
		v.SetBool(false)
	default:
		if v.CanInt() {
			v.SetInt(7)
		} else if v.CanUint() {
			v.SetUint(7)
		}
	}
}

func BenchmarkClone(b *testing.B) {
	s := engineSpecs(b)["docker-29-run"]
	b.Run("copy=reflect", func(b *testing.B) {
		for b.Loop() {
			clone(s)
		}
	})
	b.Run("copy=json", func(b *testing.B) {
		for b.Loop() {
			if err := json.Unmarshal([]byte(asJSON(b, s)), new(specs.Spec)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
