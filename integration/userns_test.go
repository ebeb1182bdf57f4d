package integration

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestOwnUserNamespace runs containers in a user namespace that the caller brought, mapped to the caller's own IDs: the
// files are the caller's, shifted by the caller, and the mapping stays as it is.
func TestOwnUserNamespace(t *testing.T) {
	const first = 3000000000
	own := func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		s.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: first, Size: 65536}}
		s.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: first + 100000, Size: 65536}}
		s.Process.Args = []string{"sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map; id -u; touch /home/new; ls -n /home/new"}
	}
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) {
			b := newBundle(t, runtime, own)
			must(t, run(t, exec.Command("chown", "-R", "3000000000:3000100000", b.dir+"/rootfs")))
			must(t, run(t, exec.Command("chmod", "a+rx", b.dir, b.dir+"/..")))
			must(t, b.withFiles(t, "run", b.id))
			got := strings.Join(strings.Fields(b.output(t, "stdout")), " ")
			if want := "0 3000000000 65536 0 3000100000 65536 0 -rw-r--r-- 1 0 0"; !strings.HasPrefix(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			if owner := must(t, run(t, exec.Command("stat", "-c", "%u:%g", b.dir+"/rootfs/home/new"))); owner != "3000000000:3000100000" {
				t.Errorf("on the host the new file belongs to %s", owner)
			}
		})
	}
}
