package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A node is a JSON value with its place in the text.
type node struct {
	// at is the offset of the value's first byte.
	at int
	// value is a string, a json.Number, a bool, nil, or the members or items below.
	value   any
	members []member
	items   []*node
}

type member struct {
	key   string
	at    int
	value *node
}

// maxDepth bounds the nesting of the text: a profile needs five.
const maxDepth = 64

// A reader builds the tree from the decoder's tokens, because encoding/json alone forgets where a value stood.
type reader struct {
	text []byte
	dec  *json.Decoder
}

func readTree(text []byte) (*node, *Fault) {
	if !utf8.Valid(text) {
		return nil, place(text, firstInvalid(text), "", "it is not UTF-8")
	}
	r := &reader{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	n, fault := r.node(0)
	if fault != nil {
		return nil, fault
	}
	if rest := r.next(); rest < len(text) {
		return nil, place(text, rest, "", "there is something behind the profile")
	}
	return n, nil
}

func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// next is the offset of the next token.
func (r *reader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[at]) >= 0 {
		at++
	}
	return at
}

func (r *reader) fault(at int, err error) *Fault {
	text := strings.TrimPrefix(err.Error(), "json: ")
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || at >= len(r.text) {
		text = "it ends too early"
	}
	return place(r.text, at, "", text)
}

func (r *reader) node(depth int) (*node, *Fault) {
	n := &node{at: r.next()}
	if depth > maxDepth {
		return nil, place(r.text, n.at, "", "it is nested too deep")
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, r.fault(n.at, err)
	}
	switch tok {
	case json.Delim('{'):
		return n, r.object(n, depth)
	case json.Delim('['):
		n.value = n.items
		for r.dec.More() {
			item, fault := r.node(depth + 1)
			if fault != nil {
				return nil, fault
			}
			n.items = append(n.items, item)
		}
		n.value = n.items
	default:
		n.value = tok
		return n, nil
	}
	if _, err := r.dec.Token(); err != nil {
		return nil, r.fault(r.next(), err)
	}
	return n, nil
}

func (r *reader) object(n *node, depth int) *Fault {
	for r.dec.More() {
		m := member{at: r.next()}
		tok, err := r.dec.Token()
		if err != nil {
			return r.fault(m.at, err)
		}
		m.key, _ = tok.(string)
		if slices.ContainsFunc(n.members, func(o member) bool { return o.key == m.key }) {
			return place(r.text, m.at, "", fmt.Sprintf("%q is given twice", m.key))
		}
		var fault *Fault
		if m.value, fault = r.node(depth + 1); fault != nil {
			return fault
		}
		n.members = append(n.members, m)
	}
	n.value = n.members
	if _, err := r.dec.Token(); err != nil {
		return r.fault(r.next(), err)
	}
	return nil
}

// get is the value of a key, nil when the object does not have it or it is null.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, m := range n.members {
		if m.key == key && m.value.value != nil {
			return m.value
		}
	}
	return nil
}

// kind names what a value is, in the words of an error.
func (n *node) kind() string {
	switch n.value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case []member:
		return "an object"
	}
	return "a list"
}

func place(text []byte, at int, path, what string) *Fault {
	at = min(at, len(text))
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	start := 1 + bytes.LastIndexByte(text[:at], '\n')
	return &Fault{Line: line, Column: 1 + utf8.RuneCount(text[start:at]), Path: path, Text: what}
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
