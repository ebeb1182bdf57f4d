package integration

import (
	"os"
	"os/exec"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackOverlaidHost asks for the host's password file by another name on a host whose /etc is an overlay: as the file that
// the overlay lies over, and as the file in a layer.
func TestAttackOverlaidHost(t *testing.T) {
	requireRoot(t)
	const host = `set -e
mkdir -p "$1/over" "$1/work" "$1/root" "$1/below"
mount --bind / "$1/root"
cp /etc/shadow "$1/below/shadow"
mount -t overlay overlay -o "lowerdir=$1/below:/etc,upperdir=$1/over,workdir=$1/work" /etc
shift; exec "$@"`
	for name, source := range map[string]string{"covered": "/root/etc/shadow", "layer": "/below/shadow", "whole": "/root/etc"} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			b := newBundle(t, "bulkhead", func(s *specs.Spec) {
				s.Process.Args = []string{"cat", "/given"}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + source, Options: []string{"bind", "ro"}})
			})
			cmd := b.command("run", "--bundle", b.dir, b.id)
			r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", host, "sh", place}, cmd.Args...)...))
			refused(t, r, "(rule mounts)", "in a layer of the overlay")
			if _, err := os.Stat(b.state + "/" + b.id); err == nil {
				t.Error("the refused container has left its state")
			}
		})
	}
}
