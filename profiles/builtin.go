package profiles

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

// Only the files are embedded here; they are parsed when they are asked for, because every start of a container runs
// package initialisation again.
//
//go:embed data/*.json
var builtinData embed.FS

// DefaultName is the profile that applies when nobody chose one.
const DefaultName = "default"

// Names lists the built-in profiles, sorted.
func Names() []string { return []string{"compatible", DefaultName, "restricted"} }

// Builtin gives a built-in profile. Each call parses it anew, so the caller owns the value.
//
// The files of the other profiles hold only what differs from "default".
func Builtin(name string) (Profile, error) {
	if !slices.Contains(Names(), name) {
		return Profile{}, fmt.Errorf("load profile %q: not built in (want one of %s)", name, strings.Join(Names(), ", "))
	}
	var p Profile
	// plainjson takes a fraction of the strict decoder's time, and a test holds this file to the strict one.
	if err := readBuiltin(DefaultName, func(data []byte) error { return plainjson.Unmarshal(data, &p) }); err != nil {
		return Profile{}, err
	}
	if name != DefaultName {
		merge := func(data []byte) error { return decode(data, "profile", &p, nil) }
		if err := readBuiltin(name, merge); err != nil {
			return Profile{}, err
		}
	}
	p.Base = ""
	return p, nil
}

func readBuiltin(name string, parse func([]byte) error) error {
	data, err := builtinData.ReadFile("data/" + name + ".json")
	if err != nil {
		return fmt.Errorf("BUG: read built-in profile %q: %w", name, err)
	}
	if err := parse(data); err != nil {
		return fmt.Errorf("BUG: parse built-in profile %q: %w", name, err)
	}
	return nil
}
