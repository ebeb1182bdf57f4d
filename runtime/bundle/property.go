package bundle

import (
	"bytes"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// properties lists the fields of a struct by their names in JSON, the promoted ones of embedded structs included.
func (w *walker) properties(t reflect.Type) []property {
	if known, ok := w.known[t]; ok {
		return known
	}
	if w.known == nil {
		w.known = map[reflect.Type][]property{}
	}
	known := fieldsOf(t, nil)
	w.known[t] = known
	return known
}

// fieldsOf lists the fields of a struct that is at this index of another one.
func fieldsOf(t reflect.Type, at []int) []property {
	known := make([]property, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			known = append(known, fieldsOf(f.Type, append(slices.Clip(at), i))...)
		case name != "" && name != "-":
			known = append(known, property{name: name, index: append(slices.Clip(at), i)})
		}
	}
	return known
}

// index finds a property by its exact name; -1 when there is none.
func index(known []property, key string) int {
	for i := range known {
		if known[i].name == key {
			return i
		}
	}
	return -1
}

// appendName adds a property's name to a path: quoted and cut when it is not a plain word, since it ends up in
// messages and logs.
func appendName(path []byte, name string) []byte {
	const longest = 64
	for i := range len(name) {
		if c := name[i]; i >= longest || c <= ' ' || c >= 0x7f || c == '"' {
			return strconv.AppendQuoteToASCII(path, name[:min(len(name), longest)])
		}
	}
	return append(path, name...)
}

// hasNUL tells that a JSON string has an escaped NUL. A raw one is a syntax error.
func hasNUL(raw []byte) bool {
	for {
		at := bytes.IndexByte(raw, '\\')
		if at < 0 || at+1 >= len(raw) {
			return false
		}
		if bytes.HasPrefix(raw[at+1:], []byte("u0000")) {
			return true
		}
		raw = raw[at+2:]
	}
}
