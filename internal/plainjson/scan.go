package plainjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// key reads the name of a member and leaves the position behind it.
func (w *walker) key() (string, error) {
	if w.next() != '"' {
		return "", errSyntax
	}
	start := w.pos
	plainASCII, err := w.text()
	if err != nil {
		return "", err
	}
	raw := w.data[start:w.pos]
	if plainASCII {
		return between(raw), nil
	}
	var key string
	if json.Unmarshal(raw, &key) != nil {
		return "", errSyntax
	}
	return key, nil
}

// skip walks over a value without looking at properties. checked refuses NUL bytes in strings: the kernel and C
// libraries would cut the string there, other readers would not.
func (w *walker) skip(checked bool) error {
	for depth := 0; ; {
		switch c := w.next(); c {
		case 0:
			return errSyntax
		case '"':
			start := w.pos
			plainASCII, err := w.text()
			if err != nil {
				return err
			}
			if checked && !plainASCII && hasNUL(w.data[start:w.pos]) {
				return fmt.Errorf("%s has a NUL byte", w.path)
			}
		case '{', '[':
			depth++
			w.pos++
		case '}', ']':
			if depth--; depth < 0 {
				return errSyntax
			}
			w.pos++
		case ',', ':':
			if depth == 0 {
				return errSyntax
			}
			w.pos++
		default:
			w.literal()
		}
		if depth == 0 {
			return nil
		}
	}
}

// literal walks over a number, true, false or null.
func (w *walker) literal() {
	w.pos++
	for w.pos < len(w.data) && strings.IndexByte(" \t\r\n,:]}[{\"", w.data[w.pos]) < 0 {
		w.pos++
	}
}

// text walks over a string. plainASCII tells that it has neither an escape nor a byte above 127.
func (w *walker) text() (plainASCII bool, err error) {
	plainASCII = true
	for i := w.pos + 1; i < len(w.data); i++ {
		switch c := w.data[i]; {
		case c == '"':
			w.pos = i + 1
			return plainASCII, nil
		case c == '\\':
			plainASCII = false
			i++
		case c >= 0x80:
			plainASCII = false
		}
	}
	return false, errSyntax
}

// next skips white space and returns the byte at the position, 0 at the end.
func (w *walker) next() byte {
	for w.pos < len(w.data) {
		switch c := w.data[w.pos]; c {
		case ' ', '\t', '\r', '\n':
			w.pos++
		default:
			return c
		}
	}
	return 0
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
