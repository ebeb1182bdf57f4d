package profiles

import (
	"bytes"
	_ "embed" // the seccomp profiles
	"encoding/json"
	"fmt"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The OCI files are made from the table: `go test ./profiles -run TestSeccompFiles -update-seccomp`. The hot path reads an OCI file; only
// operators read the table with its reasons.
var (
	//go:embed seccomp/table.json
	seccompTable []byte
	//go:embed seccomp/default.json
	seccompDefault []byte
	//go:embed seccomp/restricted.json
	seccompRestricted []byte
	//go:embed seccomp/compatible.json
	seccompCompatible []byte
)

// SeccompProfile returns a built-in seccomp profile in OCI form for the native architecture: default, restricted or compatible. Any
// other name, and an architecture that the table was not made for, is an error. The caller owns the value.
//
// It names every system call of Linux 6.17 on amd64 and arm64, so that nothing but a later number is left to the default.
func SeccompProfile(name string) (*specs.LinuxSeccomp, error) {
	return seccompFor(name, runtime.GOARCH)
}

func seccompFor(name, arch string) (*specs.LinuxSeccomp, error) {
	files := map[string][]byte{"default": seccompDefault, "restricted": seccompRestricted, "compatible": seccompCompatible}
	archs := map[string]specs.Arch{"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64}
	data, ok := files[name]
	if !ok {
		return nil, fmt.Errorf("find seccomp profile %q: want default, restricted or compatible", name)
	}
	native, ok := archs[arch]
	if !ok {
		return nil, fmt.Errorf("find seccomp profile %q: it has no table for %q, want amd64 or arm64", name, arch)
	}
	s := new(specs.LinuxSeccomp)
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read seccomp profile %q: %w", name, err)
	}
	s.Architectures = []specs.Arch{native}
	return s, nil
}

// A SeccompRow is a line of the table that the built-in seccomp profiles are made from.
type SeccompRow struct {
	// Group is what the calls are about, one word.
	Group string `json:"group"`
	// Profiles that the row is part of.
	Profiles []string `json:"profiles"`
	// Action is "allow" or "deny".
	Action string `json:"action"`
	// Errno is what a denied call returns.
	Errno uint     `json:"errno,omitempty"`
	Names []string `json:"names"`
	// Reason says why an image needs the calls, or what the denial is worth: a CVE or a risk.
	Reason string `json:"reason"`
	// Rules are the arguments that the row holds for: one of them matches when all its conditions do. Empty: all arguments.
	Rules [][]specs.LinuxSeccompArg `json:"rules,omitempty"`
}

// SeccompTable returns the table with its reasons. It is for reports: creating a container does not need it.
func SeccompTable() ([]SeccompRow, error) {
	var t struct {
		Default struct {
			Action string `json:"action"`
			Errno  uint   `json:"errno"`
			Reason string `json:"reason"`
		} `json:"default"`
		Rows []SeccompRow `json:"rows"`
	}
	d := json.NewDecoder(bytes.NewReader(seccompTable))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return nil, fmt.Errorf("read seccomp table: %w", err)
	}
	return t.Rows, nil
}
