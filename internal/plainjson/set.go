package plainjson

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"unsafe"
)

// errUnset tells that a value's form does not fit. encoding/json is asked about the whole text then.
var errUnset = errors.New("the value does not fit")

// set reads one value of valid JSON into v, as encoding/json would; own are the values of a type that reads itself.
func set(raw []byte, v reflect.Value, own bool) error {
	if own {
		return json.Unmarshal(raw, v.Addr().Interface())
	}
	if raw[0] == 'n' { // null
		switch v.Kind() {
		case reflect.Interface, reflect.Map, reflect.Pointer, reflect.Slice:
			v.SetZero()
		}
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		s, ok := textOf(raw)
		if !ok {
			return errUnset
		}
		v.SetString(s)
	case reflect.Bool:
		if raw[0] != 't' && raw[0] != 'f' {
			return errUnset
		}
		v.SetBool(raw[0] == 't')
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(raw), 10, v.Type().Bits())
		if err != nil {
			return errUnset
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(string(raw), 10, v.Type().Bits())
		if err != nil {
			return errUnset
		}
		v.SetUint(n)
	default:
		return json.Unmarshal(raw, v.Addr().Interface())
	}
	return nil
}

// textOf is a JSON string's text, in place: a copy of each would be a sixth of what reading a config.json takes. Escapes and what is
// not ASCII are encoding/json's.
func textOf(raw []byte) (string, bool) {
	if raw[0] != '"' {
		return "", false
	}
	for _, c := range raw[1 : len(raw)-1] {
		if c == '\\' || c >= 0x80 {
			var s string
			err := json.Unmarshal(raw, &s)
			return s, err == nil
		}
	}
	return between(raw), true
}

// between is what stands between quotes, in place.
func between(raw []byte) string {
	return unsafe.String(unsafe.SliceData(raw[1:]), len(raw)-2) //nolint:gosec // nobody writes to the text: see Unmarshal
}
