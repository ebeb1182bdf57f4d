// Package jsontree reads JSON as a tree whose values know their place in the text. It is stricter than encoding/json: a key that is
// given twice, text behind the value, deep nesting and what is not UTF-8 are faults.
package jsontree

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

// A Node is a JSON value with its place in the text.
type Node struct {
	// At is the offset of the value's first byte.
	At int
	// Value is a string, a json.Number, a bool, nil, or the members or items below.
	Value   any
	Members []Member
	Items   []*Node
}

// A Member is a key of an object and what it holds. At is the offset of the key.
type Member struct {
	Key   string
	At    int
	Value *Node
}

// A Fault is something in the text that cannot be.
type Fault struct {
	Line, Column int
	// Path is the JSON path; empty where the text is no JSON.
	Path string
	Text string
}

// Error gives line, column, path and text.
func (f *Fault) Error() string {
	path := f.Path
	if path != "" {
		path += ": "
	}
	return fmt.Sprintf("%d:%d: %s%s", f.Line, f.Column, path, f.Text)
}

// maxDepth bounds the nesting of the text: a profile needs five, a recording six.
const maxDepth = 64

// A reader builds the tree from the decoder's tokens, because encoding/json alone forgets where a value stood.
type reader struct {
	text []byte
	dec  *json.Decoder
}

// Read gives the one JSON value of a text. what names it in the fault of a text that goes on behind it.
func Read(text []byte, what string) (*Node, *Fault) {
	if !utf8.Valid(text) {
		return nil, Place(text, firstInvalid(text), "", "it is not UTF-8")
	}
	r := &reader{text: text, dec: json.NewDecoder(bytes.NewReader(text))}
	r.dec.UseNumber()
	n, fault := r.node(0)
	if fault != nil {
		return nil, fault
	}
	if rest := r.next(); rest < len(text) {
		return nil, Place(text, rest, "", "there is something behind the "+what)
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
	return Place(r.text, at, "", text)
}

func (r *reader) node(depth int) (*Node, *Fault) {
	n := &Node{At: r.next()}
	if depth > maxDepth {
		return nil, Place(r.text, n.At, "", "it is nested too deep")
	}
	tok, err := r.dec.Token()
	if err != nil {
		return nil, r.fault(n.At, err)
	}
	switch tok {
	case json.Delim('{'):
		return n, r.object(n, depth)
	case json.Delim('['):
		n.Value = n.Items
		for r.dec.More() {
			item, fault := r.node(depth + 1)
			if fault != nil {
				return nil, fault
			}
			n.Items = append(n.Items, item)
		}
		n.Value = n.Items
	default:
		n.Value = tok
		return n, nil
	}
	if _, err := r.dec.Token(); err != nil {
		return nil, r.fault(r.next(), err)
	}
	return n, nil
}

func (r *reader) object(n *Node, depth int) *Fault {
	for r.dec.More() {
		m := Member{At: r.next()}
		tok, err := r.dec.Token()
		if err != nil {
			return r.fault(m.At, err)
		}
		m.Key, _ = tok.(string)
		if slices.ContainsFunc(n.Members, func(o Member) bool { return o.Key == m.Key }) {
			return Place(r.text, m.At, "", fmt.Sprintf("%q is given twice", m.Key))
		}
		var fault *Fault
		if m.Value, fault = r.node(depth + 1); fault != nil {
			return fault
		}
		n.Members = append(n.Members, m)
	}
	n.Value = n.Members
	if _, err := r.dec.Token(); err != nil {
		return r.fault(r.next(), err)
	}
	return nil
}

// Get is the value of a key, nil when the object does not have it or it is null.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for _, m := range n.Members {
		if m.Key == key && m.Value.Value != nil {
			return m.Value
		}
	}
	return nil
}

// Kind names what a value is, in the words of an error.
func (n *Node) Kind() string {
	switch n.Value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case []Member:
		return "an object"
	}
	return "a list"
}

// Place is a fault at an offset of the text.
func Place(text []byte, at int, path, what string) *Fault {
	at = min(at, len(text))
	line := 1 + bytes.Count(text[:at], []byte("\n"))
	start := 1 + bytes.LastIndexByte(text[:at], '\n')
	return &Fault{Line: line, Column: 1 + utf8.RuneCount(text[start:at]), Path: path, Text: what}
}

// Index is the path of an item of a list.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// List gives the items of a list, none of what is no list or not there.
func (n *Node) List() []*Node {
	if n == nil {
		return nil
	}
	return n.Items
}
