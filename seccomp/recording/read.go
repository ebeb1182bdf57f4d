package recording

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/jsontree"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// MaxSize bounds the text of a recording, in bytes. The largest that a recorder can write is a tenth of it.
const MaxSize = 32 << 20

// A Fault is something in a text that cannot be a recording, with its place.
type Fault = jsontree.Fault

// Read reads a recording's file strictly: an unknown key, a newer version and data that contradict each other are errors that name
// the file, the line and the column. It does not follow who may write to the file: do not read one that an untrusted user owns
// and take it for what a container did.
func Read(file string) (*Recording, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read recording: %w", err)
	}
	r, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read recording: %s:%w", file, err)
	}
	return r, nil
}

// Parse is [Read] of a text. The error is a [*Fault].
func Parse(text []byte) (*Recording, error) {
	if len(text) > MaxSize {
		return nil, &Fault{Line: 1, Column: 1, Text: fmt.Sprintf("it is larger than %d bytes", MaxSize)}
	}
	root, fault := jsontree.Read(text, "recording")
	if fault != nil {
		return nil, fault
	}
	p := parser{text: text, places: map[string]int{}}
	if fault = p.version(root); fault == nil {
		fault = p.object(root, "", reflect.TypeFor[Recording]())
	}
	if fault != nil {
		return nil, fault
	}
	r := new(Recording)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, jsontree.Place(text, root.At, "", strings.TrimPrefix(err.Error(), "json: "))
	}
	if wrong := check(r); wrong != nil {
		return nil, jsontree.Place(text, p.places[wrong.path], wrong.path, wrong.text)
	}
	return r, nil
}

// A parser compares a tree with the type of what it should hold, and notes where each value stands.
type parser struct {
	text   []byte
	places map[string]int
}

func (p parser) fault(at int, path, format string, args ...any) *Fault {
	return jsontree.Place(p.text, at, path, fmt.Sprintf(format, args...))
}

// version comes before the keys: those of a newer version are unknown, which is not what is wrong.
func (p parser) version(root *jsontree.Node) *Fault {
	if root.Kind() != "an object" {
		return p.fault(root.At, "", "got %s, want a recording", root.Kind())
	}
	v := root.Get("version")
	if v == nil {
		return p.fault(root.At, "version", "it is missing")
	}
	text, ok := v.Value.(json.Number)
	n, err := strconv.ParseUint(text.String(), 10, 32)
	switch {
	case !ok:
		return p.fault(v.At, "version", "got %s, want a number", v.Kind())
	case err != nil || n == 0:
		return p.fault(v.At, "version", "got %s, want 1 to %d", text, Version)
	case n > Version:
		return p.fault(v.At, "version", "got %d, want at most %d: a newer bulkhead wrote the recording", n, Version)
	}
	return nil
}

func (p parser) value(n *jsontree.Node, path string, t reflect.Type) *Fault {
	p.places[path] = n.At
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		s, ok := n.Value.(string)
		if !ok {
			return p.fault(n.At, path, "got %s, want a time", n.Kind())
		}
		if _, err := time.Parse(time.RFC3339Nano, s); err != nil {
			return p.fault(n.At, path, "got %q, want a time such as 2026-01-02T15:04:05Z", s)
		}
		return nil
	case t.Kind() == reflect.Struct:
		return p.object(n, path, t)
	case t.Kind() == reflect.Slice:
		return p.list(n, path, t.Elem())
	}
	return p.scalar(n, path, t)
}

func (p parser) scalar(n *jsontree.Node, path string, t reflect.Type) *Fault {
	switch t.Kind() {
	case reflect.String:
		if _, ok := n.Value.(string); !ok {
			return p.fault(n.At, path, "got %s, want a string", n.Kind())
		}
	case reflect.Bool:
		if _, ok := n.Value.(bool); !ok {
			return p.fault(n.At, path, "got %s, want a boolean", n.Kind())
		}
	default:
		text, ok := n.Value.(json.Number)
		if !ok {
			return p.fault(n.At, path, "got %s, want a number", n.Kind())
		}
		bits := t.Bits()
		if t.Kind() == reflect.Int {
			bits = 31
		}
		if _, err := strconv.ParseUint(text.String(), 10, bits); err != nil {
			return p.fault(n.At, path, "got %s, want a whole number of at most %d bits, not negative", text, bits)
		}
	}
	return nil
}

func (p parser) list(n *jsontree.Node, path string, t reflect.Type) *Fault {
	if _, ok := n.Value.([]*jsontree.Node); !ok {
		return p.fault(n.At, path, "got %s, want a list", n.Kind())
	}
	for i, item := range n.Items {
		if fault := p.value(item, jsontree.Index(path, i), t); fault != nil {
			return fault
		}
	}
	return nil
}

// object checks keys and values. A key without omitempty has to be there.
func (p parser) object(n *jsontree.Node, path string, t reflect.Type) *Fault {
	p.places[path] = n.At
	if n.Kind() != "an object" {
		return p.fault(n.At, path, "got %s, want an object", n.Kind())
	}
	fields, known := fieldsOf(t)
	for _, m := range n.Members {
		f, ok := fields[m.Key]
		if !ok {
			meant := ""
			if c := syscalls.Closest(m.Key, known); c != "" {
				meant = fmt.Sprintf(", did you mean %q?", c)
			}
			return p.fault(m.At, path, "unknown key %q%s", m.Key, meant)
		}
		if fault := p.value(m.Value, below(path, m.Key), f.kind); fault != nil {
			return fault
		}
	}
	for _, key := range known {
		if n.Get(key) == nil && !fields[key].optional {
			return p.fault(n.At, below(path, key), "it is missing")
		}
	}
	return nil
}

type field struct {
	kind     reflect.Type
	optional bool
}

// fieldsOf gives the keys of a type, and their order.
func fieldsOf(t reflect.Type) (map[string]field, []string) {
	fields, order := map[string]field{}, []string(nil)
	for i := range t.NumField() {
		f := t.Field(i)
		key, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[key] = field{f.Type, option != ""}
		order = append(order, key)
	}
	return fields, order
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
