// Package source reads seccomp profiles that people write: the OCI form (linux.seccomp of runtime-spec, alone or in a config.json) and
// Docker's form, whose entries hold only for some capabilities, architectures and kernels. It is strict where runc is not:
// an unknown key, name, action, operator or flag is a fault with its line and column. Creating a container does not need it.
package source

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/jsontree"
)

// MaxSize bounds the text of a profile, in bytes.
const MaxSize = 4 << 20

// Facts are what the conditional entries of Docker's form are resolved against.
type Facts struct {
	// Arch is the native architecture, named as GOARCH is.
	Arch string
	// Caps are the capabilities of the container, such as CAP_SYS_ADMIN.
	Caps []string
	// Kernel is the version of the kernel; zero: every minimum is reached.
	Kernel Kernel
}

// A Kernel is the version of a Linux kernel, such as 6.18.
type Kernel struct{ Major, Minor int }

// String gives the version as Docker's form writes it.
func (k Kernel) String() string { return fmt.Sprintf("%d.%d", k.Major, k.Minor) }

// AtLeast reports whether k is not older than min. The zero Kernel is newer than every other.
func (k Kernel) AtLeast(least Kernel) bool {
	if k == (Kernel{}) {
		return true
	}
	return k.Major > least.Major || k.Major == least.Major && k.Minor >= least.Minor
}

// ParseKernel reads the beginning of a kernel version or of uname's release, such as 4.8 or 6.18.2-generic.
func ParseKernel(s string) (Kernel, error) {
	var k Kernel
	if n, err := fmt.Sscanf(s, "%d.%d", &k.Major, &k.Minor); n != 2 || err != nil || k.Major < 0 || k.Minor < 0 {
		return Kernel{}, fmt.Errorf("read kernel version %q: want MAJOR.MINOR", s)
	}
	return k, nil
}

// A Source is a profile as it was written, and what it means for the given facts.
type Source struct {
	// Docker tells Docker's form from the OCI form.
	Docker bool
	// OCI is what an engine would hand to the runtime: conditional entries are resolved and left out where they do not hold.
	OCI *specs.LinuxSeccomp
	// Entries are the entries of the file in order.
	Entries []Entry
	// Profile is the meaning of OCI on the architecture of the facts.
	Profile seccomp.Profile
}

// An Entry is one element of syscalls.
type Entry struct {
	Line, Column int
	// Path is its place in the document, such as syscalls[3].
	Path    string
	Syscall specs.LinuxSyscall
	Comment string
	// When says for what the entry holds, empty for always.
	When string
	// Holds tells whether it does for the facts, and Index is then its place in the OCI form.
	Holds bool
	Index int
	// Unknown are names that no table knows, kept because the caller wanted that.
	Unknown []string
}

// A Fault is something in the text that cannot be a profile. Its path is below the profile.
type Fault = jsontree.Fault

// Faults are all that is wrong with a text, in its order.
type Faults []*Fault

// Error gives the first fault and the number of the others.
func (f Faults) Error() string {
	switch len(f) {
	case 0:
		return "no fault"
	case 1:
		return f[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", f[0], len(f)-1)
}

// Options say how strict the reading is.
type Options struct {
	// KeepUnknown keeps names that no table knows, which libseccomp skips. Without it they are faults.
	KeepUnknown bool
}

// Parse reads a profile in either form. The error is of type [Faults] when the text is at fault.
func Parse(text []byte, facts Facts, opt Options) (*Source, error) {
	if len(text) > MaxSize {
		return nil, Faults{{Line: 1, Column: 1, Text: fmt.Sprintf("it is larger than %d bytes", MaxSize)}}
	}
	root, fault := jsontree.Read(text, "profile")
	if fault != nil {
		return nil, Faults{fault}
	}
	p := &parser{text: text, facts: facts, opt: opt}
	root = p.profileIn(root)
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	s := &Source{Docker: isDocker(root)}
	p.read(root, s)
	slices.SortStableFunc(p.faults, func(a, b *Fault) int { return cmp.Or(a.Line-b.Line, a.Column-b.Column) })
	if len(p.faults) > 0 {
		return nil, p.faults
	}
	profile, err := seccomp.FromOCI(s.OCI, facts.Arch)
	if err != nil {
		return nil, err
	}
	s.Profile = profile
	return s, nil
}

// isDocker finds a key that only Docker's form has.
func isDocker(root *jsontree.Node) bool {
	if root.Get("archMap") != nil || root.Get("defaultErrno") != nil {
		return true
	}
	for _, e := range root.Get("syscalls").List() {
		for _, m := range e.Members {
			switch m.Key {
			case "name", "comment", "includes", "excludes", "errno":
				return true
			}
		}
	}
	return false
}

// When is written for an entry's conditions.
func (c conditions) String() string {
	var words []string
	add := func(format string, list []string) {
		if len(list) > 0 {
			words = append(words, fmt.Sprintf(format, strings.Join(list, ", ")))
		}
	}
	add("with %s", c.includes.caps)
	add("on %s", c.includes.arches)
	if c.includes.kernel != (Kernel{}) {
		words = append(words, fmt.Sprintf("from Linux %s on", c.includes.kernel))
	}
	add("without %s", c.excludes.caps)
	add("not on %s", c.excludes.arches)
	if c.excludes.kernel != (Kernel{}) {
		words = append(words, fmt.Sprintf("before Linux %s", c.excludes.kernel))
	}
	return strings.Join(words, ", ")
}
