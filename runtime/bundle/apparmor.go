package bundle

import (
	"bufio"
	"io"
	"os"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// apparmorModeOf looks the profile of a spec up in the kernel's list. When the list cannot be read it finds nothing: the
// kernel then says itself that there is no such profile, and what it applied is read back.
func apparmorModeOf(spec *specs.Spec, active bool) string {
	if !active || spec.Process == nil || spec.Process.ApparmorProfile == "" {
		return ""
	}
	f, err := os.Open("/sys/kernel/security/apparmor/profiles")
	if err != nil {
		return ""
	}
	defer f.Close()
	return apparmorMode(f, spec.Process.ApparmorProfile)
}

// apparmorMode reads lines of "NAME (MODE)". A name may itself have spaces and brackets.
func apparmorMode(list io.Reader, profile string) string {
	if profile == "unconfined" || strings.HasPrefix(profile, ":") || strings.Contains(profile, "//&") {
		return "" // not one profile of this namespace
	}
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if mode, ok := strings.CutPrefix(lines.Text(), profile+" ("); ok && strings.Count(mode, ")") == 1 && strings.HasSuffix(mode, ")") {
			return strings.TrimSuffix(mode, ")")
		}
	}
	if lines.Err() != nil {
		return ""
	}
	return "missing"
}
