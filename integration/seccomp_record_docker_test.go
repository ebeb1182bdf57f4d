package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// recordingsDir is where a recording runtime writes when nobody names a file.
const recordingsDir = "/var/lib/bulkhead/recordings"

// recordingDocker is a Docker daemon that `install docker --recorder` made know a recording runtime.
func recordingDocker(t *testing.T) *docker {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bulkhead", "bulkheadctl"} {
		must(t, run(t, exec.Command("cp", filepath.Join(filepath.Dir(bulkheadBin(t)), name), dir)))
	}
	config := dir + "/daemon.json"
	must(t, run(t, ctl(t, "install", "docker", "--recorder", "--config", config, "--binary", dir+"/bulkhead")))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	var installed struct{ Runtimes map[string]any }
	if err := json.Unmarshal(text, &installed); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(installed.Runtimes)); !slices.Equal(got, []string{"bulkhead", "bulkhead-record"}) {
		t.Fatalf("runtimes are %v", got)
	}
	d := startDockerd(t, map[string]any{"runtimes": installed.Runtimes})
	t.Cleanup(func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return &docker{dockerd: d, runtime: "bulkhead-record"}
}

// recordingFile is the one file of a container's recording, which is removed when the test ends.
func recordingFile(t *testing.T, id string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordingsDir, id+"-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("recordings of %s are %v, %v", id, files, err)
	}
	t.Cleanup(func() { _ = os.Remove(files[0]) })
	return files[0]
}

// TestSeccompRecordDocker has Docker run containers on the runtime that install registered.
func TestSeccompRecordDocker(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd")
	d := recordingDocker(t)
	t.Run("short", func(t *testing.T) { recordShort(t, d) })
	t.Run("exec", func(t *testing.T) { recordExecs(t, d) })
	t.Run("joined", func(t *testing.T) { recordJoined(t, d) })
	t.Run("nginx", func(t *testing.T) { recordNginx(t, d) })
	t.Run("killed", func(t *testing.T) { recordKilledEngine(t, d) })
}

// recordShort is a container that ends at once, with children that end at once.
func recordShort(t *testing.T, d *docker) {
	d.image(t, "busybox")
	id := d.do(t, "create", "--runtime", d.runtime, "busybox", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do (mkdir /tmp/$i) & done; wait; ls /nowhere; unshare -U true; true")
	d.cleanUp(t, id)
	must(t, d.try(t, "start", "-a", id))
	r := completeRecording(t, recordingFile(t, id))
	if callOf(r, "mkdir").Count() != 8 || callOf(r, "unshare").Denied != 1 || r.Losses.Lost() || r.Joined || r.Container != id {
		t.Errorf("recording is %+v", r)
	}
	if got := strings.Join(r.Command, " "); !strings.HasPrefix(got, "sh -c for") {
		t.Errorf("command is %q", got)
	}
}

// recordExecs has what docker exec runs, until the container is stopped. Explain and state name the file.
func recordExecs(t *testing.T, d *docker) {
	d.image(t, "busybox")
	id := d.container(t, "busybox", "sleep", "1000")
	d.do(t, "exec", id, "sh", "-c", "ln -s a /tmp/b; readlink /tmp/b")
	file := recordingFile(t, id)
	text := must(t, run(t, ctl(t, "explain", id)))
	if !strings.Contains(text, file) {
		t.Errorf("explain does not name %s:\n%s", file, text)
	}
	d.do(t, "kill", id)
	r := completeRecording(t, file)
	if callOf(r, "symlink").Count() != 1 || callOf(r, "readlink").Count() < 1 || callOf(r, "execve").Count() != 2 {
		t.Errorf("recording is %+v", counts(r))
	}
}

// recordJoined records a container of the other runtime, which runs already, for a while; its threads and children are in.
func recordJoined(t *testing.T, d *docker) {
	d.image(t, "busybox")
	plain := &docker{dockerd: d.dockerd, runtime: "bulkhead"}
	id := plain.container(t, "busybox", "sh", "-c", "while true; do sleep 0.05; done")
	file := filepath.Join(t.TempDir(), "joined.json")
	must(t, run(t, ctl(t, "seccomp", "record", "--name", "loop", "-o", file, "--duration", "3s", id)))
	r := readRecording(t, file)
	if !r.Joined || r.Phases[0].By != recording.ByJoin || r.Name != "loop" || r.Losses.Lost() || callOf(r, "execve").Count() < 5 || callOf(r, "nanosleep").Count()+callOf(r, "clock_nanosleep").Count() < 5 {
		t.Errorf("recording is %+v\n%v", r, counts(r))
	}
}

// recordNginx has the phases of a service: it binds before it serves, and accepts after.
func recordNginx(t *testing.T, d *docker) {
	d.image(t, "nginx")
	id := d.container(t, "-p", "127.0.0.1::80", "nginx")
	_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
	d.get(t, "http://127.0.0.1:"+port+"/")
	d.do(t, "exec", id, "nginx", "-s", "reload")
	d.get(t, "http://127.0.0.1:"+port+"/")
	d.do(t, "stop", "-t", "60", id)
	r := completeRecording(t, recordingFile(t, id))
	if len(r.Phases) != 2 || r.Phases[1].By != recording.ByListen || r.Losses.Lost() || !strings.HasPrefix(r.Libc, "glibc 2.") {
		t.Fatalf("recording is %+v", r)
	}
	if first := callOf(r, "bind").Seen[0].Phase; first != recording.Startup {
		t.Errorf("bind was made in %s first", first)
	}
	for name, want := range map[string][]string{
		"listen": {recording.Serving}, "accept4": {recording.Serving}, "execve": {recording.Startup, recording.Serving},
		"setuid": {recording.Serving}, "openat": {recording.Startup, recording.Serving},
	} {
		var got []string
		for _, s := range callOf(r, name).Seen {
			got = append(got, s.Phase)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s was made in %v, want %v", name, got, want)
		}
	}
}

// recordKilledEngine kills engine, container and recorder at once. The file is valid and says what it is.
func recordKilledEngine(t *testing.T, d *docker) {
	d.image(t, "busybox")
	id := d.container(t, "busybox", "sh", "-c", "mkdir /tmp/a; while true; do sleep 0.1; done")
	file := recordingFile(t, id)
	eventually(t, "the first calls in the file", func() error {
		r, err := recording.Read(file)
		if err == nil && callOf(r, "mkdir").Count() == 0 {
			err = errors.New("mkdir is not in it")
		}
		return err
	})
	for _, e := range recorderEntries(t, id) {
		p, err := os.FindProcess(e)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d.do(t, "kill", id)
	if r := readRecording(t, file); !r.Losses.CutShort || !r.Ended.IsZero() || callOf(r, "mkdir").Count() != 1 {
		t.Errorf("recording is %+v", r)
	}
}

// recorderEntries are the recorders of a container by the entries in the state directory.
func recorderEntries(t *testing.T, id string) []int {
	t.Helper()
	paths, err := filepath.Glob("/run/bulkhead/recorders/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var e struct {
			PID       int
			Container string
		}
		if err := json.Unmarshal(data, &e); err != nil {
			t.Fatal(err)
		}
		if e.Container == id {
			out = append(out, e.PID)
		}
	}
	if len(out) != 1 {
		t.Fatalf("recorders of %s are %v", id, fmt.Sprint(out))
	}
	return out
}
