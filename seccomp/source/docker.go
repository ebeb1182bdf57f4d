package source

import (
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/jsontree"
)

// A filter is one side of an entry's conditions: includes or excludes.
type filter struct {
	caps, arches []string
	kernel       Kernel
}

type conditions struct{ includes, excludes filter }

// entry reads one element of syscalls.
func (p *parser) entry(n *jsontree.Node, path string, docker bool) Entry {
	known := entryKeys
	if docker {
		known = append(slices.Clone(known), "name", "comment", "includes", "excludes", "errno")
	}
	p.keys(n, path, known)
	where := jsontree.Place(p.text, n.At, path, "")
	e := Entry{Line: where.Line, Column: where.Column, Path: path, Holds: true}
	p.names(n, path, &e, docker)
	if n.Get("action") == nil {
		p.fault(n.At, below(path, "action"), "it is missing")
	}
	e.Syscall.Action = p.action(n, path, "action")
	e.Syscall.ErrnoRet = p.errno(n, path, "errnoRet", "errno")
	e.Syscall.Args = p.args(n, path)
	if !docker {
		return e
	}
	e.Comment = p.stringAt(n, path, "comment")
	c := conditions{p.filter(n, path, "includes"), p.filter(n, path, "excludes")}
	e.When, e.Holds = c.String(), c.hold(p.facts)
	return e
}

func (p *parser) filter(n *jsontree.Node, path, key string) filter {
	f, path := n.Get(key), below(path, key)
	if f == nil {
		return filter{}
	}
	if f.Kind() != "an object" {
		p.fault(f.At, path, "got %s, want an object", f.Kind())
		return filter{}
	}
	p.keys(f, path, filterKeys)
	var out filter
	var nodes []*jsontree.Node
	out.caps, nodes = p.stringsAt(f, path, "caps")
	for i, c := range out.caps {
		if !strings.HasPrefix(c, "CAP_") {
			p.fault(nodes[i].At, jsontree.Index(below(path, "caps"), i), "unknown capability %q, want CAP_NAME", c)
		}
	}
	out.arches, nodes = p.stringsAt(f, path, "arches")
	for i, a := range out.arches {
		if !slices.Contains(dockerArchs, a) {
			p.fault(nodes[i].At, jsontree.Index(below(path, "arches"), i), "unknown architecture %q%s", a, meant(a, dockerArchs))
		}
	}
	if s := p.stringAt(f, path, "minKernel"); s != "" {
		var err error
		if out.kernel, err = ParseKernel(s); err != nil {
			p.fault(f.Get("minKernel").At, below(path, "minKernel"), "%s", err)
		}
	}
	return out
}

// hold is what the engine decides: everything of includes has to be there, nothing of excludes may be.
func (c conditions) hold(f Facts) bool {
	arch := dockerArch(f.Arch)
	has := func(cap string) bool { return slices.Contains(f.Caps, cap) }
	switch {
	case slices.Contains(c.excludes.arches, arch), slices.ContainsFunc(c.excludes.caps, has):
		return false
	case c.excludes.kernel != (Kernel{}) && f.Kernel.AtLeast(c.excludes.kernel):
		return false
	case len(c.includes.arches) > 0 && !slices.Contains(c.includes.arches, arch):
		return false
	case c.includes.kernel != (Kernel{}) && !f.Kernel.AtLeast(c.includes.kernel):
		return false
	}
	return !slices.ContainsFunc(c.includes.caps, func(cap string) bool { return !has(cap) })
}

// dockerArchs are the architectures of arches, in Docker's words.
var dockerArchs = []string{
	"x86", "amd64", "x32", "arm", "arm64", "loong64", "mips", "mips64", "mips64n32", "mipsel", "mipsel64", "mipsel64n32", "mips64le", "mipsle",
	"mips3l64n32", "ppc", "ppc64", "ppc64le", "riscv64", "s390", "s390x",
}

func dockerArch(goarch string) string {
	if goarch == "386" {
		return "x86"
	}
	return goarch
}

// native are the architectures of archMap, by GOARCH.
var native = map[string]specs.Arch{
	"386": specs.ArchX86, "amd64": specs.ArchX86_64, "arm": specs.ArchARM, "arm64": specs.ArchAARCH64, "loong64": specs.ArchLOONGARCH64,
	"mips": specs.ArchMIPS, "mips64": specs.ArchMIPS64, "mips64le": specs.ArchMIPSEL64, "mipsle": specs.ArchMIPSEL, "ppc64": specs.ArchPPC64,
	"ppc64le": specs.ArchPPC64LE, "riscv64": specs.ArchRISCV64, "s390x": specs.ArchS390X,
}

var ociArchs = []string{
	string(specs.ArchX86), string(specs.ArchX86_64), string(specs.ArchX32), string(specs.ArchARM), string(specs.ArchAARCH64),
	string(specs.ArchMIPS), string(specs.ArchMIPS64), string(specs.ArchMIPS64N32), string(specs.ArchMIPSEL), string(specs.ArchMIPSEL64),
	string(specs.ArchMIPSEL64N32), string(specs.ArchPPC), string(specs.ArchPPC64), string(specs.ArchPPC64LE), string(specs.ArchS390),
	string(specs.ArchS390X), string(specs.ArchPARISC), string(specs.ArchPARISC64), string(specs.ArchRISCV64), string(specs.ArchLOONGARCH64),
	string(specs.ArchM68K), string(specs.ArchSH), string(specs.ArchSHEB),
}

func (p *parser) archs(n *jsontree.Node, path, key string) []specs.Arch {
	var out []specs.Arch
	names, nodes := p.stringsAt(n, path, key)
	for i, a := range names {
		if !slices.Contains(ociArchs, a) {
			p.fault(nodes[i].At, jsontree.Index(below(path, key), i), "unknown architecture %q%s", a, meant(a, ociArchs))
		}
		out = append(out, specs.Arch(a))
	}
	return out
}

// architectures reads the list, or the entry of archMap for the native architecture. An archMap without it gives none.
func (p *parser) architectures(root *jsontree.Node, o *specs.LinuxSeccomp) {
	o.Architectures = p.archs(root, "", "architectures")
	if m := root.Get("archMap"); m != nil && len(o.Architectures) > 0 {
		p.fault(m.At, "archMap", "architectures and archMap are both given")
	}
	for i, m := range p.listAt(root, "", "archMap") {
		path := jsontree.Index("archMap", i)
		if m.Kind() != "an object" {
			p.fault(m.At, path, "got %s, want an object", m.Kind())
			continue
		}
		p.keys(m, path, archMapKeys)
		main := specs.Arch(p.stringAt(m, path, "architecture"))
		if v := m.Get("architecture"); v == nil || !slices.Contains(ociArchs, string(main)) {
			p.fault(m.At, below(path, "architecture"), "unknown architecture %q%s", main, meant(string(main), ociArchs))
		}
		sub := p.archs(m, path, "subArchitectures")
		if main == native[p.facts.Arch] && len(o.Architectures) == 0 {
			o.Architectures = append([]specs.Arch{main}, sub...)
		}
	}
}
