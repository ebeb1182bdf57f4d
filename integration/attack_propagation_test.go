package integration

import (
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackLaterMounts: what the host mounts on or below a source after it was judged does not reach the container. Who may ask an
// engine for a volume has it mount a directory of the host's where its volumes are, at a time of his choice.
func TestAttackLaterMounts(t *testing.T) {
	requireRoot(t)
	const script = `set -e
place=$1 bundle=$2 id=$3; shift 3
mount --bind "$place" "$place"; mount --make-shared "$place"
mkdir -p "$place/source/below"
"$@" run --detach --bundle "$bundle" "$id" >/dev/null 2>&1 </dev/null
mount --bind /etc "$place/source"
mount --bind /etc "$place/source/ssl"
"$@" exec "$id" ls /given
umount "$place/source/ssl"; umount "$place/source"
mount --bind /etc "$place/source/below"
"$@" exec "$id" ls /given/below
"$@" delete --force "$id"`
	for _, propagation := range []string{"", "private", "rprivate", "slave", "rslave"} {
		t.Run("option "+propagation, func(t *testing.T) {
			place := t.TempDir()
			options := []string{"rbind", "rw"}
			if propagation != "" {
				options = append(options, propagation)
			}
			b := newBundle(t, "bulkhead", args("sleep", "1000"), func(s *specs.Spec) {
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + "/source", Options: options})
			})
			cmd := b.command()
			r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", script, "sh", place, b.dir, b.id}, cmd.Args...)...))
			if got := strings.TrimSpace(must(t, r)); got != "below" {
				t.Errorf("the container sees %q, want what the source had: %s", got, r)
			}
		})
	}
}
