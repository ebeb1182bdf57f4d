package integration

import (
	"os"
	"os/exec"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackOverlaidHost asks for the host's password file by another name on a host whose /etc is an overlay: as the file that
// the overlay lies over, and as the file in a layer, however the layer was named.
func TestAttackOverlaidHost(t *testing.T) {
	requireRoot(t)
	const prepare = `set -e
mkdir -p "$1/over" "$1/work" "$1/root" "$1/below" "$1/links"
mount --bind / "$1/root"
cp /etc/shadow "$1/below/shadow"
ln -s ../below "$1/links/A"; ln -s /etc "$1/links/B"
`
	const inLayer, under = "in a layer of the overlay", "under what is mounted there"
	const mountIt, thenRun = `mount -t overlay overlay -o `, " /etc\nshift; cd /; exec \"$@\""
	for name, c := range map[string]struct{ mount, source, why string }{
		"covered":        {`"lowerdir=$1/below:/etc,upperdir=$1/over,workdir=$1/work"`, "/root/etc/shadow", ""},
		"layer":          {`"lowerdir=$1/below:/etc,upperdir=$1/over,workdir=$1/work"`, "/below/shadow", inLayer},
		"whole":          {`"lowerdir=$1/below:/etc,upperdir=$1/over,workdir=$1/work"`, "/root/etc", ""},
		"relative":       {`"lowerdir=below:/etc,upperdir=over,workdir=work"`, "/below/shadow", inLayer},
		"relative whole": {`"lowerdir=below:../../../etc,upperdir=over,workdir=work"`, "/below", inLayer},
		"link":           {`"lowerdir=$1/links/A:$1/links/B,upperdir=$1/over,workdir=$1/work"`, "/below/shadow", inLayer},
		"relative link":  {`"lowerdir=links/A:links/B,upperdir=over,workdir=work"`, "/below/shadow", inLayer},
		"link covered":   {`"lowerdir=$1/links/A:$1/links/B,upperdir=$1/over,workdir=$1/work"`, "/root/etc/shadow", ""},
		"not a layer":    {`"lowerdir=$1/below,upperdir=$1/over,workdir=$1/work"`, "/root/etc/shadow", under},
	} {
		t.Run(name, func(t *testing.T) {
			place := t.TempDir()
			b := newBundle(t, "bulkhead", func(s *specs.Spec) {
				s.Process.Args = []string{"cat", "/given"}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + c.source, Options: []string{"bind", "ro"}})
			})
			cmd := b.command("run", "--bundle", b.dir, b.id)
			host := prepare + "cd \"$1\"; " + mountIt + c.mount + thenRun
			r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", host, "sh", place}, cmd.Args...)...))
			refused(t, r, "(rule mounts)", c.why)
			if _, err := os.Stat(b.state + "/" + b.id); err == nil {
				t.Error("the refused container has left its state")
			}
		})
	}
}

// TestOverlaidHostKeepsVolumes: on such a host an ordinary directory is a volume as anywhere, be it named like a layer.
func TestOverlaidHostKeepsVolumes(t *testing.T) {
	requireRoot(t)
	const host = `set -e
mkdir -p "$1/over" "$1/work" "$1/below/ssh" "$1/data/below" "$1/data/ssh" "$1/data/shadow"
cd "$1"; mount -t overlay overlay -o "lowerdir=below:/etc,upperdir=over,workdir=work" /etc
shift; cd /; exec "$@"`
	place := t.TempDir()
	b := newBundle(t, "bulkhead", func(s *specs.Spec) {
		s.Process.Args = []string{"ls", "/given"}
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: place + "/data", Options: []string{"rbind", "rw"}})
	})
	cmd := b.command("run", "--bundle", b.dir, b.id)
	r := run(t, exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c", host, "sh", place}, cmd.Args...)...))
	if r.code != 0 || r.stdout != "below\nshadow\nssh\n" {
		t.Errorf("exit status %d, %q, %q", r.code, r.stdout, r.stderr)
	}
}
