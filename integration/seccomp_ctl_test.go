package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/compile"
)

// ctlStatus runs the operator's tool and gives what it prints and its exit status.
func ctlStatus(t *testing.T, stdin string, args ...string) (string, int) {
	t.Helper()
	cmd := ctl(t, append([]string{"seccomp"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Run returns it unwrapped
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

// The statuses that scripts build on, with an engine's profile on standard input.
func TestCtlSeccompStatus(t *testing.T) {
	engine, err := os.ReadFile("../seccomp/testdata/docker-29-run.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"check default restricted compatible", 0, "default: no error, no warning; the filter is proven for every input"},
		{"check --arch arm64 default restricted compatible", 0, "restricted: no error, no warning"},
		{"check --arch amd64 -", 1, "socket is denied with argument 0 = 0x26 but permitted with 0x100000026"},
		{"diff default -", 0, "default allows nothing that - does not"},
		{"diff - default", 1, "process_vm_writev ptrace"},
		{"diff restricted default", 0, "restricted allows nothing that default does not"},
		{"test default read", 0, "SCMP_ACT_ALLOW"},
		{"test default ioctl 0 TIOCSTI", 1, "SCMP_ACT_ERRNO(1)"},
		{"test default clone3", 1, "SCMP_ACT_ERRNO(38)"},
		{"test default nothing", 2, `read system call "nothing"`},
		{"stat --no-such-flag default", 2, "flag provided but not defined"},
		{"stat -", 0, "tree, all 3 architectures"},
		{"show --arch vax default", 2, `read --arch: got "vax", want amd64 or arm64`},
		{"merge - -", 2, "standard input is given twice"},
	} {
		if got, status := ctlStatus(t, string(engine), strings.Fields(c.args)...); status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("seccomp %s: status %d, want %d and %q in\n%s", c.args, status, c.status, c.want, got)
		}
	}
}

// What the tool prints as the intersection is what the kernel enforces: the filter of a running container, read back, is proven
// to be that profile for every input.
func TestCtlSeccompIntersectIsEnforced(t *testing.T) {
	const engine = "../seccomp/testdata/docker-29-run.json"
	text, err := os.ReadFile(engine)
	if err != nil {
		t.Fatal(err)
	}
	given := new(specs.LinuxSeccomp)
	if err := json.Unmarshal(text, given); err != nil {
		t.Fatal(err)
	}
	printed, status := ctlStatus(t, "", "intersect", engine, "default")
	if status != 0 {
		t.Fatal(printed)
	}
	oci := new(specs.LinuxSeccomp)
	if err := json.Unmarshal([]byte(printed), oci); err != nil {
		t.Fatal(err)
	}
	want, err := seccomp.FromOCI(oci, runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	b := newBundle(t, "bulkhead", func(s *specs.Spec) { s.Linux.Seccomp = given })
	pid := b.running(t)
	program, err := loadedProgram(pid)
	if err != nil {
		if notGiven(t, pid, err) {
			t.Skipf("this kernel does not give filters: %v", err)
		}
		t.Fatal(err)
	}
	if err := compile.VerifyProgram(want, program); err != nil {
		t.Error(err)
	}
}
