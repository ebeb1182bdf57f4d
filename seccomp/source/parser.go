package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/jsontree"
	"github.com/bulkhead-runtime/bulkhead/seccomp/syscalls"
)

// maxFaults bounds the list of faults.
const maxFaults = 100

type parser struct {
	text   []byte
	facts  Facts
	opt    Options
	faults Faults
}

func (p *parser) fault(at int, path, format string, args ...any) {
	if len(p.faults) < maxFaults {
		p.faults = append(p.faults, jsontree.Place(p.text, at, path, fmt.Sprintf(format, args...)))
	}
}

// profileIn finds linux.seccomp when the document is a container's config.json.
func (p *parser) profileIn(root *jsontree.Node) *jsontree.Node {
	if root.Kind() != "an object" {
		p.fault(root.At, "", "got %s, want a profile", root.Kind())
		return root
	}
	if root.Get("ociVersion") == nil && root.Get("linux") == nil {
		return root
	}
	inner := root.Get("linux").Get("seccomp")
	switch {
	case inner == nil:
		p.fault(root.At, "linux.seccomp", "the container has no seccomp profile")
	case inner.Kind() != "an object":
		p.fault(inner.At, "linux.seccomp", "got %s, want an object", inner.Kind())
	default:
		return inner
	}
	return root
}

var (
	profileKeys = []string{"defaultAction", "defaultErrnoRet", "architectures", "flags", "listenerPath", "listenerMetadata", "syscalls"}
	entryKeys   = []string{"names", "action", "errnoRet", "args"}
	argKeys     = []string{"index", "value", "valueTwo", "op"}
	filterKeys  = []string{"caps", "arches", "minKernel"}
	archMapKeys = []string{"architecture", "subArchitectures"}
)

// keys reports the keys that an object may not have.
func (p *parser) keys(n *jsontree.Node, path string, known []string) {
	for _, m := range n.Members {
		if !slices.Contains(known, m.Key) {
			p.fault(m.At, path, "unknown key %q%s", m.Key, meant(m.Key, known))
		}
	}
}

func meant(word string, known []string) string {
	if c := syscalls.Closest(word, known); c != "" {
		return fmt.Sprintf(", did you mean %q?", c)
	}
	return ""
}

