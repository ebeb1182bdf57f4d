package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestAttackLimits tries to get a process out of the container's cgroup.
func TestAttackLimits(t *testing.T) {
	requireRoot(t)
	// libcontainer ignores errors of cgroups with --rootless=true, and a cgroup that is not there is such an error: the
	// process of the exec then stayed where its caller was.
	t.Run("rootless-exec-in-no-cgroup", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		must(t, b.withFiles(t, "--rootless=true", "run", "--detach", "--bundle", b.dir, b.id))
		for _, group := range []string{"nosuch", "../..", "../" + b.id + "x"} {
			r := b.try(t, "--rootless=true", "exec", "--cgroup", group, b.id, "cat", "/proc/self/cgroup")
			refused(t, r)
			if r.stdout != "" {
				t.Errorf("exec --cgroup %s has run in %s", group, r.stdout)
			}
		}
		equal(t, "escaped groups", escapes(b.do(t, "--rootless=true", "exec", b.id, "cat", "/proc/self/cgroup")), "")
	})
	t.Run("update-record", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		b.running(t)
		var sizes []int64
		for range 4 {
			b.do(t, "update", "--pids-limit", "-1", "--memory", "-1", b.id)
			info, err := os.Stat(fmt.Sprintf("%s/%s/record.json", b.state, b.id))
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, info.Size())
		}
		if sizes[3] > sizes[0] {
			t.Errorf("the record grows with each update: %d bytes; one that is too large cannot be read, and its container not be deleted", sizes)
		}
	})
}

// escapes are the lines of /proc/self/cgroup that lead out of the container's cgroup namespace.
func escapes(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, "..") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
