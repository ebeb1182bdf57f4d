package harden

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// inBuild binds a file of BuildKit's state into a container whose root lies in it, too.
func inBuild(root, source string) func(*specs.Spec, *Policy) {
	const dir = "/var/lib/buildkit/runc-overlayfs/"
	return func(s *specs.Spec, p *Policy) {
		bindOf(onDisk(dir+source), finished...)(s, p)
		p.Facts.Root.Real = dir + root
		p.Facts.Protected = append(p.Facts.Protected, bundle.ProtectedPath{Path: "/var/lib/buildkit", FSDev: "8:1", FSPath: "/var/lib/buildkit", Class: "engine", Why: "BuildKit's state"})
	}
}
