package integration

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackOverlaySource binds an overlay whose layer is root's home by a name that means something else, or nothing, by the time of the
// bind: Docker's local driver mounts overlays of any directories for who asks for such a volume.
func TestAttackOverlaySource(t *testing.T) {
	requireRoot(t)
	for name, script := range map[string]string{
		"as it was":  "true",
		"gone":       `rm "$1/link"`,
		"retargeted": `ln -sfn "$1/other" "$1/link"`,
	} {
		for source, command := range map[string]string{"/shown": "ls -a /given", "/shown/.bashrc": "cat /given"} {
			overlaySource(t, name+source, script, source, command)
		}
	}
}

func overlaySource(t *testing.T, name, script, source, command string) {
	t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
		place := t.TempDir()
		b := newBundle(t, "bulkhead", func(s *specs.Spec) {
			s.Process.Args = []string{"sh", "-c", command}
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + source, Options: []string{"rbind", "ro"}})
		})
		host := `set -e
mkdir "$1/top" "$1/other" "$1/shown"; ln -s /root "$1/link"; echo other >"$1/other/.bashrc"; chmod 755 "$1"
mount -i -t overlay overlay -o "lowerdir=$1/top:$1/link" "$1/shown"
` + script + `
shift; exec "$@"`
		cmd := b.command("run", "--bundle", b.dir, b.id)
		r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", host, "sh", place}, cmd.Args...)...))
		retargeted := strings.HasPrefix(name, "retargeted") // shows what was judged
		if r.code == 0 && (!retargeted || strings.TrimSpace(r.stdout) != "other" && source != "/shown") || strings.Contains(r.stdout, ".profile") {
			t.Errorf("want an error, or what the name means now: %s", r)
		}
	})
}
