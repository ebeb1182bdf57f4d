package container

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestHarmless takes out what makes Docker answer with an exit status of the container's program.
func TestHarmless(t *testing.T) {
	in := "open /a: permission denied; open /b: no such file or directory; read /c: is a directory; it is not running"
	want := "open /a: access refused; open /b: it is absent; read /c: it is no file; it is not alive"
	if got := harmless(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestImageName(t *testing.T) {
	for _, test := range []struct {
		annotations map[string]string
		want        string
	}{
		{nil, ""},
		{map[string]string{"io.kubernetes.cri.image-name": "a"}, "a"},
		{map[string]string{"io.kubernetes.cri-o.ImageName": "b"}, "b"},
		{map[string]string{"io.kubernetes.cri.podsandbox.image-name": "p"}, "p"},
		{map[string]string{"org.opencontainers.image.title": "c"}, ""},
	} {
		if got := ImageName(&specs.Spec{Annotations: test.annotations}); got != test.want {
			t.Errorf("%v: got %q, want %q", test.annotations, got, test.want)
		}
	}
}

// TestTrustedRecorder does not take a program that is not there: the tests' own directory has none.
func TestTrustedRecorder(t *testing.T) {
	if path, err := trustedRecorder(); err == nil || !strings.HasPrefix(err.Error(), "find the recorder: there is no ") {
		t.Errorf("got %q, %v", path, err)
	}
}
