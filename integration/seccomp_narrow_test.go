package integration

import (
	goruntime "runtime"
	"slices"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/starts"
)

// TestNarrowFilterIsNamed: a container whose filter denies what the runtime calls says so, at create or at start.
func TestNarrowFilterIsNamed(t *testing.T) {
	for _, k := range startKinds {
		own := smallest[goruntime.GOARCH]
		calls := append(starts.NeededBy(k.create|k.exec), own.exit, own.paused)
		for _, c := range starts.Calls() {
			// Without execve and getdents64 the process that waits for start says itself, on its standard error, that it does not begin.
			if c.Starts&k.create == 0 || c.Need != starts.Needed || c.Name == "execve" || c.Name == "getdents64" && k.profile == "default" {
				continue
			}
			b := smallBundle(t, "/ends", permitting(slices.DeleteFunc(slices.Clone(calls), func(name string) bool { return name == c.Name })...))
			r := b.withFiles(t, "--profile", k.profile, "create", "--bundle", b.dir, b.id)
			if r.code == 0 {
				r = b.try(t, "start", b.id)
			}
			refused(t, r, "seccomp profile that was given denies "+c.Name+", which the runtime itself calls")
		}
	}
	b := smallBundle(t, "/ends", permitting("exit"))
	refused(t, b.withFiles(t, "create", "--bundle", b.dir, b.id), "denies close, execve, ", "bulkheadctl seccomp generate")
}
