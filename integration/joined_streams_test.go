package integration

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestJoinedStreams: a container that joins another's network, and its user namespace with it, opens its standard streams by name
// as any other does (nginx logs to /dev/stdout).
func TestJoinedStreams(t *testing.T) {
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) {
			first := newBundle(t, runtime)
			pid := first.running(t)
			b := newBundle(t, runtime, args("sh", "-c", "echo one >/dev/stdout; echo two >/dev/stderr"), func(s *specs.Spec) {
				for i := range s.Linux.Namespaces {
					if s.Linux.Namespaces[i].Type == specs.NetworkNamespace {
						s.Linux.Namespaces[i].Path = fmt.Sprintf("/proc/%d/ns/net", pid)
					}
				}
			})
			var out bytes.Buffer // a pipe, as of an engine
			cmd := b.command("run", b.id)
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			lines := strings.Fields(out.String())
			slices.Sort(lines) // two pipes: either may be read first
			if err != nil || strings.Join(lines, " ") != "one two" {
				t.Errorf("got %q: %v", out.String(), err)
			}
		})
	}
}
