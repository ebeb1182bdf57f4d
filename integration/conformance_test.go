package integration

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestConformance runs the test suite of the runc that go.mod names against bulkhead: the suite of that very version, out
// of the module cache, with nothing of it kept here. testdata/conformance.txt lists the cases that fail, each with its
// reason. A case that fails and is not in the list is a failure, and so is one that is in it and passes.
func TestConformance(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "bats", "gawk", "jq", "tini", "unshare", "busybox")
	s := newSuite(t)
	// The suite names it and does not always remove it. A frozen process (cgroup v1) cannot end.
	t.Cleanup(func() {
		const place = "/runc-cgroups-integration-test"
		for _, dir := range cgroupDirs(place) {
			frozen, _ := filepath.Glob(filepath.Join(dir, "*", "freezer.state"))
			for _, state := range frozen {
				_ = os.WriteFile(state, []byte("THAWED"), 0)
			}
		}
		if err := removeCgroup(place); err != nil {
			t.Error(err)
		}
	})
	listed := conformanceList(t)
	files, err := filepath.Glob(filepath.Join(s.dir, "*.bats"))
	if err != nil || len(files) == 0 {
		t.Fatalf("find the suite's files: %d files, %v", len(files), err)
	}
	for _, path := range files {
		file := filepath.Base(path)
		t.Run(strings.TrimSuffix(file, ".bats"), func(t *testing.T) {
			cases := s.run(t, file)
			if surprising(cases, listed[file]) {
				// The suite starts its console program in the background and does not wait for it, so on a busy machine a case
				// can come too early. What fails twice is ours.
				cases = s.run(t, file)
			}
			for _, c := range cases {
				t.Run(strings.ReplaceAll(c.name, "/", "|"), func(t *testing.T) { c.judge(t, listed.take(file, c.name)) })
			}
			for _, name := range listed.left(file) {
				t.Errorf("the list has a case that the suite has not: %q", name)
			}
		})
	}
	for file := range listed {
		if _, err := os.Stat(filepath.Join(s.dir, file)); err != nil {
			t.Errorf("the list has a file that the suite has not: %s", file)
		}
	}
}

// surprising tells whether a case fails that is not listed.
func surprising(cases []batsCase, listed map[string]*deviation) bool {
	return slices.ContainsFunc(cases, func(c batsCase) bool { return !c.passed && listed[c.name] == nil })
}

// judge holds a case to the list.
func (c batsCase) judge(t *testing.T, expected *deviation) {
	switch {
	case c.skipped != "":
		if expected != nil {
			t.Errorf("is listed as failing, and the suite skips it: %s", c.skipped)
		}
		t.Skip(c.skipped)
	case c.passed && expected != nil:
		t.Errorf("passes, and is listed as failing because of %s: %s", expected.kind, expected.why)
	case !c.passed && expected == nil:
		t.Errorf("fails, and is not listed:\n%s", c.output)
	case !c.passed:
		t.Logf("fails as listed, %s: %s", expected.kind, expected.why)
	}
}

// A suite is a copy of runc's suite that can be run.
type suite struct{ top, dir, runtime string }

// newSuite lays the suite out in a temporary folder: the module cache is read-only and has no execution bits.
func newSuite(t *testing.T) *suite {
	t.Helper()
	top := t.TempDir()
	// Containers' users walk through these folders.
	for dir := top; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // as the comment says
			t.Fatal(err)
		}
	}
	module := runcModule(t)
	for _, part := range []string{"tests", "go.mod"} {
		must(t, run(t, exec.Command("cp", "-r", filepath.Join(module.Dir, part), top)))
	}
	must(t, run(t, exec.Command("chmod", "-R", "u+rwX", filepath.Join(top, "tests"))))
	s := &suite{top: top, dir: filepath.Join(top, "tests", "integration"), runtime: filepath.Join(top, "bin", "runc")}
	scripts, _ := filepath.Glob(filepath.Join(top, "tests", "*", "*", "*.sh"))
	more, _ := filepath.Glob(filepath.Join(top, "tests", "*", "*.sh"))
	for _, script := range append(scripts, more...) {
		if err := os.Chmod(script, 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	must(t, run(t, exec.Command("install", "-D", bulkheadBin(t), s.runtime)))
	build := exec.Command("go", "install", "-tags", "seccomp", module.Path+"/tests/cmd/...@"+module.Version)
	build.Env = append(os.Environ(), "GOBIN="+filepath.Join(top, "tests", "cmd", "_bin"), "GOFLAGS=", "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the suite's programs: %v: %s", err, out)
	}
	// The suite looks for its images under these names, and tar for their format.
	for image, name := range map[string]string{"suite-busybox": "busybox-amd64.tar.xz", "suite-debian": "debian-amd64.tar.xz"} {
		if err := os.Symlink(imageTar(t, image), filepath.Join(s.dir, "testdata", name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

type goModule struct{ Path, Version, Dir string }

// runcModule is the runc that go.mod names.
func runcModule(t *testing.T) goModule {
	t.Helper()
	const path = "github.com/opencontainers/runc"
	out := must(t, run(t, exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", path)))
	version, dir, ok := strings.Cut(strings.TrimSpace(out), " ")
	if !ok || dir == "" {
		t.Fatalf("find %s in the module cache: %q", path, out)
	}
	return goModule{path, version, dir}
}

// suiteTimeout is far above what a file of the suite takes.
const suiteTimeout = 10 * time.Minute

// run runs one file of the suite: in mount and PID namespaces of its own, so that nothing of it outlives it, with a
// terminal and with a process that adopts and reaps what the runtime leaves to its caller.
func (s *suite) run(t *testing.T, file string) []batsCase {
	t.Helper()
	master, slave := openTerminal(t, 24, 500)
	defer master.Close()
	// The helper programs that a failed case leaves behind hold the terminal: PID 1 of the namespace ends them all.
	// Leases name processes by their IDs, so those of this PID namespace are kept apart from the host's.
	cmd := exec.Command("unshare", "--mount", "--propagation", "slave", "--pid", "--fork", "--kill-child", "--mount-proc", //nolint:gosec // programs of this test
		"sh", "-c", `mkdir -p /run/bulkhead && mount -t tmpfs -o mode=711 leases /run/bulkhead && exec tini -g -- bats --tap --timing "$1"`,
		"sh", filepath.Join("tests", "integration", file))
	cmd.Dir = s.top
	cmd.Env = append(os.Environ(), "RUNC="+s.runtime, "PATH="+filepath.Dir(s.runtime)+":"+os.Getenv("PATH"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	kill := time.AfterFunc(suiteTimeout, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var out bytes.Buffer
	for buf := make([]byte, 1<<16); ; {
		n, err := master.Read(buf)
		out.Write(buf[:n])
		if err != nil { // EIO: nobody has the terminal any more
			break
		}
		if tapEnded(out.Bytes()) {
			kill.Reset(10 * time.Second)
		}
	}
	err := cmd.Wait()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatalf("run %s: %v", file, err)
	}
	cases := parseTAP(strings.ReplaceAll(out.String(), "\r\n", "\n"))
	if !tapEnded(out.Bytes()) {
		t.Fatalf("run %s: %v, the suite ended before its last case: %s", file, err, out.String())
	}
	return cases
}
