package container

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// judged judges a config.json with a runtime whose state is in the test's own directory, and tells when it left anything.
func judged(t *testing.T, config string) (*Judgement, error) {
	t.Helper()
	state, dir := filepath.Join(t.TempDir(), "state"), filepath.Join(t.TempDir(), "web1")
	if err := os.MkdirAll(filepath.Join(dir, "rootfs"), 0o755); err != nil { //nolint:gosec // the root of a container
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := profiles.DefaultConfig()
	cfg.StateDir, cfg.RefusalLog.Path = state, filepath.Join(state, "refusals.log")
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	r := &Runtime{Root: filepath.Join(state, "containers"), Config: cfg, Program: "bulkhead"}
	j, err := r.Judge(dir, "")
	if after, _ := os.Getwd(); after != before {
		t.Errorf("the working directory is %q, was %q", after, before)
	}
	if _, err := os.Lstat(state); err == nil {
		t.Error("a state directory was made")
	}
	return j, err
}

const judgeable = `{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"cwd":"/","args":["true"]},
	"mounts":[{"destination":"/proc","type":"proc","source":"proc"}MOUNT],
	"linux":{"namespaces":[{"type":"pid"},{"type":"network"},{"type":"ipc"},{"type":"uts"},{"type":"mount"}]}}`

func TestJudge(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("resolves what only root may look at: run as root")
	}
	j, err := judged(t, strings.Replace(judgeable, "MOUNT", "", 1))
	if err != nil {
		t.Fatal(err)
	}
	if j.ID != "web1" || j.Profile != "default" || j.Refusal != nil || len(j.Changes) == 0 || j.Spec == nil || j.Range.Size != 65536 {
		t.Errorf("got %+v", j)
	}
	if m := j.Spec.Linux.UIDMappings; len(m) != 1 || m[0].HostID != j.Range.Start {
		t.Errorf("mapping is %v", m)
	}
}

func TestJudgeRefusal(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("resolves what only root may look at: run as root")
	}
	j, err := judged(t, strings.Replace(judgeable, "MOUNT", `,{"destination":"/host","type":"bind","source":"/","options":["rbind"]}`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if j.Refusal == nil || j.Spec != nil || len(j.Refusal.Violations) == 0 || j.Refusal.Violations[0].Rule != "mounts" {
		t.Errorf("got %+v", j)
	}
}

func TestJudgeBroken(t *testing.T) {
	j, err := judged(t, "{not json")
	if err == nil || j != nil {
		t.Errorf("got %+v, %v", j, err)
	}
}
