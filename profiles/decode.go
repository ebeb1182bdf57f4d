package profiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText bounds each string of a file in bytes: reports repeat them on one line.
const maxText = 1024

// A decoder reads JSON into a value that may already hold a base: objects are merged key by key, lists and maps are
// replaced. It is stricter than encoding/json: unknown and repeated keys, keys that differ in case, null, and an object
// without the reason that its type wants are errors with their line.
type decoder struct {
	data []byte
	root string // what the outermost object is called in messages
	json *json.Decoder
	// lines has the line of each value by its path. Nil when nobody asks, as for built-in profiles.
	lines map[string]int
	// line is that of byte seen: lines are counted forward, so that a large file is gone through once.
	line int
	seen int64
}

// A place is where a value stands: below up, by key or, when key is empty, by index.
type place struct {
	up    *place
	key   string
	index int
}

// String is the path as messages and decoder.lines have it: "limits.pids.default", "devices[2].path".
func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.key == "":
		return p.up.String() + "[" + strconv.Itoa(p.index) + "]"
	case p.up == nil:
		return p.key
	}
	return p.up.String() + "." + p.key
}

// decode reads the one JSON value in data into v, a pointer. Each error starts with its line.
func decode(data []byte, root string, v any, lines map[string]int) error {
	if i := invalidUTF8(data); i >= 0 {
		return fmt.Errorf("line %d: the text is not UTF-8", lineAt(data, int64(i)))
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return fmt.Errorf("line %d: %w", syntaxLine(data, err), err)
	}
	d := decoder{data: data, root: root, json: json.NewDecoder(bytes.NewReader(data)), lines: lines, line: 1}
	d.json.UseNumber()
	return d.value(reflect.ValueOf(v).Elem(), nil)
}

func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func syntaxLine(data []byte, err error) int {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return 1
	}
	return lineAt(data, syntax.Offset-1) // the offset counts the bytes that were read
}

// lineAt is the line, from 1, of the byte at the offset.
func lineAt(data []byte, offset int64) int {
	end := min(max(int(offset), 0), len(data))
	return 1 + bytes.Count(data[:end], []byte("\n"))
}

// errorf is an error at the token that was read last.
func (d *decoder) errorf(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", d.lineNow(), fmt.Sprintf(format, args...))
}

// lineNow is the line of the token that was read last.
func (d *decoder) lineNow() int {
	now := d.json.InputOffset()
	d.line += bytes.Count(d.data[d.seen:now], []byte("\n"))
	d.seen = now
	return d.line
}

// name is the path for messages.
func (d *decoder) name(at *place) string {
	if at == nil {
		return "the " + d.root
	}
	return at.String()
}

func (d *decoder) value(v reflect.Value, at *place) error {
	token, err := d.json.Token()
	if err != nil {
		return d.errorf("%s ends early: %v", d.name(at), err)
	}
	if d.lines != nil {
		d.lines[at.String()] = d.lineNow()
	}
	if v.Kind() == reflect.Pointer {
		if token == nil {
			return d.wrongType(token, at, "a value")
		}
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.object(v, token, at)
	case reflect.Map:
		return d.dictionary(v, token, at)
	case reflect.Slice:
		return d.list(v, token, at)
	}
	return d.scalar(v, token, at)
}

func (d *decoder) object(v reflect.Value, token json.Token, at *place) error {
	if token != json.Delim('{') {
		return d.wrongType(token, at, "an object")
	}
	t := v.Type()
	seen := make([]bool, t.NumField())
	for d.json.More() {
		key, err := d.key(at)
		if err != nil {
			return err
		}
		i := field(t, key)
		if i < 0 {
			return d.errorf("unknown key %q in %s", key, d.name(at))
		}
		if seen[i] {
			return d.errorf("key %q is twice in %s", key, d.name(at))
		}
		seen[i] = true
		if err := d.value(v.Field(i), &place{up: at, key: key}); err != nil {
			return err
		}
	}
	if i := field(t, "reason"); i >= 0 && (!seen[i] || strings.TrimSpace(v.Field(i).String()) == "") {
		return d.errorf("%s has no reason", d.name(at))
	}
	_, err := d.json.Token()
	return err
}

