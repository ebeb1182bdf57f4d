package plainjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// A field is a field of a struct by its name in JSON, and where it is.
type field struct {
	name string
	// index is the field's, or that of the embedded struct that it is promoted from, where inner is its own; else inner is -1.
	index, inner        int16
	omitEmpty, omitZero bool
	// saysZero: the field's type has a method for what omitzero leaves out.
	saysZero bool
}

// of is the field's value in its struct. It is false for one that is promoted from a nil pointer.
func (f *field) of(v reflect.Value) (reflect.Value, bool) {
	v = v.Field(int(f.index))
	if f.inner < 0 {
		return v, true
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return v, false
		}
		v = v.Elem()
	}
	return v.Field(int(f.inner)), true
}

// made is of, with a new struct in place of a nil pointer.
func (f *field) made(v reflect.Value) reflect.Value {
	value, ok := f.of(v)
	if !ok {
		value.Set(reflect.New(value.Type().Elem()))
		value, _ = f.of(v)
	}
	return value
}

// A shape is what there is to know of a type.
type shape struct {
	// own tells that encoding/json has to see the whole value: the type reads or writes itself, or has fields in a form that is
	// not known here.
	own    bool
	fields []field
}

// shapes are those of the types with a name. A direction has one interface for what is written as JSON and one for what is written as text.
type shapes struct {
	known map[reflect.Type]*shape
	own   [2]reflect.Type
}

func readerShapes() shapes {
	return shapes{map[reflect.Type]*shape{}, [2]reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()}}
}

func writerShapes() shapes {
	return shapes{map[reflect.Type]*shape{}, [2]reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}}
}

// maxFields is how many fields a walker can tell whether it saw.
const maxFields = 64

// plainShape is that of all types that have neither fields nor methods.
var plainShape shape

// of gives the shape of a type.
func (s shapes) of(t reflect.Type) *shape {
	if t.Kind() != reflect.Struct && t.PkgPath() == "" {
		return &plainShape
	}
	if known, ok := s.known[t]; ok {
		return known
	}
	made := &plainShape
	switch {
	case t.Implements(s.own[0]) || t.Implements(s.own[1]) || reflect.PointerTo(t).Implements(s.own[0]) || reflect.PointerTo(t).Implements(s.own[1]):
		made = &shape{own: true}
	case t.Kind() == reflect.Struct:
		fields, ok := appendFields(make([]field, 0, t.NumField()), t, -1)
		made = &shape{own: !ok || len(fields) > maxFields, fields: fields}
	}
	s.known[t] = made
	return made
}

// appendFields adds the fields of a struct, or of one that is embedded at an index of it. It fails for what has rules of its own in
// encoding/json, and for what is embedded more deeply.
func appendFields(fields []field, t reflect.Type, embedded int) ([]field, bool) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "":
			inner := f.Type
			if inner.Kind() == reflect.Pointer && f.IsExported() {
				inner = inner.Elem()
			}
			ok := inner.Kind() == reflect.Struct && embedded < 0
			if ok {
				fields, ok = appendFields(fields, inner, i)
			}
			if !ok {
				return nil, false
			}
			continue
		case !f.IsExported() || tag == "-":
			continue
		case name == "":
			name = f.Name
		}
		made := field{name: name, index: int16(i), inner: -1, omitEmpty: hasOption(options, "omitempty"), omitZero: hasOption(options, "omitzero")}
		switch {
		case !isPlain(name), strings.ContainsAny(name, "'`"), slices.ContainsFunc(fields, func(o field) bool { return o.name == name }),
			hasOption(options, "string"), made.omitZero && f.Type.Kind() == reflect.Interface, made.omitZero && !saysZero(f.Type) && saysZero(reflect.PointerTo(f.Type)):
			return nil, false
		}
		made.saysZero = saysZero(f.Type)
		if embedded >= 0 {
			made.index, made.inner = int16(embedded), int16(i)
		}
		fields = append(fields, made)
	}
	return fields, true
}

// A zeroer says itself what omitzero leaves out.
type zeroer interface{ IsZero() bool }

func saysZero(t reflect.Type) bool { return t.Implements(reflect.TypeFor[zeroer]()) }

func hasOption(options, want string) bool {
	for options != "" {
		var option string
		if option, options, _ = strings.Cut(options, ","); option == want {
			return true
		}
	}
	return false
}

// isPlain tells that a text needs no escape in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