func below(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (p *parser) stringAt(n *jsontree.Node, path, key string) string {
	v := n.Get(key)
	if v == nil {
		return ""
	}
	s, ok := v.Value.(string)
	if !ok {
		p.fault(v.At, below(path, key), "got %s, want a string", v.Kind())
	}
	return s
}

// numberAt reads an unsigned number; nil when there is none.
func (p *parser) numberAt(n *jsontree.Node, path, key string, bits int) *uint64 {
	v := n.Get(key)
	if v == nil {
		return nil
	}
	text, ok := v.Value.(json.Number)
	if !ok {
		p.fault(v.At, below(path, key), "got %s, want a number", v.Kind())
		return nil
	}
	x, err := strconv.ParseUint(text.String(), 10, bits)
	if err != nil {
		p.fault(v.At, below(path, key), "got %s, want a whole number of at most %d bits, not negative", text, bits)
		return nil
	}
	return &x
}

// listAt gives the items of a list, none when there is no such key.
func (p *parser) listAt(n *jsontree.Node, path, key string) []*jsontree.Node {
	v := n.Get(key)
	if v == nil {
		return nil
	}
	if _, ok := v.Value.([]*jsontree.Node); !ok {
		p.fault(v.At, below(path, key), "got %s, want a list", v.Kind())
	}
	return v.Items
}

// stringsAt gives the strings of a list and their nodes.
func (p *parser) stringsAt(n *jsontree.Node, path, key string) ([]string, []*jsontree.Node) {
	var out []string
	items := p.listAt(n, path, key)
	for i, item := range items {
		s, ok := item.Value.(string)
		if !ok {
			p.fault(item.At, jsontree.Index(below(path, key), i), "got %s, want a string", item.Kind())
		}
		out = append(out, s)
	}
	return out, items
}

func (p *parser) read(root *jsontree.Node, s *Source) {
	known := profileKeys
	if s.Docker {
		known = append(slices.Clone(known), "archMap", "defaultErrno")
	}
	p.keys(root, "", known)
	o := &specs.LinuxSeccomp{
		ListenerPath:     p.stringAt(root, "", "listenerPath"),
		ListenerMetadata: p.stringAt(root, "", "listenerMetadata"),
	}
	if v := root.Get("defaultAction"); v == nil {
		p.fault(root.At, "defaultAction", "it is missing")
	} else {
		o.DefaultAction = p.action(root, "", "defaultAction")
	}
	o.DefaultErrnoRet = p.errno(root, "", "defaultErrnoRet", "defaultErrno")
	p.flags(root, o)
	p.architectures(root, o)
	for i, e := range p.listAt(root, "", "syscalls") {
		path := jsontree.Index("syscalls", i)
		if e.Kind() != "an object" {
			p.fault(e.At, path, "got %s, want an object", e.Kind())
			continue
		}
		entry := p.entry(e, path, s.Docker)
		if entry.Holds {
			entry.Index = len(o.Syscalls)
			o.Syscalls = append(o.Syscalls, entry.Syscall)
		}
		s.Entries = append(s.Entries, entry)
	}
	s.OCI = o
}

func (p *parser) flags(root *jsontree.Node, o *specs.LinuxSeccomp) {
	known := []string{
		string(specs.LinuxSeccompFlagLog), string(specs.LinuxSeccompFlagSpecAllow), "SECCOMP_FILTER_FLAG_TSYNC",
		string(specs.LinuxSeccompFlagWaitKillableRecv),
	}
	flags, nodes := p.stringsAt(root, "", "flags")
	for i, f := range flags {
		if !slices.Contains(known, f) {
			p.fault(nodes[i].At, jsontree.Index("flags", i), "unknown flag %q%s", f, meant(f, known))
		}
		o.Flags = append(o.Flags, specs.LinuxSeccompFlag(f))
	}
}

// action reads an action; an unknown one is a fault.
func (p *parser) action(n *jsontree.Node, path, key string) specs.LinuxSeccompAction {
	known := []string{
		string(specs.ActAllow), string(specs.ActErrno), string(specs.ActKill), string(specs.ActKillProcess), string(specs.ActKillThread),
		string(specs.ActLog), string(specs.ActNotify), string(specs.ActTrace), string(specs.ActTrap),
	}
	s := p.stringAt(n, path, key)
	if v := n.Get(key); v != nil && !slices.Contains(known, s) && v.Kind() == "a string" {
		p.fault(v.At, below(path, key), "unknown action %q%s", s, meant(s, known))
	}
	return specs.LinuxSeccompAction(s)
}

// maxErrno is MAX_ERRNO of the kernel (include/linux/err.h).
const maxErrno = 4095

// errno reads the number, or the name that Podman's variant of Docker's form has beside it.
func (p *parser) errno(n *jsontree.Node, path, number, name string) *uint {
	var out *uint
	if x := p.numberAt(n, path, number, 32); x != nil {
		if *x > maxErrno {
			p.fault(n.Get(number).At, below(path, number), "got %d, want at most %d", *x, maxErrno)
		}
		u := uint(*x)
		out = &u
	}
	word := p.stringAt(n, path, name)
	if word == "" {
		return out
	}
	x, ok := Errno(word)
	switch {
	case !ok:
		p.fault(n.Get(name).At, below(path, name), "unknown errno %q", word)
	case out != nil && *out != x:
		p.fault(n.Get(name).At, below(path, name), "%s is %d, but %s is %d", word, x, number, *out)
	}
	return &x
}

func (p *parser) names(e *jsontree.Node, path string, entry *Entry, docker bool) {
	names, nodes := p.stringsAt(e, path, "names")
	paths := make([]string, len(names))
	for i := range names {
		paths[i] = jsontree.Index(below(path, "names"), i)
	}
	if one := e.Get("name"); docker && one != nil {
		if len(names) > 0 {
			p.fault(one.At, below(path, "name"), "name and names are both given")
		}
		names, nodes, paths = append(names, p.stringAt(e, path, "name")), append(nodes, one), append(paths, below(path, "name"))
	}
	if len(names) == 0 {
		p.fault(e.At, below(path, "names"), "it is missing or empty")
	}
	for i, name := range names {
		switch {
		case nodes[i].Kind() != "a string" || syscalls.Known(name):
		case name == "":
			p.fault(nodes[i].At, paths[i], "the name is empty")
		case p.opt.KeepUnknown:
			entry.Unknown = append(entry.Unknown, name)
		case syscalls.Nearest(strings.TrimSpace(name)) != "":
			p.fault(nodes[i].At, paths[i], "unknown system call %q, did you mean %q?", name, syscalls.Nearest(strings.TrimSpace(name)))
		default:
			p.fault(nodes[i].At, paths[i], "unknown system call %q", name)
		}
	}
	entry.Syscall.Names = names
}
