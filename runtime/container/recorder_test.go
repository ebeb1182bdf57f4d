package container

import (
	"strings"
	"testing"
)

// TestHarmless takes out what makes Docker answer with an exit status of the container's program.
func TestHarmless(t *testing.T) {
	in := "open /a: permission denied; open /b: no such file or directory; read /c: is a directory; it is not running"
	want := "open /a: access refused; open /b: it is absent; read /c: it is no file; it is not alive"
	if got := harmless(in); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestTrustedRecorder does not take a program that is not there: the tests' own directory has none.
func TestTrustedRecorder(t *testing.T) {
	if path, err := trustedRecorder(); err == nil || !strings.HasPrefix(err.Error(), "find the recorder: there is no ") {
		t.Errorf("got %q, %v", path, err)
	}
}
