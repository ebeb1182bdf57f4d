package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

// decode reads one JSON object, and nothing after it, into v (a pointer to a struct of the runtime-spec). It returns
// the paths of unknown properties.
func decode(data []byte, v any) ([]string, error) {
	notes, err := plainjson.ReadStrictly(data, v)
	return notes, decodeCause(err)
}

// decodeCause puts an error of encoding/json into the words of the spec: it speaks of Go types.
func decodeCause(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("%s is a %s, want %s", propertyOr(wrongType.Field, "the file"), cut(wrongType.Value), wanted(wrongType.Type))
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("invalid JSON at byte %d: %w", syntax.Offset, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("invalid JSON: %w", err)
	}
	return err
}

func propertyOr(path, other string) string {
	if path == "" {
		return other
	}
	return path
}

// wanted says in words what JSON value a Go type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		return "a whole number from 0 to " + strconv.FormatUint(1<<t.Bits()-1, 10)
	}
	return fmt.Sprintf("a whole number of %d bits", t.Bits())
}

// newer tells that an ociVersion is of a later minor version than the runtime-spec that this program was built with.
// A version that is no version is not newer.
func newer(version string) bool {
	part := strings.SplitN(version, ".", 3)
	if len(part) < 2 {
		return false
	}
	major, err := strconv.Atoi(part[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(part[1])
	if err != nil {
		return false
	}
	return major > specs.VersionMajor || major == specs.VersionMajor && minor > specs.VersionMinor
}
