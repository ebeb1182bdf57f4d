package harden

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

// plausibleFacts are what the spec of a real engine would have resolved to on an ordinary host:
//
//   - one ext4 file system, 8:1, with its root at "/", so that a path in the file system is the path on the host
//   - no symlinks, no submounts; names of files are those of engines, everything else is a directory
//   - the profile package's protected paths, all of them there, patterns left out
//   - a container's root, where engines mount an overlay
//   - a network namespace below /proc is the host's; every other one that is joined is the sibling's
func plausibleFacts(t testing.TB, s *specs.Spec) bundle.Facts {
	t.Helper()
	f := bundle.Facts{Kernel: bundle.Kernel{Arch: "SCMP_ARCH_X86_64", LastCap: 40, TimeNamespace: true}}
	protected, err := profiles.Protected()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range protected {
		if !strings.Contains(e.Path, "*") {
			f.Protected = append(f.Protected, bundle.ProtectedPath{Path: e.Path, FSDev: "8:1", FSPath: e.Path, Class: e.Class, Why: e.Why})
		}
	}
	for _, m := range s.Mounts {
		bind := m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
		if !bind {
			f.Sources = append(f.Sources, bundle.Source{})
			continue
		}
		f.Sources = append(f.Sources, plausibleSource(m.Source))
	}
	if s.Root != nil {
		f.Root = plausibleSource(path.Join("/run/bundle", s.Root.Path))
		if path.IsAbs(s.Root.Path) {
			f.Root = plausibleSource(s.Root.Path)
		}
		f.Root.FSType, f.Root.FSDev, f.Root.FSPath = "overlay", "0:50", "/"
	}
	if s.Linux != nil {
		for i, n := range s.Linux.Namespaces {
			f.Namespaces = append(f.Namespaces, plausibleNamespace(n, uint64(4026532000+i)))
		}
	}
	return f
}

func plausibleSource(p string) bundle.Source {
	s := bundle.Source{Bind: true, Path: p, Real: path.Clean(p), Kind: "dir", Mode: 0o755, Dev: 2049, Inode: 1000, FSType: "ext4", FSDev: "8:1", FSPath: path.Clean(p)}
	if files := []string{"hosts", "hostname", "resolv.conf", ".containerenv", "docker-init"}; slices.Contains(files, path.Base(p)) {
		s.Kind, s.Mode = "file", 0o644
	}
	return s
}

// siblingID is the pause container of the containerd specs.
const siblingID = "d4315183aa76c53c05330a5e956147bf29afd4e8854bfd70909c1006cfda8dc1"

func plausibleNamespace(n specs.LinuxNamespace, inode uint64) bundle.Namespace {
	if n.Path == "" {
		return bundle.Namespace{}
	}
	if n.Type == "network" && strings.HasPrefix(n.Path, "/proc/") {
		return bundle.Namespace{Path: n.Path, Inode: inode, Kind: "network", Host: true, OwnerIsHost: true, Owner: 4026531837}
	}
	return bundle.Namespace{
		Path: n.Path, Inode: inode, Kind: string(n.Type), Owner: 4026532900,
		Sibling: siblingID, SiblingRange: bundle.Range{Start: 1000000, Size: 65536},
	}
}

// realSpecs are the names of the specs in testdata that engines wrote, sorted.
func realSpecs(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", "*", "config.json"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	var names []string
	for _, f := range found {
		names = append(names, filepath.Base(filepath.Dir(f)))
	}
	return names
}

func realSpec(t testing.TB, name string) *specs.Spec {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := new(specs.Spec)
	if err := json.Unmarshal(data, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// realPolicy is the default profile for a real spec.
func realPolicy(t testing.TB, s *specs.Spec) Policy {
	t.Helper()
	return profilePolicy(t, s, "default")
}

// profilePolicy is a built-in profile for a real spec, with its own seccomp profile.
func profilePolicy(t testing.TB, s *specs.Spec, name string) Policy {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the real specs and their golden files are those of amd64")
	}
	profile, err := profiles.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	p := testPolicy(t)
	p.Profile = profile
	p.Range = userns.Range{Start: 1000000, Size: 65536}
	p.Facts = plausibleFacts(t, s)
	if s.Linux != nil {
		p.ID = strings.TrimPrefix(path.Base(s.Linux.CgroupsPath), "libpod-")
	}
	if p.Seccomp, err = profiles.SeccompProfile(profile.Seccomp.Profile); err != nil {
		t.Fatal(err)
	}
	return p
}
