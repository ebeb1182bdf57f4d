package plainjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

const (
	// MaxElements bounds the elements of all arrays and maps, and the unknown properties, of a text that [ReadStrictly] reads. Every element
	// costs up to some hundred bytes in memory however short it is in JSON.
	MaxElements = 1 << 18
	// MaxUnknown bounds the unknown properties that are named: they end up in logs and reports.
	MaxUnknown = 64
)

// Unmarshal is json.Unmarshal into a value that is reset first: v is a pointer, and nothing that it held is left. Strings in v share
// the memory of data, which must not be written to any more.
func Unmarshal(data []byte, v any) error {
	into := reflect.ValueOf(v).Elem()
	into.SetZero()
	w := walker{data: data, shapes: readerShapes()}
	if w.value(into) == nil && !w.unset && json.Valid(data) {
		return nil
	}
	into.SetZero()
	return json.Unmarshal(data, v)
}

// ReadStrictly reads one JSON object, and nothing after it, into v, a pointer to a struct, as [Unmarshal] does. It returns the paths of
// properties that v has no field for, at most [MaxUnknown] and "(more)".
//
// It refuses what other readers may read differently: a property given twice, one that differs from a field's only in case, and NUL bytes;
// and more than [MaxElements]. Other errors are those of json.Unmarshal. Values that are left to encoding/json, see the package
// comment, are not looked into for unknown properties.
func ReadStrictly(data []byte, v any) (unknown []string, err error) {
	into := reflect.ValueOf(v).Elem()
	into.SetZero()
	w := walker{data: data, shapes: readerShapes()}
	walkErr := w.document(into)
	if walkErr != nil && !errors.Is(walkErr, errSyntax) {
		return nil, walkErr
	}
	if walkErr == nil && !w.unset && json.Valid(data) {
		return w.notes, nil
	}
	into.SetZero()
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	if walkErr != nil {
		return nil, fmt.Errorf("BUG: %w", walkErr)
	}
	return w.notes, nil
}
