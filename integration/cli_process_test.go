package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var processCases = []cliCase{
	{"run/status-and-output", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "echo out; echo err >&2; exit 42"))
		r := b.try(t, "run", "--bundle", b.dir, b.id)
		equal(t, "exit status", r.code, 42)
		equal(t, "stdout", r.stdout, "out\n")
		equal(t, "stderr", r.stderr, "err\n")
		refused(t, b.try(t, "state", b.id), "does not exist")
	}},
	{"run/keep", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("true"))
		b.do(t, "run", "--keep", "--bundle", b.dir, b.id)
		equal(t, "status", b.status(t), "stopped")
		b.do(t, "delete", b.id)
	}},
	{"run/stdin", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("wc", "-c"))
		cmd := b.command("run", "--bundle", b.dir, b.id)
		cmd.Stdin = strings.NewReader(strings.Repeat("x", 100000))
		equal(t, "bytes read", must(t, run(t, cmd)), "100000")
	}},
	{"run/signals", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "for s in ALRM PWR 40; do trap \"echo $s\" $s; done; trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"))
		cmd := b.command("run", "--bundle", b.dir, b.id)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		late := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() }) // a signal that is lost is answered by nothing
		defer late.Stop()
		lines := bufio.NewScanner(out)
		for _, s := range []struct {
			signal syscall.Signal
			before string
		}{{syscall.SIGALRM, "up"}, {syscall.SIGPWR, "ALRM"}, {syscall.Signal(40), "PWR"}, {syscall.SIGTERM, "40"}} {
			if !lines.Scan() || lines.Text() != s.before {
				t.Fatalf("before signal %d the program says %q, want %q", s.signal, lines.Text(), s.before)
			}
			if err := cmd.Process.Signal(s.signal); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		equal(t, "exit status", cmd.ProcessState.ExitCode(), 7)
	}},
	{"run/no-such-program", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("nothing-of-the-kind"))
		r := b.try(t, "run", "--bundle", b.dir, b.id)
		refused(t, r, "nothing-of-the-kind", "executable file not found")
		refused(t, b.try(t, "state", b.id), "does not exist")
	}},
	{"run/hardened", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		checkHardened(t, b.running(t))
	}},
	{"exec/command-line", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		b.running(t)
		r := b.try(t, "exec", "--cwd", "/data", "--env", "A=b", "--user", "1000:2000", b.id, "sh", "-c", "echo $PWD $A $(id -u):$(id -g); exit 3")
		equal(t, "output", r.stdout, "/data b 1000:2000\n")
		equal(t, "exit status", r.code, 3)
		equal(t, "exit status of no program", b.try(t, "exec", b.id, "nothing-of-the-kind").code, 255)
	}},
	{"exec/process-file", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		b.running(t)
		process := specs.Process{Args: []string{"sh", "-c", "echo $A; cat /proc/self/cgroup"}, Env: []string{"PATH=/bin", "A=b"}, Cwd: "/"}
		data, err := json.Marshal(process)
		if err == nil {
			err = os.WriteFile(b.dir+"/process.json", data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := b.withFiles(t, "exec", "--process", b.dir+"/process.json", "--detach", "--pid-file", b.dir+"/exec-pid", b.id)
		equal(t, "exit status", r.code, 0)
		eventually(t, "output", func() error {
			if got := b.output(t, "stdout"); !strings.HasPrefix(got, "b\n") {
				return fmt.Errorf("is %q", got)
			}
			return nil
		})
		pid := b.output(t, "exec-pid")
		if strings.Trim(pid, "0123456789") != "" || pid == "" {
			t.Errorf("pid file has %q, want digits only", pid)
		}
		equal(t, "exit status in the foreground", b.try(t, "exec", "--process", b.dir+"/process.json", b.id).code, 0)
	}},
	{"exec/confined", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		b.running(t)
		process := specs.Process{Args: []string{"cat", "/proc/self/status"}, Env: []string{"PATH=/bin"}, Cwd: "/"}
		all := []string{"CAP_SYS_ADMIN", "CAP_NET_RAW", "CAP_CHOWN"}
		process.Capabilities = &specs.LinuxCapabilities{Bounding: all, Effective: all, Permitted: all, Inheritable: all, Ambient: all}
		data, err := json.Marshal(process)
		if err == nil {
			err = os.WriteFile(b.dir+"/process.json", data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		checkConfined(t, "exec --process", parseStatus(b.do(t, "exec", "--process", b.dir+"/process.json", b.id)))
		checkConfined(t, "exec --cap", parseStatus(b.do(t, "exec", "--cap", "CAP_SYS_ADMIN", b.id, "cat", "/proc/self/status")))
	}},
	{"update/resources", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		cmd := b.command("update", "--resources", "-", b.id)
		cmd.Stdin = strings.NewReader(`{"memory":{"limit":67108864},"pids":{"limit":77}}`)
		must(t, run(t, cmd))
		equal(t, "memory", cgroupValue(t, pid, "memory", memoryLimitFile()), "67108864")
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "77")
		b.do(t, "update", "--pids-limit", "66", b.id)
		equal(t, "pids", cgroupValue(t, pid, "pids", "pids.max"), "66")
		equal(t, "memory after an update of pids", cgroupValue(t, pid, "memory", memoryLimitFile()), "67108864")
	}},
	// runtime-spec before 1.3 had no "absent" for it: engines write 0 for a limit that nobody asked for.
	{"update/pids-0", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, func(s *specs.Spec) { s.Linux.Resources.Pids = &specs.LinuxPids{Limit: new(int64)} })
		pid := b.running(t)
		equal(t, "pids of 0 at create", cgroupValue(t, pid, "pids", "pids.max"), "4096")
		b.do(t, "update", "--pids-limit", "66", b.id)
		for _, r := range []string{`{"pids":{"limit":0},"memory":{"limit":67108864}}`, `{"pids":{}}`} {
			cmd := b.command("update", "--resources", "-", b.id)
			cmd.Stdin = strings.NewReader(r)
			must(t, run(t, cmd))
			equal(t, "pids after "+r, cgroupValue(t, pid, "pids", "pids.max"), "66")
		}
		b.do(t, "update", "--pids-limit", "0", b.id)
		equal(t, "pids after --pids-limit 0", cgroupValue(t, pid, "pids", "pids.max"), "66")
		b.do(t, "update", "--pids-limit", "-1", b.id)
		equal(t, "pids after --pids-limit -1", cgroupValue(t, pid, "pids", "pids.max"), "32768")
	}},
	{"update/cannot-widen", true, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		for _, r := range []string{`{"memory":{"limit":-1}}`, `{"pids":{"limit":-1}}`, `{"cpu":{"quota":-1}}`, `{"unified":{"pids.max":"max"}}`} {
			cmd := b.command("update", "--resources", "-", b.id)
			cmd.Stdin = strings.NewReader(r)
			_ = run(t, cmd)
			checkBounded(t, pid)
		}
	}},
}
