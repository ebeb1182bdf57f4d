package plainjson

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// errSyntax tells that the walker lost its way. encoding/json then says what is wrong.
var errSyntax = errors.New("json is malformed")

// A walker goes over JSON text beside a Go value, and sets it. It finds what encoding/json is silent about: unknown properties,
// properties that differ only in case, properties given twice, and NUL bytes. It does not judge syntax: what it sets is worth
// something only where the text is valid JSON.
type walker struct {
	data     []byte
	pos      int
	path     []byte
	notes    []string
	elements int
	shapes   shapes
	// unset tells that some value could not be set: encoding/json has the words for what is wrong with it.
	unset bool
}

func (w *walker) document(v reflect.Value) error {
	if c := w.next(); c != 0 && c != '{' {
		return errors.New("want one JSON object")
	}
	return w.value(v)
}

// value walks over one value and reads it into v. A v that is the zero Value is an unknown property's.
func (w *walker) value(v reflect.Value) error {
	c := w.next()
	for v.IsValid() && v.Kind() == reflect.Pointer && c != 'n' {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return w.skip(false)
	}
	own := w.shapes.of(v.Type()).own
	switch {
	case own:
	case c == '{' && v.Kind() == reflect.Struct:
		return w.object(v)
	case c == '{' && v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String && !w.shapes.of(v.Type().Key()).own:
		return w.table(v)
	case c == '[' && v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return w.array(v)
	}
	start := w.pos
	if err := w.skip(true); err != nil {
		return err
	}
	if err := set(w.data[start:w.pos], v, own); err != nil {
		w.unset = true
	}
	return nil
}

// object walks over a struct.
func (w *walker) object(v reflect.Value) error {
	known := w.shapes.of(v.Type()).fields
	var seen uint64
	var unknown map[string]bool
	return w.members(func(key string) error {
		at := index(known, key)
		if at < 0 {
			if err := w.unknown(known, key); err != nil {
				return err
			}
			if err := w.count(); err != nil {
				return err
			}
			if unknown[key] {
				return w.twice()
			}
			if unknown == nil {
				unknown = map[string]bool{}
			}
			unknown[key] = true
			return w.value(reflect.Value{})
		}
		if seen&(1<<at) != 0 {
			return w.twice()
		}
		seen |= 1 << at
		return w.value(known[at].made(v))
	})
}

// table walks over a map, whose keys are data.
func (w *walker) table(v reflect.Value) error {
	v.Set(reflect.MakeMap(v.Type()))
	seen := map[string]bool{}
	return w.members(func(key string) error {
		if seen[key] {
			return w.twice()
		}
		seen[key] = true
		if strings.IndexByte(key, 0) >= 0 {
			return fmt.Errorf("a key beside %s has a NUL byte", w.path)
		}
		if err := w.count(); err != nil {
			return err
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := w.value(elem); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), elem)
		return nil
	})
}

func (w *walker) array(v reflect.Value) error {
	w.pos++
	v.Set(reflect.MakeSlice(v.Type(), 0, w.length(v.Type().Elem())))
	if w.next() == ']' {
		w.pos++
		return nil
	}
	mark := len(w.path)
	for i := 0; ; i++ {
		w.path = append(strconv.AppendInt(append(w.path, '['), int64(i), 10), ']')
		if err := w.count(); err != nil {
			return err
		}
		v.Grow(1)
		v.SetLen(i + 1)
		if err := w.value(v.Index(i)); err != nil {
			return err
		}
		w.path = w.path[:mark]
		switch c := w.next(); c {
		case ',':
			w.pos++
		case ']':
			w.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

// length is how many elements an array may have: their number if they are texts, of which there are many, else a guess. It is bounded as they are.
func (w *walker) length(elem reflect.Type) int {
	const guess = 4
	if elem.Kind() != reflect.String {
		return guess
	}
	start := w.pos
	defer func() { w.pos = start }()
	n := 0
	for ; n < MaxElements && w.next() == '"'; n++ {
		if _, err := w.text(); err != nil {
			return 0
		}
		if w.next() == ',' {
			w.pos++
		}
	}
	return max(n, guess)
}

// members calls visit at the value of each member of an object, with the member's name added to the path.
func (w *walker) members(visit func(key string) error) error {
	w.pos++
	if w.next() == '}' {
		w.pos++
		return nil
	}
	mark := len(w.path)
	for {
		key, err := w.key()
		if err != nil {
			return err
		}
		if mark > 0 {
			w.path = append(w.path, '.')
		}
		w.path = appendName(w.path, key)
		if w.next() != ':' {
			return errSyntax
		}
		w.pos++
		if err := visit(key); err != nil {
			return err
		}
		w.path = w.path[:mark]
		switch w.next() {
		case ',':
			w.pos++
		case '}':
			w.pos++
			return nil
		default:
			return errSyntax
		}
	}
}

// unknown notes a property that no field is read from, unless encoding/json would read a field from it.
func (w *walker) unknown(known []field, key string) error {
	for _, p := range known {
		if strings.EqualFold(p.name, key) {
			return fmt.Errorf("%s differs from the property %q only in case", w.path, p.name)
		}
	}
	switch {
	case len(w.notes) < MaxUnknown:
		w.notes = append(w.notes, string(w.path))
	case len(w.notes) == MaxUnknown:
		w.notes = append(w.notes, "(more)")
	}
	return nil
}

func (w *walker) twice() error { return fmt.Errorf("%s is given twice", w.path) }

// index finds a field by its exact name; -1 when there is none.
func index(known []field, key string) int {
	for i := range known {
		if known[i].name == key {
			return i
		}
	}
	return -1
}

func (w *walker) count() error {
	if w.elements++; w.elements > MaxElements {
		return fmt.Errorf("%s is one element too many, want at most %d in the whole file", w.path, MaxElements)
	}
	return nil
}
