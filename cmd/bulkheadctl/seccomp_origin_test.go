package main

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/seccomp/generate"
	"github.com/bulkhead-runtime/bulkhead/seccomp/lint"
	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
)

// TestOriginIsReadByTheRuntime: create reads by itself what generate writes of where a profile was made.
func TestOriginIsReadByTheRuntime(t *testing.T) {
	s := &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, Syscalls: []specs.LinuxSyscall{{Names: []string{"read"}, Action: specs.ActAllow}}}
	text, err := generate.Text(s, generate.Origin{
		Name: `a "quoted; arch x" name`, Architecture: "amd64", Kernels: []string{"5.4.0-generic"}, Libcs: []string{"glibc 2.36", "musl"}, Recordings: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := profiles.ParseSeccompFile(text)
	if err != nil {
		t.Fatal(err)
	}
	const want = "it was recorded on amd64, this is arm64; it was recorded on Linux 5.4, this is 6.18: programs may make other calls here"
	if got := f.RecordedOn.Elsewhere("arm64", "6.18.44"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	parsed, err := source.Parse(text, source.Facts{Arch: "amd64"}, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := elsewhere(parsed.Entries, source.Facts{Arch: "arm64", Kernel: source.Kernel{Major: 6, Minor: 18}})
	if len(found) != 1 || found[0].Severity != lint.Warning || found[0].Text != want {
		t.Errorf("check finds %+v, want %q", found, want)
	}
	if found := elsewhere(parsed.Entries, source.Facts{Arch: "amd64", Kernel: source.Kernel{Major: 5, Minor: 4}}); len(found) != 0 {
		t.Errorf("check finds %+v where the profile was recorded", found)
	}
}
