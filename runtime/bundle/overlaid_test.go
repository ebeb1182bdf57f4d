package bundle

import (
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestProtectedLayers: a protected file on an overlay is known by its place in each layer, too, also where the overlay
// covers its own lower directory.
func TestProtectedLayers(t *testing.T) {
	spec, dir := specWith(t)
	for _, d := range []string{"/low", "/high", "/work", "/shown", "/self", "/high2", "/work2", "/other"} {
		must(t, os.MkdirAll(dir+d, 0o755))
	}
	must(t, os.WriteFile(dir+"/low/key", nil, 0o600), os.WriteFile(dir+"/self/key", nil, 0o600))
	privateMounts(t)
	mount(t, dir+"/self", dir+"/other", "", unix.MS_BIND, "") // what the second overlay covers, by another name
	mount(t, "overlay", dir+"/shown", "overlay", 0, "lowerdir="+dir+"/low,upperdir="+dir+"/high,workdir="+dir+"/work")
	mount(t, "overlay", dir+"/self", "overlay", 0, "lowerdir="+dir+"/self,upperdir="+dir+"/high2,workdir="+dir+"/work2")
	for _, c := range []struct{ protected, source string }{
		{dir + "/shown/key", dir + "/low/key"},
		{dir + "/self/key", dir + "/other/key"},
	} {
		spec.Mounts = []specs.Mount{bindOf(c.source)}
		r := mustResolve(t, spec, dir, Options{Protected: []ProtectedPath{{Path: c.protected, Class: "refused", Why: "a key"}}})
		s := r.Facts.Sources[0]
		if s.Err != "" {
			t.Fatalf("%s: %s", c.source, s.Err)
		}
		if !slices.ContainsFunc(r.Facts.Protected, func(p ProtectedPath) bool {
			return p.Path == c.protected && p.FSDev == s.FSDev && p.FSPath == s.FSPath && p.Why == "a key (in a layer of the overlay that it lies on)"
		}) {
			t.Errorf("%s is at %s %s, which nothing protects: %+v", c.source, s.FSDev, s.FSPath, r.Facts.Protected)
		}
		r.Close()
	}
}

func TestOverlayLayers(t *testing.T) {
	for options, want := range map[string]string{
		"rw,lowerdir=/a:/b/,upperdir=/u,workdir=/w":    "lowerdir=/a lowerdir=/b/ upperdir=/u workdir=/w",
		`rw,lowerdir=/a\134:1:/b\134\054c,upperdir=/u`: "lowerdir=/a:1 lowerdir=/b,c upperdir=/u",
		`rw,lowerdir=/a\054b/../root:/c\040d`:          "lowerdir=/a,b/../root lowerdir=/c d",
		"rw,lowerdir+=/a,lowerdir+=/b,datadir+=/d":     "lowerdir=/a lowerdir=/b lowerdir=/d",
		"rw,lowerdir=/a::/data,redirect_dir=on":        "lowerdir=/a lowerdir=/data",
		"rw,lowerdir=l/ABC:../DEF,upperdir=./u":        "lowerdir=l/ABC lowerdir=../DEF upperdir=./u",
		"rw,seclabel":                                  "",
		`lowerdir=/ends\134`:                           `lowerdir=/ends\`,
	} {
		var got []string
		for _, n := range overlayLayers(options) {
			got = append(got, n.role+"="+n.path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
	}
}
