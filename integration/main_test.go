package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// closers stop what the tests of this package share. They run last to first when all tests have ended.
var closers struct {
	sync.Mutex
	list []func() error
}

// atEnd has f run after the last test.
func atEnd(f func() error) {
	closers.Lock()
	defer closers.Unlock()
	closers.list = append(closers.list, f)
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range slices.Backward(closers.list) {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, "integration: clean up:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// requireRoot skips a test that starts containers for anybody but root.
func requireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("integration tests start engines and containers: run them as root")
	}
}

// requireProgram fails without one of the programs that `make deps` installs: a missing engine must not pass for a
// tested one.
func requireProgram(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		if name == "debootstrap" && os.Getenv("BULKHEAD_TEST_IMAGES") != "" {
			continue // a guest is given its images
		}
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing, run `make deps`: %v", name, err)
		}
	}
}

// bulkheadBin is the absolute path of the runtime under test. A test that needs it fails without it.
func bulkheadBin(t testing.TB) string {
	t.Helper()
	path := os.Getenv("BULKHEAD_BIN")
	if path == "" {
		path = filepath.Join("..", "bin", "bulkhead")
	}
	abs, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		t.Fatalf("no runtime to test, run `make build` or set BULKHEAD_BIN: %v", err)
	}
	return abs
}

// runtimes are the names of the runtimes that engine scenarios run under.
func runtimes() []string {
	if list := os.Getenv("BULKHEAD_TEST_RUNTIMES"); list != "" {
		return strings.Split(list, ",")
	}
	return []string{"bulkhead", "runc"}
}

// runtimePath is the program that a runtime name stands for.
func runtimePath(t testing.TB, name string) string {
	t.Helper()
	if name == "bulkhead" {
		return bulkheadBin(t)
	}
	requireProgram(t, name)
	path, _ := exec.LookPath(name)
	return path
}

// deadline bounds every wait. It is far above what anything takes: no test asserts a time. A guest's processor is emulated.
var deadline = func() time.Duration {
	if os.Getenv("BULKHEAD_GUEST") != "" {
		return 10 * time.Minute
	}
	return 2 * time.Minute
}()

// eventually polls until what holds. It fails the test with the last error after a generous time. It rests as long as an attempt
// took: attempts at once would keep an emulated processor from what they wait for.
func eventually(t testing.TB, what string, probe func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		begun := time.Now()
		if err = probe(); err == nil {
			return
		}
		time.Sleep(max(50*time.Millisecond, time.Since(begun)))
	}
	t.Fatalf("wait for %s: %v", what, err)
}
