package plainjson

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

// An encoder writes what json.Marshal writes.
type encoder struct {
	text   []byte
	shapes shapes
	failed error
}

// Marshal is json.Marshal. size is how long the text may become: a guess that saves copies.
func Marshal(v any, size int) ([]byte, error) {
	e := encoder{text: make([]byte, 0, size), shapes: writerShapes()}
	e.value(reflect.ValueOf(v))
	if e.failed != nil {
		return nil, e.failed
	}
	return e.text, nil
}

func (e *encoder) value(v reflect.Value) {
	if v.IsValid() && e.shapes.of(v.Type()).own {
		e.other(v)
		return
	}
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

// other leaves a value to encoding/json: by its address where it has one, since methods of the pointer count only then.
func (e *encoder) other(v reflect.Value) {
	var in any
	switch {
	case !v.IsValid():
	case v.CanAddr():
		in = v.Addr().Interface()
	default:
		in = v.Interface()
	}
	text, err := json.Marshal(in)
	if err != nil && e.failed == nil {
		e.failed = fmt.Errorf("encode a %v: %w", v.Type(), err)
	}
	e.text = append(e.text, text...)
}

func (e *encoder) object(v reflect.Value) {
	e.text = append(e.text, '{')
	first := true
	fields := e.shapes.of(v.Type()).fields
	for i := range fields {
		f := &fields[i]
		value, ok := f.of(v)
		if !ok || f.omitEmpty && isEmpty(value) || f.omitZero && f.isZero(value) {
			continue
		}
		if !first {
			e.text = append(e.text, ',')
		}
		first = false
		e.text = append(append(append(e.text, '"'), f.name...), `":`...)
		e.value(value)
	}
	e.text = append(e.text, '}')
}

// isZero is what omitzero leaves out.
func (f *field) isZero(v reflect.Value) bool {
	if !f.saysZero || v.Kind() == reflect.Pointer && v.IsNil() {
		return v.IsZero()
	}
	return v.Interface().(zeroer).IsZero() //nolint:forcetypeassert // the type has the method
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
	if !isPlain(s) {
		e.other(reflect.ValueOf(s))
		return
	}
	e.text = append(append(append(e.text, '"'), s...), '"')
}
