package integration

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// ctl is the operator's tool, which is built beside the runtime.
func ctl(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no bulkheadctl to test, run `make build`: %v", err)
	}
	return exec.Command(path, args...)
}

func TestCtlExplainContainer(t *testing.T) {
	b := newBundle(t, "bulkhead")
	b.running(t)
	out := must(t, run(t, ctl(t, "explain", "--root", b.state, b.id[:len(b.id)-1])))
	for _, want := range []string{
		"container  " + b.id + " (running)", "profile    default", "verified   ",
		"\n  capabilities: process.capabilities", "CAP_MKNOD", "\n  seccomp: linux.seccomp\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	var rec struct {
		ID      string
		Changes []struct{ Rule, Why string }
		Spec    specs.Spec
	}
	if err := json.Unmarshal([]byte(must(t, run(t, ctl(t, "explain", "--json", "--root", b.state, b.id)))), &rec); err != nil {
		t.Fatal(err)
	}
	if rec.ID != b.id || len(rec.Changes) == 0 || rec.Spec.Linux == nil {
		t.Errorf("record is %+v", rec)
	}
	for _, c := range rec.Changes {
		if c.Rule == "" || c.Why == "" {
			t.Errorf("change without a rule or a reason: %+v", c)
		}
	}
	// Without --root it is found by its lease.
	if out := must(t, run(t, ctl(t, "explain", b.id))); !strings.Contains(out, b.id+" (running)") {
		t.Errorf("not found by its lease:\n%s", out)
	}
	if out := must(t, run(t, ctl(t, "stats", b.id))); !strings.Contains(out, "processes          1 of at most 4096") {
		t.Errorf("statistics are\n%s", out)
	}
	if out := must(t, run(t, ctl(t, "leases"))); !strings.Contains(out, b.id+" (in "+b.state+")") {
		t.Errorf("leases are\n%s", out)
	}
}

// hostBind asks for the host's root.
func hostBind(s *specs.Spec) {
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/host", Type: "bind", Source: "/", Options: []string{"rbind"}})
}

func TestCtlExplainRefused(t *testing.T) {
	b := newBundle(t, "bulkhead", hostBind)
	before := run(t, ctl(t, "explain", b.dir))
	equal(t, "exit status for a bundle", before.code, 2)
	refused(t, before, "outcome  would be refused", "mounts: mounts[6].source", "to do   ")
	if _, err := os.Lstat(b.state); err == nil {
		t.Error("explain of a bundle made state")
	}
	refused(t, run(t, ctl(t, "explain", b.id)), "no container of bulkhead has this ID, and no refusal of it is in the log")

	refused(t, b.create(t), "rule mounts")
	out := must(t, run(t, ctl(t, "explain", b.id)))
	for _, want := range []string{"refused  create of " + b.id, "bundle   " + b.dir, "mounts: mounts[6].source", "want    ", "to do   "} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	if out := must(t, run(t, ctl(t, "explain", "--refusals", "1000"))); !strings.Contains(out, b.id) {
		t.Errorf("want %q in\n%s", b.id, out)
	}
}

func TestCtlExplainBundle(t *testing.T) {
	b := newBundle(t, "bulkhead")
	out := must(t, run(t, ctl(t, "explain", "--profile", "compatible", b.dir)))
	for _, want := range []string{"outcome  would be created", "profile  compatible", "user-namespace: linux.uidMappings"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	if out := must(t, run(t, ctl(t, "leases"))); strings.Contains(out, filepath.Base(b.dir)+" ") {
		t.Errorf("a lease was made:\n%s", out)
	}
}

func TestCtlTry(t *testing.T) {
	requireRoot(t)
	for _, tt := range []struct {
		name   string
		args   []string
		code   int
		stdout string
	}{
		{"output", []string{"try", "--", "echo", "hello"}, 0, "hello\n"},
		{"exit status", []string{"try", "--", "sh", "-c", "exit 42"}, 42, ""},
		{"root is nobody", []string{"try", "sh", "-c", "read a b c </proc/self/uid_map; echo $a $((b > 65535)) $c; id -u"}, 0, "0 1 65536\n0\n"},
		{"no secrets", []string{"try", "--", "sh", "-c", "cat /etc/shadow 2>/dev/null || ls /etc/ssl/private 2>/dev/null || echo none"}, 0, "none\n"},
		{"the host's names", []string{"try", "--", "sh", "-c", "grep -c ^root: /etc/passwd"}, 0, "1\n"},
		{"read-only", []string{"try", "--", "sh", "-c", "for d in / /usr /etc; do touch $d/x 2>/dev/null && echo $d; done; echo done"}, 0, "done\n"},
		{"own tmp and home", []string{"try", "--", "sh", "-c", "ls -A /tmp /root /home; cd && touch /tmp/a a && pwd"}, 0, "/home:\n\n/root:\n\n/tmp:\n/root\n"},
		{"writable root", []string{"try", "--rw", "--", "sh", "-c", "touch /x && ls /x; touch /usr/x 2>/dev/null || echo no"}, 0, "/x\nno\n"},
		{"no network", []string{"try", "--", "sh", "-c", "ls /sys/class/net"}, 0, "lo\n"},
		{"compatible", []string{"try", "--profile", "compatible", "--", "sh", "-c", "grep NoNewPrivs /proc/self/status"}, 0, "NoNewPrivs:\t0\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, ctl(t, tt.args...))
			equal(t, "exit status", r.code, tt.code)
			equal(t, "stdout", r.stdout, tt.stdout)
			if t.Failed() {
				t.Log(r)
			}
		})
	}
	r := run(t, ctl(t, "try", "--network", "true"))
	refused(t, r, "takes an engine")
	refused(t, run(t, ctl(t, "try", "--profile", "restricted", "true")), "noexec")
	refused(t, run(t, ctl(t, "try", "--profile", "nothing", "true")), `load profile "nothing"`)
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "bulkhead-try-*")); len(left) > 0 {
		t.Errorf("bundles left behind: %v", left)
	}
}

func TestCtlTryDemonstration(t *testing.T) {
	requireRoot(t)
	out := must(t, run(t, ctl(t, "try")))
	if !strings.Contains(out, "as promised. Next:") || strings.Contains(out, "NOT AS PROMISED") {
		t.Errorf("demonstration says\n%s", out)
	}
}

// A signal to try reaches the command, and the bundle is removed all the same.
func TestCtlTrySignal(t *testing.T) {
	requireRoot(t)
	cmd := ctl(t, "try", "--", "sh", "-c", "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.1; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	lines := bufio.NewScanner(out)
	equal(t, "is ready", lines.Scan() && lines.Text() == "ready", true)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	equal(t, "caught the signal", lines.Scan() && lines.Text() == "caught", true)
	_ = cmd.Wait()
	equal(t, "exit status", cmd.ProcessState.ExitCode(), 9)
}

func TestCtlDoctor(t *testing.T) {
	requireRoot(t)
	r := run(t, ctl(t, "doctor", "--json"))
	var checks []struct {
		Name, State, Found string
		Needed             bool
	}
	if err := json.Unmarshal([]byte(r.stdout), &checks); err != nil {
		t.Fatal(err, r)
	}
	missing := 0
	for _, c := range checks {
		if c.Needed && c.State == "missing" {
			missing++
		}
	}
	equal(t, "exit status is 1", r.code == 1, missing > 0)
	if r := run(t, ctl(t, "doctor")); r.code == 0 && !strings.Contains(r.stdout, "\nContainers can start here.") {
		t.Errorf("doctor says %s", r)
	}
}