// field finds the field of a struct by its exact JSON key, -1 for none.
func field(t reflect.Type, key string) int {
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == key && tag != "-" {
			return i
		}
	}
	return -1
}

// key reads a key. Messages name it, so it is held to the same form as a string.
func (d *decoder) key(at *place) (string, error) {
	token, err := d.json.Token()
	if err != nil {
		return "", d.errorf("%s ends early: %v", d.name(at), err)
	}
	key, _ := token.(string)
	if len(key) > maxText || unprintable(key) {
		return "", d.errorf("key %.64q in %s is not printable text of at most %d bytes", key, d.name(at), maxText)
	}
	return key, nil
}

func unprintable(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// dictionary reads an object of free keys: map[string]string.
func (d *decoder) dictionary(v reflect.Value, token json.Token, at *place) error {
	if token != json.Delim('{') {
		return d.wrongType(token, at, "an object")
	}
	v.Set(reflect.MakeMap(v.Type()))
	for d.json.More() {
		key, err := d.key(at)
		if err != nil {
			return err
		}
		if v.MapIndex(reflect.ValueOf(key)).IsValid() {
			return d.errorf("key %q is twice in %s", key, d.name(at))
		}
		element := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(element, &place{up: at, key: key}); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key), element)
	}
	_, err := d.json.Token()
	return err
}

func (d *decoder) list(v reflect.Value, token json.Token, at *place) error {
	if token != json.Delim('[') {
		return d.wrongType(token, at, "a list")
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i := 0; d.json.More(); i++ {
		element := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(element, &place{up: at, index: i}); err != nil {
			return err
		}
		v.Set(reflect.Append(v, element))
	}
	_, err := d.json.Token()
	return err
}

func (d *decoder) scalar(v reflect.Value, token json.Token, at *place) error {
	switch v.Kind() {
	case reflect.String:
		s, ok := token.(string)
		if !ok {
			return d.wrongType(token, at, "a string")
		}
		if len(s) > maxText {
			return d.errorf("%s has %d bytes, want at most %d", d.name(at), len(s), maxText)
		}
		if unprintable(s) {
			return d.errorf("%s is %q, want printable text on one line", d.name(at), s)
		}
		v.SetString(s)
	case reflect.Bool:
		b, ok := token.(bool)
		if !ok {
			return d.wrongType(token, at, "true or false")
		}
		v.SetBool(b)
	default:
		return d.number(v, token, at)
	}
	return nil
}

func (d *decoder) number(v reflect.Value, token json.Token, at *place) error {
	text, ok := token.(json.Number)
	if !ok {
		return d.wrongType(token, at, "a whole number")
	}
	if n, err := strconv.ParseUint(string(text), 10, 64); err == nil && v.CanUint() && !v.OverflowUint(n) {
		v.SetUint(n)
		return nil
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return d.errorf("%s is %.40s, want a whole number of 64 bits", d.name(at), text)
	}
	switch {
	case v.CanInt() && !v.OverflowInt(n):
		v.SetInt(n)
	default:
		return d.errorf("%s is %d, want a number from 0 to %d", d.name(at), n, uint64(1)<<v.Type().Bits()-1)
	}
	return nil
}

func (d *decoder) wrongType(token json.Token, at *place, want string) error {
	got := "null"
	switch t := token.(type) {
	case json.Delim:
		got = map[json.Delim]string{'{': "an object", '[': "a list"}[t]
	case string:
		got = "a string"
	case bool:
		got = "true or false"
	case json.Number:
		got = "a number"
	}
	return d.errorf("%s is %s, want %s", d.name(at), got, want)
}
