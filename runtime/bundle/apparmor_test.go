package bundle

import (
	"strings"
	"testing"
)

func TestAppArmorMode(t *testing.T) {
	const list = "docker-default (enforce)\nloose (complain)\n/usr/bin/a b (x) (enforce)\nrunc (unconfined)\nsome (thing) (kill)\n"
	for profile, want := range map[string]string{
		"docker-default": "enforce", "loose": "complain", "runc": "unconfined", "/usr/bin/a b (x)": "enforce",
		"docker": "missing", "some": "missing", "some (thing)": "kill", "unconfined": "", ":ns:docker-default": "", "docker-default//&loose": "",
	} {
		if got := apparmorMode(strings.NewReader(list), profile); got != want {
			t.Errorf("mode of %q is %q, want %q", profile, got, want)
		}
	}
}
