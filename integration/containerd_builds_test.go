package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A containerdLine is a release line of containerd.
type containerdLine struct {
	// name stands in the names of the subtests: "1.6".
	name string
	// module and version are what to build it from. Empty: the one that is installed.
	module, version string
	// matrix marks a line that only the whole matrix tests.
	matrix bool
}

// containerdLines are those that this run tests: the installed one, and the newest of each line from their modules.
func containerdLines(t testing.TB) []containerdLine {
	t.Helper()
	lines := []containerdLine{
		{name: installedContainerd(t)},
		{name: "1.7", module: "github.com/containerd/containerd", version: "v1.7.35", matrix: true},
		{name: "2.4", module: "github.com/containerd/containerd/v2", version: "v2.4.2"},
	}
	var chosen []containerdLine
	for i, l := range lines {
		if i > 0 && (l.name == lines[0].name || os.Getenv("BULKHEAD_GUEST") != "") || l.matrix && os.Getenv("BULKHEAD_TEST_MATRIX") == "" {
			continue
		}
		chosen = append(chosen, l)
	}
	return chosen
}

// installedContainerd is the release line of the installed containerd.
func installedContainerd(t testing.TB) string {
	t.Helper()
	requireProgram(t, "containerd", "ctr")
	text := must(t, run(t, exec.Command("containerd", "--version")))
	found := regexp.MustCompile(`\bv?([0-9]+\.[0-9]+)\.[0-9]+`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("containerd --version names no version: %s", text)
	}
	return found[1]
}

// programs is the directory with the line's containerd, ctr and shim: empty for those that are installed. It is built once
// and kept for later runs.
func (l containerdLine) programs(t testing.TB) string {
	t.Helper()
	if l.module == "" {
		return ""
	}
	return cachedBuild(t, "containerd-"+l.version, func(dir string) error {
		source, err := moduleSource(l.module, l.version)
		if err != nil {
			return err
		}
		// In the module's own directory its own go.mod counts, with the exclusions that `go install` does not take.
		return goBuild(source, dir, "no_btrfs no_aufs no_devmapper no_zfs", "./cmd/containerd", "./cmd/containerd-shim-runc-v2", "./cmd/ctr")
	})
}

// moduleSource is the directory of a module in Go's cache.
func moduleSource(module, version string) (string, error) {
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir, cmd.Env = os.TempDir(), append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if decode := json.Unmarshal(out, &answer); decode != nil || err != nil || answer.Error != "" {
		return "", fmt.Errorf("download %s@%s: %w: %s", module, version, errors.Join(err, decode), answer.Error)
	}
	return answer.Dir, nil
}

// goBuild builds static programs of the module in source.
func goBuild(source, dir, tags string, packages ...string) error {
	args := []string{"build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags", tags, "-o", dir + "/"}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Dir, cmd.Env = source, append(os.Environ(), "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s of %s: %w\n%s", strings.Join(packages, " "), source, err, out)
	}
	return nil
}

// cachedBuild is a directory of the cache that make fills once. What is half made is thrown away.
func cachedBuild(t testing.TB, name string, make func(dir string) error) string {
	t.Helper()
	dir := filepath.Join(testCache(t), name)
	lock := lockFile(t, dir+".lock")
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	part, err := os.MkdirTemp(testCache(t), "build-") //nolint:usetesting // on the file system of the cache: the last step is a rename
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(part) }()
	if err := make(part); err != nil {
		t.Fatalf("make %s: %v", name, err)
	}
	if err := errors.Join(os.Chmod(part, 0o755), os.Rename(part, dir)); err != nil { //nolint:gosec // programs for everybody
		t.Fatal(err)
	}
	return dir
}

// kubernetesProgram is a program of the module in integration/kubernetes.
func kubernetesProgram(t testing.TB, name string) string {
	t.Helper()
	if program := guestProgram(name); program != "" {
		return program
	}
	sum := sha256.New()
	files, _ := filepath.Glob("kubernetes/" + name + "/*.go")
	for _, f := range append(files, "kubernetes/go.mod", "kubernetes/go.sum") {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(data)
	}
	dir := cachedBuild(t, "kubernetes-"+name+"-"+hex.EncodeToString(sum.Sum(nil)[:6]), func(dir string) error {
		return goBuild("kubernetes", dir, "", "./"+name)
	})
	return filepath.Join(dir, name)
}
