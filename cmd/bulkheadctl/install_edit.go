package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const (
	runtimesKey = "runtimes"
	defaultKey  = "default-runtime"
)

// A runtimeEntry is what the daemon's configuration says of a runtime.
type runtimeEntry struct {
	Path string   `json:"path,omitempty"`
	Args []string `json:"runtimeArgs,omitempty"`
}

// registration is what install puts into the configuration.
type registration struct {
	// Names in order; Paths by name.
	Names []string
	Paths map[string]string
	// Default names the runtime that becomes the daemon's default; empty to leave that alone.
	Default string
}

// addRuntimes gives the configuration's text with the registration in it, and says what it changed. No change means that
// the text is what it has to be already. Nothing else in the text changes.
func addRuntimes(text []byte, r registration) ([]byte, []string, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		text = []byte("{\n}\n")
	}
	doc, err := readDocument(text)
	if err != nil {
		return nil, nil, err
	}
	var done []string
	if _, _, ok := doc.find(runtimesKey); !ok {
		text = insert(text, doc, runtimesKey, json.RawMessage("{}"), 1)
	}
	for _, name := range r.Names {
		var what string
		if text, what, err = addRuntime(text, name, r.Paths[name]); err != nil {
			return nil, nil, err
		}
		if what != "" {
			done = append(done, what)
		}
	}
	if r.Default == "" {
		return text, done, nil
	}
	text, what, err := setDefault(text, r.Default)
	if what != "" {
		done = append(done, what)
	}
	return text, done, err
}

// addRuntime sets runtimes.NAME.
func addRuntime(text []byte, name, path string) ([]byte, string, error) {
	table, err := runtimesOf(text)
	if err != nil {
		return nil, "", err
	}
	want := runtimeEntry{Path: path}
	m, _, ok := table.find(name)
	if !ok {
		return insert(text, table, name, want, 2), fmt.Sprintf("runtime %q is %s", name, path), nil
	}
	var have map[string]any
	if err := json.Unmarshal(text[m.value:m.end], &have); err == nil && reflect.DeepEqual(have, map[string]any{"path": path}) {
		return text, "", nil
	}
	if !ours(text[m.value:m.end]) {
		return nil, "", atLine(text, m.start, fmt.Errorf("runtimes.%s is another runtime; choose a --name for bulkhead's", name))
	}
	value := strings.TrimPrefix(render("", want, "", "", "", false), `"": `)
	return splice(text, m.value, m.end, value), fmt.Sprintf("runtime %q is %s now", name, path), nil
}

func mustJSON(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

func runtimesOf(text []byte) (object, error) {
	doc, err := readDocument(text)
	if err != nil {
		return object{}, err
	}
	m, _, ok := doc.find(runtimesKey)
	if !ok {
		return object{}, fmt.Errorf("BUG: the configuration has no %q", runtimesKey)
	}
	table, err := readObject(text, m.value)
	if err != nil {
		return object{}, fmt.Errorf("%s: %w", runtimesKey, err)
	}
	return table, nil
}

func setDefault(text []byte, name string) ([]byte, string, error) {
	doc, err := readDocument(text)
	if err != nil {
		return nil, "", err
	}
	m, _, ok := doc.find(defaultKey)
	if !ok {
		return insert(text, doc, defaultKey, name, 1), fmt.Sprintf("the default runtime is %q", name), nil
	}
	var have string
	if err := json.Unmarshal(text[m.value:m.end], &have); err != nil {
		return nil, "", atLine(text, m.value, fmt.Errorf("%s: %w", defaultKey, err))
	}
	if have == name {
		return text, "", nil
	}
	return splice(text, m.value, m.end, mustJSON(name)), fmt.Sprintf("the default runtime is %q, it was %q", name, have), nil
}

// ours tells an entry of install from another's: the program that it names is called bulkhead or bulkhead-PROFILE.
func ours(value []byte) bool {
	var e runtimeEntry
	if json.Unmarshal(value, &e) != nil {
		return false
	}
	base := filepath.Base(e.Path)
	return base == "bulkhead" || strings.HasPrefix(base, "bulkhead-")
}

// removeRuntimes takes our runtimes out of the text (only the one named, when name is not empty), the default runtime if
// it was one of them, and a table that is then empty. It says what it removed, and the paths that those runtimes had.
func removeRuntimes(text []byte, name string) (_ []byte, done, paths []string, err error) {
	doc, err := readDocument(text)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, _, ok := doc.find(runtimesKey); !ok {
		return text, nil, nil, nil
	}
	var gone []string
	for {
		table, err := runtimesOf(text)
		if err != nil {
			return nil, nil, nil, err
		}
		i := slices.IndexFunc(table.members, func(m member) bool {
			return (name == "" || m.key == name) && ours(text[m.value:m.end])
		})
		if i < 0 {
			break
		}
		m := table.members[i]
		var e runtimeEntry
		_ = json.Unmarshal(text[m.value:m.end], &e) // it did in ours
		gone, paths = append(gone, m.key), append(paths, e.Path)
		done = append(done, fmt.Sprintf("runtime %q is gone", m.key))
		text = remove(text, table, i)
	}
	if len(gone) == 0 {
		return text, nil, nil, nil
	}
	text, what, err := dropLeftovers(text, gone)
	return text, append(done, what...), paths, err
}

// dropLeftovers removes an empty table of runtimes, and a default runtime that is gone.
func dropLeftovers(text []byte, gone []string) ([]byte, []string, error) {
	var done []string
	doc, err := readDocument(text)
	if err != nil {
		return nil, nil, err
	}
	if m, i, ok := doc.find(defaultKey); ok {
		var have string
		if json.Unmarshal(text[m.value:m.end], &have) == nil && slices.Contains(gone, have) {
			text = remove(text, doc, i)
			done = append(done, fmt.Sprintf("%q is the default runtime no more; Docker's own default applies", have))
		}
	}
	table, err := runtimesOf(text)
	if err != nil || len(table.members) > 0 {
		return text, done, err
	}
	if doc, err = readDocument(text); err != nil {
		return nil, nil, err
	}
	_, i, _ := doc.find(runtimesKey)
	return remove(text, doc, i), done, nil
}
