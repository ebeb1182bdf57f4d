package bundle

import (
	"os"
	"path/filepath"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func bindOf(source string) specs.Mount {
	return specs.Mount{Destination: "/x", Type: "bind", Source: source, Options: []string{"rbind"}}
}

// specWith is a small spec whose root is an empty directory of the bundle.
func specWith(t testing.TB, mounts ...specs.Mount) (*specs.Spec, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &specs.Spec{Root: &specs.Root{Path: "rootfs"}, Mounts: mounts, Linux: &specs.Linux{}}, dir
}

func mustResolve(t testing.TB, spec *specs.Spec, dir string, o Options) *Resolved {
	t.Helper()
	r, err := Resolve(spec, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func BenchmarkResolve(b *testing.B) {
	spec, dir := specWith(b, bindOf("/etc/hostname"), bindOf("/etc/hosts"), bindOf("/etc/resolv.conf"))
	var table []ProtectedPath
	for range 6 {
		for _, p := range []string{"/", "/etc", "/usr", "/var/run", "/proc", "/sys", "/dev", "/root", "/bin", "/var/lib"} {
			table = append(table, ProtectedPath{Path: p, Class: "refused", Why: "w"})
		}
	}
	for b.Loop() {
		r, err := Resolve(spec, dir, Options{Protected: table})
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}
