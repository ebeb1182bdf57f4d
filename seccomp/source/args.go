package source

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/internal/jsontree"
)

func (p *parser) args(e *jsontree.Node, path string) []specs.LinuxSeccompArg {
	ops := []string{
		string(specs.OpNotEqual), string(specs.OpLessThan), string(specs.OpLessEqual), string(specs.OpEqualTo),
		string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpMaskedEqual),
	}
	var out []specs.LinuxSeccompArg
	for i, a := range p.listAt(e, path, "args") {
		at := jsontree.Index(below(path, "args"), i)
		if a.Kind() != "an object" {
			p.fault(a.At, at, "got %s, want an object", a.Kind())
			continue
		}
		p.keys(a, at, argKeys)
		arg := specs.LinuxSeccompArg{Op: specs.LinuxSeccompOperator(p.stringAt(a, at, "op"))}
		if x := p.numberAt(a, at, "value", 64); x != nil {
			arg.Value = *x
		}
		if x := p.numberAt(a, at, "valueTwo", 64); x != nil {
			arg.ValueTwo = *x
		}
		switch x := p.numberAt(a, at, "index", 32); {
		case x == nil && a.Get("index") == nil:
			p.fault(a.At, below(at, "index"), "it is missing")
		case x != nil && *x > 5:
			p.fault(a.Get("index").At, below(at, "index"), "got %d, want at most 5", *x)
		case x != nil:
			arg.Index = uint(*x)
		}
		switch v := a.Get("op"); {
		case v == nil:
			p.fault(a.At, below(at, "op"), "it is missing")
		case !slices.Contains(ops, string(arg.Op)) && v.Kind() == "a string":
			p.fault(v.At, below(at, "op"), "unknown operator %q%s", arg.Op, meant(string(arg.Op), ops))
		}
		out = append(out, arg)
	}
	return out
}
