package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// putSite gives a daemon a site's files in /etc/bulkhead, in its own mount namespace alone.
func (d *daemon) putSite(t *testing.T, files siteFiles) {
	t.Helper()
	dir := siteDir(t, files)
	must(t, run(t, exec.Command("nsenter", "--mount=/proc/"+strconv.Itoa(d.cmd.Process.Pid)+"/ns/mnt", "--", "sh", "-c", siteScript, "sh", dir, "true")))
}

// requiringDocker is a Docker daemon that `install docker --require-generated` made know a runtime that wants registered profiles.
func requiringDocker(t *testing.T) *docker {
	t.Helper()
	dir := t.TempDir()
	must(t, run(t, exec.Command("cp", bulkheadBin(t), dir+"/bulkhead")))
	config := dir + "/daemon.json"
	must(t, run(t, ctl(t, "install", "docker", "--require-generated", "--recorder", "--profile", "restricted", "--config", config, "--binary", dir+"/bulkhead")))
	must(t, run(t, exec.Command("cp", filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl"), dir)))
	text, err := os.ReadFile(config)
	var installed struct{ Runtimes map[string]any }
	if err == nil {
		err = json.Unmarshal(text, &installed)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := startDockerd(t, map[string]any{"runtimes": installed.Runtimes})
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return &docker{dockerd: d, runtime: "bulkhead-generated-restricted"}
}

// TestRequireGeneratedDocker walks the way of an operator: a container is recorded, the profile is made and registered, and a runtime
// that wants registered profiles runs the container with it and refuses all others.
func TestRequireGeneratedDocker(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "nsenter")
	d := requiringDocker(t)
	d.image(t, "busybox")
	workload := []string{"--user", "1000", "busybox", "sh", "-c", "ls / >/dev/null; cat /etc/hostname >/dev/null; echo done"}
	id := d.do(t, append([]string{"create", "--runtime", "bulkhead-record-restricted"}, workload...)...)
	d.cleanUp(t, id)
	must(t, d.try(t, "start", "-a", id))
	file, profile := recordingFile(t, id), filepath.Join(t.TempDir(), "list.json")
	if r := completeRecording(t, file); r.Losses != (recording.Losses{}) {
		t.Fatalf("recording has losses: %+v", r.Losses)
	}
	must(t, run(t, ctl(t, "seccomp", "generate", "--profile", "restricted", "-o", profile, file)))
	text, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	option := []string{"--security-opt", "seccomp=" + profile}

	refused(t, d.tryRun(t, append(option, workload...)...), "within none of the 0 registered profiles", "rule seccomp")
	d.putSite(t, siteFiles{"seccomp.d/list.json": string(text)})
	equal(t, "with the registered profile", d.run(t, append(option, workload...)...), "done")
	refused(t, d.tryRun(t, workload...), "within none of the 1 registered profiles", "rule seccomp")
	refused(t, d.tryRun(t, append([]string{"--security-opt", "seccomp=unconfined"}, workload...)...), "rule seccomp")
	plain := &docker{dockerd: d.dockerd, runtime: "bulkhead"}
	equal(t, "without the requirement", plain.run(t, workload...), "done")
	equal(t, "what the profile lacks", plain.run(t, append(option, "--user", "1000", "busybox", "sh", "-c", "mkdir /tmp/x 2>/dev/null || echo denied")...), "denied")
}

// TestSeccompApplyCRI has containerd's CRI apply profiles as kubelet asks for them: a Localhost profile, and a mapping by the image's
// name in bulkhead's configuration.
func TestSeccompApplyCRI(t *testing.T) {
	requireRoot(t)
	line := containerdLines(t)[0]
	d := startContainerd(t, line)
	c := &cri{containerd: d, client: kubernetesProgram(t, "cri"), runtime: "bulkhead"}
	const command = "mkdir /tmp/made 2>/dev/null && echo made || echo denied"
	local := filepath.Join(d.dir, "quiet.json")
	if err := os.WriteFile(local, []byte(quietProfile), 0o600); err != nil {
		t.Fatal(err)
	}
	p := c.pod(t)
	id := p.start(t, "local", []string{"sleep", "1000"}, set("linux.securityContext.seccomp", object{"profileType": "Localhost", "localhostRef": local}))
	equal(t, "under a Localhost profile", c.sh(t, id, command), "denied")
	equal(t, "without", c.sh(t, p.start(t, "usual", []string{"sleep", "1000"}), command), "made")

	d.putSite(t, siteFiles{
		"bulkhead.json":        `{"seccompMap": [{"image": "docker.io/library/busybox", "profile": "quiet"}]}`,
		"seccomp.d/quiet.json": quietProfile,
	})
	mapped := p.start(t, "mapped", []string{"sleep", "1000"})
	equal(t, "under a mapped profile", c.sh(t, mapped, command), "denied")
	text := strings.Join(strings.Fields(must(t, run(t, d.inside(ctlPath(t), "explain", mapped)))), " ")
	if want := `this host maps image "docker.io/library/busybox" to "/etc/bulkhead/seccomp.d/quiet.json"`; !strings.Contains(text, want) {
		t.Errorf("explain lacks %q:\n%s", want, text)
	}
}

func ctlPath(t testing.TB) string {
	t.Helper()
	return ctl(t).Path
}
