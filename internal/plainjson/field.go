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
	name                string
	index               []int
	omitEmpty, omitZero bool
}

// of is the field's value in its struct.
func (f *field) of(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
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
		fields, ok := appendFields(make([]field, 0, t.NumField()), t, nil)
		made = &shape{own: !ok, fields: fields}
	}
	s.known[t] = made
	return made
}

// appendFields adds the fields of a struct that is at this index of another one, promoted ones included. It fails for what has rules of
// its own in encoding/json.
func appendFields(fields []field, t reflect.Type, at []int) ([]field, bool) {
	indices := make([]int, t.NumField())
	for i := range indices {
		f := t.Field(i)
		index := indices[i : i+1 : i+1]
		if index[0] = i; len(at) > 0 {
			index = append(slices.Clip(at), i)
		}
		tag := f.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() != reflect.Struct:
			return nil, false
		case f.Anonymous && name == "":
			var ok bool
			if fields, ok = appendFields(fields, f.Type, index); !ok {
				return nil, false
			}
			continue
		case !f.IsExported() || tag == "-":
			continue
		case name == "":
			name = f.Name
		}
		made := field{name: name, index: index, omitEmpty: hasOption(options, "omitempty"), omitZero: hasOption(options, "omitzero")}
		switch {
		case !isPlain(name), strings.ContainsAny(name, "'`"), slices.ContainsFunc(fields, func(o field) bool { return o.name == name }),
			hasOption(options, "string"), made.omitZero && saysZero(reflect.PointerTo(f.Type)) && (!saysZero(f.Type) || f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Interface):
			return nil, false
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
