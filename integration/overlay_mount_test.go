package integration

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestOverlayMount asks for overlays as mounts, as BuildKit does for a stage of several layers: what is read-only and shows ordinary
// directories is shown through the range, everything else is refused.
func TestOverlayMount(t *testing.T) {
	requireRoot(t)
	dir := t.TempDir()
	must(t, run(t, exec.Command("sh", "-c", `cd "$1" && mkdir -p low/d high/d upper work link && echo low >low/d/a && echo high >high/d/b && chown 7:8 high/d/b && ln -s /root link/r && chmod 755 .`, "sh", dir)))
	overlay := func(options ...string) func(*specs.Spec) {
		return func(s *specs.Spec) {
			s.Process.Args = []string{"sh", "-c", "cat /given/d/*; stat -c %u:%g /given/d/a /given/d/b; touch /given/x"}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "overlay", Source: "overlay", Options: options})
		}
	}
	t.Run("shown", func(t *testing.T) {
		for _, options := range [][]string{
			{"lowerdir=" + dir + "/high:" + dir + "/low", "ro"},
			{"index=off", "lowerdir=" + dir + "/high:" + dir + "/low"},
		} {
			b := newBundle(t, "bulkhead", overlay(options...))
			r := b.try(t, "run", b.id)
			if r.stdout != "low\nhigh\n0:0\n7:8\n" || r.code == 0 || !strings.Contains(r.stderr, "Read-only file system") {
				t.Errorf("%v: %s", options, r)
			}
			b.do(t, "delete", "--force", b.id)
		}
	})
	t.Run("exec and update", func(t *testing.T) {
		b := newBundle(t, "bulkhead", overlay("lowerdir="+dir+"/high:"+dir+"/low"), args("sleep", "1000"))
		b.running(t)
		equal(t, "what an exec sees", b.do(t, "exec", b.id, "ls", "/given/d"), "a\nb")
		b.do(t, "update", "--pids-limit", "50", b.id)
	})
	for name, c := range map[string]struct {
		options []string
		want    string
	}{
		"a layer of root's home":  {[]string{"lowerdir=" + dir + "/low:/root", "ro"}, "the administrator's home"},
		"below a link":            {[]string{"lowerdir=" + dir + "/low:" + dir + "/link/r", "ro"}, "the administrator's home"},
		"the host":                {[]string{"lowerdir=" + dir + "/low:/", "ro"}, ""},
		"settings with passwords": {[]string{"lowerdir=/etc:" + dir + "/low", "ro"}, "password hashes"},
		"the kernel's":            {[]string{"lowerdir=" + dir + "/low:/proc", "ro"}, ""},
		"writable":                {[]string{"lowerdir=" + dir + "/low", "upperdir=" + dir + "/upper", "workdir=" + dir + "/work"}, `].type is \"overlay\"`},
		"relative":                {[]string{"lowerdir=low:" + dir + "/high", "ro"}, `].type is \"overlay\"`},
		"no layers":               {[]string{"ro"}, `].type is \"overlay\"`},
		"two lists":               {[]string{"lowerdir=" + dir + "/low", "lowerdir=/root"}, `].type is \"overlay\"`},
		"an option inside":        {[]string{"lowerdir=" + dir + "/low,upperdir=" + dir + "/upper", "ro"}, `].type is \"overlay\"`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle(t, "bulkhead", overlay(c.options...))
			r := b.try(t, "run", b.id)
			refused(t, r, c.want)
		})
	}
}
