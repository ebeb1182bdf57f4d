package container

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// An encoder writes what encoding/json writes. encoding/json first makes tables of all types that a value may hold: for the hardened
// spec and the policy of a record half a megabyte and a millisecond in every create, for a text of 40 KB that is written once. What is not
// plain (a type with an encoder of its own, a number with a fraction) is left to encoding/json.
type encoder struct {
	text   []byte
	fields map[reflect.Type][]encodedField
	failed error
}

// An encodedField is a struct's field: its name as it is written, and where it is.
type encodedField struct {
	name                string
	index               []int
	omitEmpty, omitZero bool
}

var encodesItself = [...]reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()}

// encodeJSON is json.Marshal for types without cycles.
func encodeJSON(v any) ([]byte, error) {
	e := encoder{text: make([]byte, 0, 48<<10), fields: map[reflect.Type][]encodedField{}}
	e.value(reflect.ValueOf(v))
	return e.text, e.failed
}

func (e *encoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			e.text = append(e.text, "null"...)
			return
		}
		e.value(v.Elem())
	case reflect.Struct:
		e.object(v)
	case reflect.Slice:
		e.array(v)
	case reflect.Map:
		e.table(v)
	case reflect.String:
		e.string(v.String())
	case reflect.Bool:
		e.text = strconv.AppendBool(e.text, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.text = strconv.AppendInt(e.text, v.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.text = strconv.AppendUint(e.text, v.Uint(), 10)
	default:
		e.other(v)
	}
}

// other leaves a value to encoding/json.
func (e *encoder) other(v reflect.Value) {
	text, err := json.Marshal(v.Interface())
	if err != nil && e.failed == nil {
		e.failed = fmt.Errorf("encode a %v: %w", v.Type(), err)
	}
	e.text = append(e.text, text...)
}

func (e *encoder) object(v reflect.Value) {
	fields := e.fieldsOf(v.Type())
	if fields == nil {
		e.other(v)
		return
	}
	e.text = append(e.text, '{')
	first := true
	for _, f := range fields {
		field := v.FieldByIndex(f.index)
		if f.omitEmpty && isEmpty(field) || f.omitZero && field.IsZero() {
			continue
		}
		if !first {
			e.text = append(e.text, ',')
		}
		first = false
		e.text = append(e.text, f.name...)
		e.value(field)
	}
	e.text = append(e.text, '}')
}

// isEmpty is what omitempty leaves out.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (e *encoder) array(v reflect.Value) {
	switch {
	case v.IsNil():
		e.text = append(e.text, "null"...)
		return
	case v.Type().Elem().Kind() == reflect.Uint8: // written as base64
		e.other(v)
		return
	}
	e.text = append(e.text, '[')
	for i := range v.Len() {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.value(v.Index(i))
	}
	e.text = append(e.text, ']')
}

// table writes a map in the order of its keys.
func (e *encoder) table(v reflect.Value) {
	if v.IsNil() || v.Type().Key() != reflect.TypeFor[string]() {
		e.other(v)
		return
	}
	values := map[string]reflect.Value{}
	for key, value := range v.Seq2() {
		values[key.String()] = value
	}
	e.text = append(e.text, '{')
	for i, key := range slices.Sorted(maps.Keys(values)) {
		if i > 0 {
			e.text = append(e.text, ',')
		}
		e.string(key)
		e.text = append(e.text, ':')
		e.value(values[key])
	}
	e.text = append(e.text, '}')
}

func (e *encoder) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			e.other(reflect.ValueOf(s))
			return
		}
	}
	e.text = append(append(append(e.text, '"'), s...), '"')
}

// fieldsOf lists what is written of a struct, promoted fields included; nil for a type that is not plain.
func (e *encoder) fieldsOf(t reflect.Type) []encodedField {
	if fields, ok := e.fields[t]; ok {
		return fields
	}
	fields := listFields(t, nil)
	if slices.ContainsFunc(encodesItself[:], func(i reflect.Type) bool { return t.Implements(i) || reflect.PointerTo(t).Implements(i) }) {
		fields = nil
	}
	e.fields[t] = fields
	return fields
}

// listFields is fieldsOf for a struct that lies at an index of another one.
func listFields(t reflect.Type, at []int) []encodedField {
	fields := make([]encodedField, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(slices.Clip(at), i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() != reflect.Struct:
			return nil // an embedded pointer or interface
		case f.Anonymous && name == "":
			promoted := listFields(f.Type, index)
			if promoted == nil {
				return nil
			}
			fields = append(fields, promoted...)
			continue
		case !f.IsExported() || name == "-" && options == "":
			continue
		case name == "":
			name = f.Name
		}
		option := strings.Split(options, ",")
		fields = append(fields, encodedField{
			name: `"` + name + `":`, index: index, omitEmpty: slices.Contains(option, "omitempty"), omitZero: slices.Contains(option, "omitzero"),
		})
	}
	return fields
}
