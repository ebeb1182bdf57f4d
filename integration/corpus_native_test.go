package integration

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// nativePrograms builds the services of testdata/corpus that are linked statically, with the tools of this host: one in Go,
// and one in Rust where there is a compiler.
func nativePrograms(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	source, err := os.ReadFile("testdata/corpus/server.go.txt")
	if err == nil {
		err = os.WriteFile(dir+"/main.go", source, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/go-server", dir+"/main.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	must(t, run(t, build))
	programs := []string{dir + "/go-server"}
	if noRust() == "" {
		must(t, run(t, exec.Command("rustc", "--edition", "2021", "-O", "-C", "target-feature=+crt-static", "-o", dir+"/rust-server", "testdata/corpus/server.rs")))
		programs = append(programs, dir+"/rust-server")
	}
	return programs
}

func noRust() string {
	out, err := exec.Command("rustc", "--version").CombinedOutput()
	if err != nil {
		return "no Rust compiler on the host: " + strings.TrimSpace(err.Error()+" "+string(out))
	}
	return ""
}
