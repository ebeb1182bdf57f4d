package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A member is one key with its value in the text of a JSON object, as byte offsets.
type member struct {
	key string
	// start is where the key's quote is, value where the value begins, end the byte behind the value.
	start, value, end int
}

// An object is a JSON object in a text: the offsets of its braces and its members in order.
type object struct {
	open, end int
	members   []member
}

// readObject finds the members of the object that begins at byte at (white space before it is passed over). A key that is
// given twice is an error: programs differ in which of the two counts.
func readObject(text []byte, at int) (object, error) {
	dec := json.NewDecoder(bytes.NewReader(text[at:]))
	tok, err := dec.Token()
	if err != nil {
		return object{}, atLine(text, at+int(dec.InputOffset()), err)
	}
	if tok != json.Delim('{') {
		return object{}, atLine(text, at+int(dec.InputOffset()), errors.New("is not an object"))
	}
	o := object{open: at + int(dec.InputOffset()) - 1}
	seen := map[string]bool{}
	for dec.More() {
		m := member{start: skip(text, at+int(dec.InputOffset()), ", \t\r\n")}
		tok, err := dec.Token()
		if err != nil {
			return object{}, atLine(text, m.start, err)
		}
		m.key, _ = tok.(string)
		if seen[m.key] {
			return object{}, atLine(text, m.start, fmt.Errorf("%q is given twice", m.key))
		}
		seen[m.key] = true
		m.value = skip(text, at+int(dec.InputOffset()), ": \t\r\n")
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return object{}, atLine(text, m.value, err)
		}
		m.end = at + int(dec.InputOffset())
		o.members = append(o.members, m)
	}
	if _, err := dec.Token(); err != nil {
		return object{}, atLine(text, at+int(dec.InputOffset()), err)
	}
	o.end = at + int(dec.InputOffset())
	return o, nil
}

// readDocument is readObject for a whole text, with nothing behind the object.
func readDocument(text []byte) (object, error) {
	o, err := readObject(text, 0)
	if err != nil {
		return o, err
	}
	if rest := skip(text, o.end, " \t\r\n"); rest < len(text) {
		return o, atLine(text, rest, errors.New("there is something behind the closing brace"))
	}
	return o, nil
}

func atLine(text []byte, offset int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("it ends too early")
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(text[:min(offset, len(text))], []byte("\n")), err)
}

func skip(text []byte, at int, set string) int {
	for at < len(text) && strings.IndexByte(set, text[at]) >= 0 {
		at++
	}
	return at
}

// find gives the member of that name.
func (o object) find(key string) (member, int, bool) {
	for i, m := range o.members {
		if m.key == key {
			return m, i, true
		}
	}
	return member{}, -1, false
}

// splice replaces text[from:to].
func splice(text []byte, from, to int, with string) []byte {
	out := make([]byte, 0, len(text)+len(with))
	out = append(out, text[:from]...)
	out = append(out, with...)
	return append(out, text[to:]...)
}

// insert puts a member behind the last one, laid out as the text is: on lines of their own, or all on one line.
func insert(text []byte, o object, key string, value any, depth int) []byte {
	unit, newline := indentation(text)
	lines := bytes.Contains(bytes.TrimSpace(text), []byte("\n"))
	if n := len(o.members); n > 0 {
		last := o.members[n-1]
		lead := " "
		if before := text[:last.start]; lines && bytes.HasSuffix(bytes.TrimRight(before, " \t"), []byte("\n")) {
			lead = newline + string(before[len(bytes.TrimRight(before, " \t")):])
		} else {
			lines = false
		}
		return splice(text, last.end, last.end, ","+lead+render(key, value, strings.TrimLeft(lead, "\r\n"), unit, newline, lines))
	}
	if !lines {
		return splice(text, o.open+1, o.end-1, render(key, value, "", unit, newline, false))
	}
	prefix := strings.Repeat(unit, depth)
	body := newline + prefix + render(key, value, prefix, unit, newline, true) + newline + strings.Repeat(unit, depth-1)
	return splice(text, o.open+1, o.end-1, body)
}

// render is `"key": value`, on one line or indented.
func render(key string, value any, prefix, unit, newline string, lines bool) string {
	name, _ := json.Marshal(key)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if lines {
		enc.SetIndent(prefix, unit)
	}
	_ = enc.Encode(value) // strings, lists and maps of them always encode
	return string(name) + ": " + strings.ReplaceAll(strings.TrimRight(b.String(), "\n"), "\n", newline)
}

// indentation is the text's own unit of indentation and its line ending.
func indentation(text []byte) (unit, newline string) {
	newline = "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		newline = "\r\n"
	}
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimLeft(line, " \t")
		if n := len(line) - len(trimmed); n > 0 && strings.TrimSpace(trimmed) != "" {
			return line[:n], newline
		}
	}
	return "  ", newline
}

// remove takes member i out, with the comma and the white space that belonged to it.
func remove(text []byte, o object, i int) []byte {
	m := o.members[i]
	switch {
	case i > 0:
		return splice(text, o.members[i-1].end, m.end, "")
	case len(o.members) > 1:
		return splice(text, m.start, o.members[1].start, "")
	}
	return splice(text, o.open+1, o.end-1, "")
}
