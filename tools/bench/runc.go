package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const runcModule = "github.com/opencontainers/runc"

// buildRunc builds the runc of go.mod's own version, as its releases are built: static and with seccomp. The program
// stays in the cache, named after its version.
func buildRunc(cache string) (program, version string, err error) {
	list := exec.Command("go", "list", "-m", "-f", "{{.Version}}", runcModule)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return "", "", fmt.Errorf("find the version of %s in go.mod: %w", runcModule, err)
	}
	version = strings.TrimSpace(string(out))
	if cache == "" {
		if cache, err = os.UserCacheDir(); err != nil {
			return "", "", err
		}
		cache = filepath.Join(cache, "bulkhead-bench")
	}
	dir, err := filepath.Abs(filepath.Join(cache, "runc-"+version))
	if err != nil {
		return "", "", err
	}
	program = filepath.Join(dir, "runc")
	if _, err := os.Stat(program); err == nil {
		return program, strings.TrimPrefix(version, "v"), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", "", err
	}
	fmt.Fprintf(os.Stderr, "building runc %s, once\n", version)
	// With a version, go install takes the module's own go.mod: runc with the dependencies that it was released with.
	cmd := exec.Command("go", "install", "-trimpath", "-tags", "seccomp netgo osusergo urfave_cli_no_docs",
		"-ldflags", "-s -w -extldflags -static", runcModule+"@"+version)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOBIN="+dir, "GOFLAGS=")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", "", fmt.Errorf("build runc %s: %w", version, err)
	}
	return program, strings.TrimPrefix(version, "v"), nil
}
