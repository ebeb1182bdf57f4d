package harden

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// checkWords objects to a refusal that an engine would misread: more than one line, or words that stand for an exit code or a
// state of the container.
func checkWords(t *testing.T, message string) {
	t.Helper()
	if strings.ContainsAny(message, "\n\x00") {
		t.Errorf("not one line: %q", message)
	}
	for _, word := range []string{"permission denied", "no such file or directory", "executable file not found", "is a directory", "does not exist", "not running", "no such process"} {
		if strings.Contains(message, word) {
			t.Errorf("%q says %q", message, word)
		}
	}
}

// Everything at once is refused in words that no engine misreads.
func TestRefusalWords(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	p.Profile.User.NonRoot.On = true
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "X"}}
	s.Process.Scheduler = &specs.Scheduler{Policy: specs.SchedFIFO}
	s.Linux.CgroupsPath, s.Linux.Sysctl = "/", map[string]string{"x\ny": "z"}
	s.Mounts = []specs.Mount{{Destination: "a\nb", Source: "c\nd", Type: "e\nf", Options: []string{"g\nh"}}}
	s.Linux.Resources = &specs.LinuxResources{Unified: map[string]string{"i\nj": "k\nl"}}
	for _, v := range Judge(s, p) {
		checkWords(t, v.String())
	}
	_, _, err := Harden(s, p)
	if err == nil {
		t.Fatal("accepted")
	}
	checkWords(t, err.Error())
}
