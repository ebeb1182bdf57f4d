package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const recordingsTestdata = "testdata/seccomp/recordings/"

func recordingFiles(names ...string) []string {
	for i, n := range names {
		names[i] = recordingsTestdata + n + ".json"
	}
	return names
}

func TestSeccompGenerateGolden(t *testing.T) {
	web := recordingFiles("web-1", "web-2", "web-3")
	with := func(args []string, more ...string) []string { return append(args[:len(args):len(args)], more...) }
	for name, args := range map[string][]string{
		"generate":             append([]string{"generate"}, web...),
		"generate-arguments":   append([]string{"generate", "--argument-rules", "--name", "web"}, web...),
		"generate-margin":      with(append([]string{"generate"}, web...), "--margin", "names, stat,read", "--any-start"),
		"generate-json":        append([]string{"generate", "--json", "--argument-rules", "--margin", "all"}, recordingFiles("web-1", "web-4")...),
		"generate-base":        with([]string{"generate", recordingsTestdata + "web-1.json"}, "--base", "testdata/seccomp/docker.json", "--profile=restricted"),
		"generate-compat":      with([]string{"generate", recordingsTestdata + "web-3.json"}, "--compat"),
		"generate-lost":        append([]string{"generate", "--argument-rules"}, recordingFiles("web-1", "lost")...),
		"generate-arm":         append([]string{"generate"}, recordingFiles("arm")...),
		"generate-margins":     {"generate", "--list-margins"},
		"evidence":             append([]string{"evidence", "--argument-rules"}, web...),
		"evidence-calls":       append([]string{"evidence"}, web...),
		"evidence-saturated":   append([]string{"evidence", "--argument-rules"}, recordingFiles("web-1", "web-4", "web-5")...),
		"evidence-one":         append([]string{"evidence"}, recordingFiles("lost")...),
		"evidence-json":        append([]string{"evidence", "--json", "--argument-rules"}, web...),
		"coverage-default":     {"coverage", "default"},
		"coverage-narrow":      {"coverage", "--all", "testdata/seccomp/narrow.json"},
		"coverage-json":        {"coverage", "--json", "testdata/seccomp/docker.json"},
		"coverage-arm":         {"coverage", "--arch", "arm64", "restricted"},
		"generate-no-margin":   append([]string{"generate", "--margin", "stats"}, web...),
		"generate-odd-margin":  append([]string{"generate", "--margin", "everything-there-is"}, web...),
		"generate-no-file":     append([]string{"generate"}, recordingFiles("web-0")...),
		"generate-no-args":     {"generate"},
		"generate-no-flag":     with(append([]string{"generate"}, web...), "--marign=all"),
		"generate-no-value":    with(append([]string{"generate"}, web...), "-o"),
		"generate-mixed":       append([]string{"generate"}, recordingFiles("web-1", "arm")...),
		"generate-no-profile":  append([]string{"generate", "--profile", "none"}, web...),
		"generate-permissive":  append([]string{"generate", "--base", "testdata/seccomp/permissive.json"}, web...),
		"generate-not-a-file":  {"generate", "testdata/seccomp/narrow.json"},
		"evidence-no-args":     {"evidence"},
		"coverage-no-args":     {"coverage"},
		"coverage-two":         {"coverage", "default", "restricted", "--all"},
		"coverage-no-such-one": {"coverage", "testdata/seccomp/none.json"},
	} {
		t.Run(name, func(t *testing.T) {
			got, status := seccompCtl(t, "", append([]string{"seccomp"}, args...)...)
			got = fmt.Sprintf("%sexit status %d\n", got, status)
			golden := filepath.Join("testdata/seccomp/golden", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("the output changed (%v), review go test ./cmd/bulkheadctl -update:\n%s", err, got)
			}
		})
	}
}

// The files that are written are those that are printed, whole, wherever the flags stand.
func TestSeccompGenerateFiles(t *testing.T) {
	dir := t.TempDir()
	profile, report := filepath.Join(dir, "p.json"), filepath.Join(dir, "report")
	printed, status := seccompCtl(t, "", append([]string{"seccomp", "generate", "--report", filepath.Join(dir, "none", "report")}, recordingFiles("web-1")...)...)
	if status != 2 || !strings.HasPrefix(printed, "bulkheadctl: write report: ") {
		t.Errorf("status %d: %s", status, printed)
	}
	text, status := seccompCtl(t, "", append([]string{"seccomp", "generate", "--report", report}, recordingFiles("web-1")...)...)
	if status != 0 {
		t.Fatalf("status %d: %s", status, text)
	}
	out, status := seccompCtl(t, "", "seccomp", "generate", recordingsTestdata+"web-1.json", "-o", profile, "--report="+report)
	written, err := os.ReadFile(profile)
	if status != 0 || err != nil || out != "" || string(written) != text {
		t.Errorf("status %d, %v, printed %q, written\n%s", status, err, out, written)
	}
	out, status = seccompCtl(t, "", "seccomp", "generate", "--json", recordingsTestdata+"web-1.json", "--report", report)
	var v seccompGenerated
	if err := json.Unmarshal([]byte(out), &v); err != nil || status != 0 || v.Report.Permitted == 0 {
		t.Errorf("status %d, %v: %s", status, err, out)
	}
	data, err := os.ReadFile(report)
	if err != nil || !json.Valid(data) {
		t.Errorf("%v: %s", err, data)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if text, status := seccompCtl(t, "", "seccomp", "check", "--arch", "amd64", profile); status != 0 {
		t.Errorf("status %d: %s", status, text)
	}
}
