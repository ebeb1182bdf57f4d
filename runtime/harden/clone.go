package harden

import (
	"reflect"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// clone returns a copy of s that shares no memory with it. It walks the type with reflection, so that a property
// that a newer runtime-spec adds is copied without a change here. A copy through JSON costs about ten times as much
// on the way of every create.
func clone(s *specs.Spec) *specs.Spec {
	c := new(specs.Spec)
	copyInto(reflect.ValueOf(c).Elem(), reflect.ValueOf(s).Elem())
	return c
}

// copyInto sets to, which is settable, to a deep copy of from.
func copyInto(to, from reflect.Value) {
	switch from.Kind() {
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			copyInto(to.Elem(), from.Elem())
		}
	case reflect.Struct:
		for i := range from.NumField() {
			copyInto(to.Field(i), from.Field(i))
		}
	case reflect.Slice:
		if !from.IsNil() {
			copySlice(to, from)
		}
	case reflect.Map:
		if !from.IsNil() {
			copyMap(to, from)
		}
	case reflect.Interface:
		if !from.IsNil() {
			v := reflect.New(from.Elem().Type()).Elem()
			copyInto(v, from.Elem())
			to.Set(v)
		}
	default:
		to.Set(from)
	}
}

func copySlice(to, from reflect.Value) {
	c := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	if plain(from.Type().Elem()) {
		reflect.Copy(c, from)
	} else {
		for i := range from.Len() {
			copyInto(c.Index(i), from.Index(i))
		}
	}
	to.Set(c)
}

func copyMap(to, from reflect.Value) {
	c := reflect.MakeMapWithSize(from.Type(), from.Len())
	for it := from.MapRange(); it.Next(); {
		v := reflect.New(from.Type().Elem()).Elem()
		copyInto(v, it.Value())
		c.SetMapIndex(it.Key(), v)
	}
	to.Set(c)
}

// plain tells whether a value of the type holds no memory that two copies could share. Strings cannot be written.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface, reflect.Struct, reflect.Array, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return false
	}
	return true
}
