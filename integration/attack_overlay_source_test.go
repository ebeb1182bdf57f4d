package integration

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackOverlaySource binds an overlay whose layer is the host's /etc by a name that means something else, or nothing, by the time of the
// bind: Docker's local driver mounts overlays of any directories for who asks for such a volume.
func TestAttackOverlaySource(t *testing.T) {
	requireRoot(t)
	for name, script := range map[string]string{
		"as it was":  "true",
		"gone":       `rm "$1/link"`,
		"retargeted": `ln -sfn "$1/other" "$1/link"`,
	} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			b := newBundle(t, "bulkhead", func(s *specs.Spec) {
				s.Process.Args = []string{"sh", "-c", "ls /given; cat /given/hostname"}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + "/shown", Options: []string{"rbind", "ro"}})
			})
			host := `set -e
mkdir "$1/top" "$1/other" "$1/shown"; ln -s /etc "$1/link"
mount -i -t overlay overlay -o "lowerdir=$1/top:$1/link" "$1/shown"
` + script + `
shift; exec "$@"`
			cmd := b.command("run", "--bundle", b.dir, b.id)
			r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", host, "sh", place}, cmd.Args...)...))
			if r.code == 0 || strings.Contains(r.stdout, "passwd") {
				t.Errorf("the container reads the host's /etc: %s", r)
			}
		})
	}
}
