package harden

import (
	"testing"

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

func TestEngineFile(t *testing.T) {
	for path, want := range map[string]bool{
		"/run/containers/storage/overlay-containers/web1/userdata/hosts":         true,
		"/run/containers/storage/overlay-containers/other/userdata/resolv.conf":  true, // of the container whose network this one joins
		"/tmp/elsewhere/run/overlay-containers/web1/userdata/.containerenv":      true,
		"/var/lib/docker/containers/web1/hostname":                               true,
		"/run/containers/storage/overlay-containers/web1/userdata/passwd":        true,
		"/run/containers/storage/overlay-containers/other/userdata/passwd":       false,
		"/run/containers/storage/overlay-containers/web1/userdata/run/secrets/x": false,
		"/var/lib/containers/storage/volumes/v/_data/hosts":                      false,
		"/srv/hosts": false,
	} {
		src := bundle.Source{Bind: true, Path: path, Real: path, Kind: "file"}
		s := &specs.Spec{Linux: &specs.Linux{}}
		if got := EngineFile(src, s, Policy{ID: "web1"}); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
		src.Kind = "dir"
		if EngineFile(src, s, Policy{ID: "web1"}) {
			t.Errorf("%s: a directory counts", path)
		}
	}
}
