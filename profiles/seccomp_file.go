package profiles

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A SeccompFile is a site's seccomp profile as it lies in a file.
type SeccompFile struct {
	// Seccomp is in OCI form. The caller owns it.
	Seccomp *specs.LinuxSeccomp
	// RecordedOn says where a generated profile was made, nil when the file does not.
	RecordedOn *RecordedOn
}

// RecordedOn is where the recordings of a generated profile come from, as the comment of its first entry has it: engines leave comments
// out, so that they may stand in the file that engines read.
type RecordedOn struct {
	// Architecture in Go's words, such as amd64.
	Architecture string
	// Kernels are releases as uname(2) has them.
	Kernels []string
}

// seccompText is the file: linux.seccomp of runtime-spec, with the comments of Docker's form.
type seccompText struct {
	DefaultAction    specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet  *uint                    `json:"defaultErrnoRet"`
	Architectures    []specs.Arch             `json:"architectures"`
	Flags            []specs.LinuxSeccompFlag `json:"flags"`
	ListenerPath     string                   `json:"listenerPath"`
	ListenerMetadata string                   `json:"listenerMetadata"`
	Syscalls         []seccompEntry           `json:"syscalls"`
}

type seccompEntry struct {
	Names    []string                 `json:"names"`
	Action   specs.LinuxSeccompAction `json:"action"`
	ErrnoRet *uint                    `json:"errnoRet"`
	Args     []specs.LinuxSeccompArg  `json:"args"`
	Comment  string                   `json:"comment"`
}

// ReadSeccompFile reads a site's seccomp profile, which must be trusted as [ReadTrusted] has it. Unknown and repeated keys are errors
// with their line. What actions, names and conditions mean is not looked at: package seccomp does that.
func ReadSeccompFile(path string) (SeccompFile, error) {
	data, err := ReadTrusted(path, maxFile)
	if err != nil {
		return SeccompFile{}, fmt.Errorf("load seccomp profile: %w", err)
	}
	f, err := ParseSeccompFile(data)
	if err != nil {
		return SeccompFile{}, fmt.Errorf("load seccomp profile %q: %w", path, err)
	}
	return f, nil
}

// ParseSeccompFile is [ReadSeccompFile] of a text.
func ParseSeccompFile(data []byte) (SeccompFile, error) {
	var text seccompText
	if err := decode(data, "seccomp profile", &text, nil); err != nil {
		return SeccompFile{}, err
	}
	s := &specs.LinuxSeccomp{
		DefaultAction: text.DefaultAction, DefaultErrnoRet: text.DefaultErrnoRet, Architectures: text.Architectures, Flags: text.Flags,
		ListenerPath: text.ListenerPath, ListenerMetadata: text.ListenerMetadata,
	}
	f := SeccompFile{Seccomp: s}
	for _, e := range text.Syscalls {
		if f.RecordedOn == nil {
			f.RecordedOn = readOrigin(e.Comment)
		}
		s.Syscalls = append(s.Syscalls, specs.LinuxSyscall{Names: e.Names, Action: e.Action, ErrnoRet: e.ErrnoRet, Args: e.Args})
	}
	return f, nil
}

// ListSeccompFiles gives the names of the registered seccomp profiles, sorted. None when the directory is not there. Entries that cannot
// be a profile's file are left out; whether one is trusted and whole is told by [ReadSeccompFile].
func (c Config) ListSeccompFiles() ([]string, error) {
	entries, err := listTrusted(c.SeccompDir)
	if err != nil {
		return nil, fmt.Errorf("list seccomp profiles: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry, ".json"); ok && validName(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// originMark begins the comment that `bulkheadctl seccomp generate` writes (seccomp/generate.Origin), which create must not link.
const originMark = "bulkhead generate 1: "

// readOrigin takes architecture and kernels out of such a comment. Nil for another one: it is only for a warning.
func readOrigin(comment string) *RecordedOn {
	rest, ok := strings.CutPrefix(comment, originMark+"name ")
	name, err := strconv.QuotedPrefix(rest)
	if !ok || err != nil {
		return nil
	}
	rest, found := strings.CutPrefix(rest[len(name):], "; arch ")
	if !found {
		return nil
	}
	arch, rest, found := strings.Cut(rest, "; kernel ")
	if !found {
		return nil
	}
	r := &RecordedOn{Architecture: arch}
	for strings.HasPrefix(rest, `"`) {
		word, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return nil
		}
		kernel, err := strconv.Unquote(word)
		if err != nil {
			return nil
		}
		r.Kernels = append(r.Kernels, kernel)
		rest = strings.TrimPrefix(rest[len(word):], ",")
	}
	return r
}

// Elsewhere says in words what of the place that a profile was made on is not so here, on an architecture in Go's words and a kernel of
// that release. Empty: nothing known.
func (r *RecordedOn) Elsewhere(architecture, kernel string) string {
	if r == nil {
		return ""
	}
	var words []string
	if r.Architecture != "" && r.Architecture != architecture {
		words = append(words, fmt.Sprintf("it was recorded on %s, this is %s", r.Architecture, architecture))
	}
	if len(r.Kernels) > 0 && !slices.ContainsFunc(r.Kernels, func(k string) bool { return series(k) == series(kernel) }) {
		var all []string
		for _, k := range r.Kernels {
			all = append(all, series(k))
		}
		words = append(words, fmt.Sprintf("it was recorded on Linux %s, this is %s", strings.Join(slices.Compact(all), ", "), series(kernel)))
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, "; ") + ": programs may make other calls here"
}

// series is a kernel's major and minor number: "6.18" of "6.18.44-generic".
func series(release string) string {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return release
	}
	minor := parts[1]
	if i := strings.IndexFunc(minor, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		minor = minor[:i]
	}
	return parts[0] + "." + minor
}
