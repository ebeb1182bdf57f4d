package source

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func (p *parser) args(e *node, path string) []specs.LinuxSeccompArg {
	ops := []string{
		string(specs.OpNotEqual), string(specs.OpLessThan), string(specs.OpLessEqual), string(specs.OpEqualTo),
		string(specs.OpGreaterEqual), string(specs.OpGreaterThan), string(specs.OpMaskedEqual),
	}
	var out []specs.LinuxSeccompArg
	for i, a := range p.listAt(e, path, "args") {
		at := index(below(path, "args"), i)
		if a.kind() != "an object" {
			p.fault(a.at, at, "got %s, want an object", a.kind())
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
		case x == nil && a.get("index") == nil:
			p.fault(a.at, below(at, "index"), "it is missing")
		case x != nil && *x > 5:
			p.fault(a.get("index").at, below(at, "index"), "got %d, want at most 5", *x)
		case x != nil:
			arg.Index = uint(*x)
		}
		switch v := a.get("op"); {
		case v == nil:
			p.fault(a.at, below(at, "op"), "it is missing")
		case !slices.Contains(ops, string(arg.Op)) && v.kind() == "a string":
			p.fault(v.at, below(at, "op"), "unknown operator %q%s", arg.Op, meant(string(arg.Op), ops))
		}
		out = append(out, arg)
	}
	return out
}
