package bundle

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

const (
	// maxElements bounds the elements of all arrays and maps, and the unknown properties, of a file together. Every element costs up to some hundred
	// bytes in memory however short it is in JSON.
	maxElements = 1 << 18
	// maxNotes bounds the notes of one file: they end up in logs and reports.
	maxNotes = 64
)

// errSyntax tells that the walker lost its way. encoding/json then says what is wrong.
var errSyntax = errors.New("json is malformed")

// A walker goes over JSON text beside a Go type. It finds what encoding/json is silent about: unknown properties,
// properties that differ only in case, properties given twice, and NUL bytes. It does not judge syntax.
type walker struct {
	data     []byte
	pos      int
	path     []byte
	notes    []string
	elements int
	known    map[reflect.Type][]property
}

// A property is a field of a struct by the name it has in JSON.
type property struct {
	name string
	typ  reflect.Type
}

func (w *walker) document(t reflect.Type) error {
	if c := w.next(); c != 0 && c != '{' {
		return errors.New("want one JSON object")
	}
	return w.value(t)
}

// value walks over one value that is read into a t. A nil t is an unknown property.
func (w *walker) value(t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	c := w.next()
	if t != nil {
		switch {
		case c == '{' && t.Kind() == reflect.Struct:
			return w.object(w.properties(t))
		case c == '{' && t.Kind() == reflect.Map:
			return w.table(t.Elem())
		case c == '[' && t.Kind() == reflect.Slice:
			return w.array(t.Elem())
		}
	}
	return w.skip(t != nil)
}

// object walks over a struct.
func (w *walker) object(known []property) error {
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
			return w.value(nil)
		}
		if seen&(1<<at) != 0 {
			return w.twice()
		}
		seen |= 1 << at
		return w.value(known[at].typ)
	})
}

// table walks over a map, whose keys are data.
func (w *walker) table(elem reflect.Type) error {
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
		return w.value(elem)
	})
}

func (w *walker) array(elem reflect.Type) error {
	w.pos++
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
		if err := w.value(elem); err != nil {
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
func (w *walker) unknown(known []property, key string) error {
	for _, p := range known {
		if strings.EqualFold(p.name, key) {
			return fmt.Errorf("%s differs from the property %q only in case", w.path, p.name)
		}
	}
	switch {
	case len(w.notes) < maxNotes:
		w.notes = append(w.notes, string(w.path))
	case len(w.notes) == maxNotes:
		w.notes = append(w.notes, "(more)")
	}
	return nil
}

func (w *walker) twice() error { return fmt.Errorf("%s is given twice", w.path) }

func (w *walker) count() error {
	if w.elements++; w.elements > maxElements {
		return fmt.Errorf("%s is one element too many, want at most %d in the whole file", w.path, maxElements)
	}
	return nil
}
