package generate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// An Origin says of what a profile was made. It stands in the comment of the profile's first entry, which Docker's form knows and readers
// of the OCI form pass over.
type Origin struct {
	// Name that the operator gave.
	Name string
	// Architecture in Go's words.
	Architecture string
	// Kernels and Libcs of the recordings, each once, sorted.
	Kernels, Libcs []string
	Recordings     int
}

// originMark begins the comment, with the version of what follows.
const originMark = "bulkhead generate 1: "

// OriginOf gives the origin of a profile that is made of these recordings.
func OriginOf(name string, recordings []*recording.Recording) Origin {
	o := Origin{
		Name: name, Recordings: len(recordings),
		Kernels: distinct(recordings, func(r *recording.Recording) string { return r.Kernel }),
		Libcs:   distinct(recordings, func(r *recording.Recording) string { return r.Libc }),
	}
	if len(recordings) > 0 {
		o.Architecture = recordings[0].GOARCH()
	}
	return o
}

// String is the comment.
func (o Origin) String() string {
	return originMark + fmt.Sprintf("name %s; arch %s; kernel %s; libc %s; recordings %d",
		strconv.Quote(o.Name), o.Architecture, quoted(o.Kernels), quoted(o.Libcs), o.Recordings)
}

func quoted(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = strconv.Quote(s)
	}
	return strings.Join(words, ",")
}

// ReadOrigin reads the comment of an entry. False: it is another comment.
func ReadOrigin(comment string) (Origin, bool) {
	rest, ok := strings.CutPrefix(comment, originMark)
	if !ok {
		return Origin{}, false
	}
	var o Origin
	var names []string
	for _, f := range []struct {
		key  string
		into *[]string
	}{{"name ", &names}, {"; arch ", nil}, {"; kernel ", &o.Kernels}, {"; libc ", &o.Libcs}} {
		if rest, ok = strings.CutPrefix(rest, f.key); !ok {
			return Origin{}, false
		}
		if f.into == nil {
			end := strings.IndexByte(rest, ';')
			if end < 0 {
				return Origin{}, false
			}
			o.Architecture, rest = rest[:end], rest[end:]
			continue
		}
		if *f.into, rest, ok = unquoted(rest); !ok {
			return Origin{}, false
		}
	}
	rest, ok = strings.CutPrefix(rest, "; recordings ")
	n, err := strconv.ParseUint(rest, 10, 31)
	if !ok || err != nil || len(names) != 1 {
		return Origin{}, false
	}
	o.Name, o.Recordings = names[0], int(n)
	return o, true
}

// unquoted reads quoted words that commas separate, and gives what follows.
func unquoted(s string) (list []string, rest string, ok bool) {
	for strings.HasPrefix(s, `"`) {
		word, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, "", false
		}
		plain, err := strconv.Unquote(word)
		if err != nil {
			return nil, "", false
		}
		list, s = append(list, plain), s[len(word):]
		if !strings.HasPrefix(s, `,"`) {
			break
		}
		s = s[1:]
	}
	return list, s, true
}

// An entry is one of syscalls with a comment.
type entry struct {
	specs.LinuxSyscall
	Comment string `json:"comment,omitempty"`
}

// Text is the profile as JSON that Docker, Podman, containerd, CRI-O and bulkhead read. The same profile of the same origin gives the
// same bytes.
func Text(s *specs.LinuxSeccomp, o Origin) ([]byte, error) {
	doc := struct {
		*specs.LinuxSeccomp
		Syscalls []entry `json:"syscalls"`
	}{LinuxSeccomp: s, Syscalls: []entry{}}
	for i, c := range s.Syscalls {
		e := entry{LinuxSyscall: c}
		if c.Action == specs.ActErrno {
			e.Comment = "ENOSYS: programs try these first, and fall back only then"
		}
		if i == 0 {
			e.Comment = o.String()
		}
		doc.Syscalls = append(doc.Syscalls, e)
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	return append(text, '\n'), err
}
