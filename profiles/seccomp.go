package profiles

import (
	"bytes"
	_ "embed" // the seccomp profiles
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

// The files of the profiles are made from the table: `go test ./profiles -run TestSeccompFiles -update-seccomp`. They are lines, because
// the hot path reads one for every container and OCI JSON takes ten times as long to decode:
//
//	allow accept bind                       whatever the arguments
//	38 clone3                               denied with errno 38
//	allow socket 0==16 2==0                 if argument 0 is 16 and argument 2 is 0
//	allow ioctl 1&256==256                  if argument 1, masked with 256, is 256
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

// SeccompProfileFor is [SeccompProfile] for another architecture, named as GOARCH is: amd64 or arm64.
func SeccompProfileFor(name, arch string) (*specs.LinuxSeccomp, error) { return seccompFor(name, arch) }

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
	s, err := readSeccomp(data)
	if err != nil {
		return nil, fmt.Errorf("read seccomp profile %q: %w", name, err)
	}
	s.Architectures = []specs.Arch{native}
	return s, nil
}

// readSeccomp gives the OCI form of a file. Its flag is one that libcontainer ignores: without any it adds
// SECCOMP_FILTER_FLAG_SPEC_ALLOW.
func readSeccomp(data []byte) (*specs.LinuxSeccomp, error) {
	var lines []string
	if err := plainjson.Unmarshal(data, &lines); err != nil {
		return nil, err
	}
	eperm := uint(1)
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &eperm,
		Flags:    []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"},
		Syscalls: make([]specs.LinuxSyscall, 0, len(lines)),
	}
	for _, line := range lines {
		c, err := readSeccompLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		s.Syscalls = append(s.Syscalls, c)
	}
	return s, nil
}

func readSeccompLine(line string) (specs.LinuxSyscall, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return specs.LinuxSyscall{}, fmt.Errorf("want an action and a name")
	}
	c := specs.LinuxSyscall{Action: specs.ActAllow, Names: words[1:]}
	if words[0] != "allow" {
		n, err := strconv.ParseUint(words[0], 10, 12)
		if err != nil {
			return c, err
		}
		errno := uint(n)
		c.Action, c.ErrnoRet = specs.ActErrno, &errno
	}
	if i := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "=") }); i >= 0 {
		c.Names = words[1:i]
		for _, w := range words[i:] {
			a, err := readSeccompArg(w)
			if err != nil {
				return c, err
			}
			c.Args = append(c.Args, a)
		}
	}
	return c, nil
}

// readSeccompArg reads INDEX==VALUE, INDEX!=VALUE or INDEX&MASK==VALUE.
func readSeccompArg(w string) (specs.LinuxSeccompArg, error) {
	a := specs.LinuxSeccompArg{Op: specs.OpEqualTo}
	left, right, ok := strings.Cut(w, "==")
	if !ok {
		a.Op = specs.OpNotEqual
		if left, right, ok = strings.Cut(w, "!="); !ok {
			return a, fmt.Errorf("condition %q: want == or !=", w)
		}
	}
	index, mask, isMasked := strings.Cut(left, "&")
	i, err := strconv.ParseUint(index, 10, 3)
	if err != nil {
		return a, err
	}
	a.Index = uint(i)
	if a.Value, err = strconv.ParseUint(right, 10, 64); err != nil || !isMasked {
		return a, err
	}
	a.Op, a.ValueTwo = specs.OpMaskedEqual, a.Value
	a.Value, err = strconv.ParseUint(mask, 10, 64)
	return a, err
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
