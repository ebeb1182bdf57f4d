package starts

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Denied gives the names, sorted, of the calls of these starts that a seccomp profile has no permission for, whatever their arguments;
// not the spare ones. It is for messages after a start has failed: conditions and later rules that deny are not looked at.
func Denied(p *specs.LinuxSeccomp, kinds Start) []string {
	if p == nil || permits(p.DefaultAction) {
		return nil
	}
	allowed := map[string]bool{}
	for _, rule := range p.Syscalls {
		for _, name := range rule.Names {
			allowed[name] = allowed[name] || permits(rule.Action)
		}
	}
	return slices.DeleteFunc(NeededBy(kinds), func(name string) bool { return allowed[name] })
}

// permits tells whether a call with the action may go on.
func permits(a specs.LinuxSeccompAction) bool {
	return a == specs.ActAllow || a == specs.ActLog || a == specs.ActNotify || a == specs.ActTrace
}
