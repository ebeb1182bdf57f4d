package profiles

import (
	"fmt"
	"path/filepath"
	"strings"
)

// programPrefix begins the names of links that choose a profile: containerd's BinaryName takes no arguments.
const programPrefix = "bulkhead-"

// Select gives the name of the profile that the host's operator chose: the explicit one (--profile), else the one in
// the program's name ("bulkhead-restricted"), else the configuration's, else "default". programName may be a path.
//
// It loads nothing, so it does not tell whether the profile exists. A container's annotation is not asked here: it may
// only replace the selected profile by a tighter one, see [Tighter].
func Select(explicit, programName string, cfg Config) (string, error) {
	name, from := explicit, "--profile"
	if name == "" {
		name, from = fromProgram(programName), "the program's name"
	}
	if name == "" {
		name, from = cfg.Profile, "the configuration file"
	}
	if name == "" {
		return DefaultName, nil
	}
	if !validName(name) {
		return "", fmt.Errorf("select profile %q of %s: want %s", name, from, nameForm)
	}
	return name, nil
}

func fromProgram(program string) string {
	name, found := strings.CutPrefix(filepath.Base(program), programPrefix)
	if !found {
		return ""
	}
	return name
}

// GeneratedProgram is the program's name that asks for registered seccomp profiles ("--require-generated"), and, with a dash and
// the name of a profile, for that profile as well: bulkhead-generated-restricted.
const GeneratedProgram = "bulkhead-generated"

// RequiringProgram tells whether a program's name begins with [GeneratedProgram], and gives the name without that, for [Select].
func RequiringProgram(name string) (string, bool) {
	if name == GeneratedProgram {
		return "bulkhead", true
	}
	if profile, ok := strings.CutPrefix(name, GeneratedProgram+"-"); ok {
		return programPrefix + profile, true
	}
	return name, false
}
