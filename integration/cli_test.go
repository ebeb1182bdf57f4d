package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A cliCase drives a runtime's command line as engines do. hardened as in [scenario].
type cliCase struct {
	name     string
	hardened bool
	run      func(t *testing.T, runtime string)
}

// TestCLI runs every case under every runtime that it is meant for.
func TestCLI(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for _, runtime := range runtimes() {
		t.Run(runtime, func(t *testing.T) {
			for _, c := range slices.Concat(lifecycleCases, processCases, protocolCases) {
				if c.hardened && runtime != "bulkhead" {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, runtime)
				})
			}
		})
	}
}

var lifecycleCases = []cliCase{
	{"life-of-a-container", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "echo started; exec sleep 1000"))
		must(t, b.create(t))
		equal(t, "status after create", b.status(t), "created")
		equal(t, "output after create", b.output(t, "stdout"), "")
		b.do(t, "start", b.id)
		equal(t, "status after start", b.status(t), "running")
		eventually(t, "output", func() error {
			if got := b.output(t, "stdout"); got != "started\n" {
				return fmt.Errorf("is %q", got)
			}
			return nil
		})
		refused(t, b.try(t, "delete", b.id))
		equal(t, "status after a refused delete", b.status(t), "running")
		b.do(t, "kill", b.id, "KILL")
		b.waitStatus(t, "stopped")
		b.do(t, "delete", b.id)
		refused(t, b.try(t, "state", b.id), "does not exist")
		b.do(t, "delete", "--force", b.id)
	}},
	{"create/leaves-nothing-after-delete", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		cgroups := cgroupDirs(rawCgroup() + "/" + b.id)
		equal(t, "has cgroups", len(cgroups) > 0, true)
		b.do(t, "delete", "--force", b.id)
		equal(t, "cgroups", len(cgroupDirs(rawCgroup()+"/"+b.id)), 0)
		equal(t, "mounts", strings.Join(mountsBelow(b.dir), " "), "")
		entries, err := os.ReadDir(b.state)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(e.Name(), b.id) {
				t.Errorf("state left behind: %s", e.Name())
			}
		}
		if err := syscall.Kill(pid, 0); err == nil && processState(fmt.Sprint(pid)) != "Z" {
			t.Errorf("process %d left behind", pid)
		}
	}},
	{"create/same-id-twice", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		must(t, b.create(t))
		r := b.create(t)
		refused(t, r)
		equal(t, "status", b.status(t), "created")
	}},
	{"create/bad-bundle", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		if err := os.WriteFile(b.dir+"/config.json", []byte("{not json"), 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, b.create(t))
		refused(t, b.try(t, "state", b.id), "does not exist")
	}},
	{"create/newer-oci-version-and-unknown-property", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, func(s *specs.Spec) { s.Version = "1.9.0" })
		data := b.output(t, "config.json")
		if err := os.WriteFile(b.dir+"/config.json", []byte(strings.Replace(data, "{", `{"notYetInvented":{"a":1},`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		b.running(t)
	}},
	{"pause-and-resume", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		b.running(t)
		b.do(t, "pause", b.id)
		equal(t, "status", b.status(t), "paused")
		b.do(t, "resume", b.id)
		equal(t, "status", b.status(t), "running")
	}},
	{"list-and-ps", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime)
		pid := b.running(t)
		equal(t, "list -q", b.do(t, "list", "-q"), b.id)
		var list []struct {
			ID, Status, Bundle string
			Pid                int
		}
		if err := json.Unmarshal([]byte(b.do(t, "list", "--format=json")), &list); err != nil || len(list) != 1 {
			t.Fatalf("list has %d entries: %v", len(list), err)
		}
		equal(t, "entry", fmt.Sprint(list[0]), fmt.Sprint(struct {
			ID, Status, Bundle string
			Pid                int
		}{b.id, "running", b.dir, pid}))
		equal(t, "ps", b.do(t, "ps", "--format", "json", b.id), fmt.Sprintf("[%d]", pid))
	}},
	{"kill/by-number-and-name", false, func(t *testing.T, runtime string) {
		b := newBundle(t, runtime, args("sh", "-c", "trap 'echo one' USR1; trap 'echo two; exit' USR2; echo ready; while :; do sleep 0.1; done"))
		b.running(t)
		for _, step := range []struct{ signal, want string }{{"", "ready\n"}, {"10", "ready\none\n"}, {"SIGUSR2", "ready\none\ntwo\n"}} {
			if step.signal != "" {
				b.do(t, "kill", b.id, step.signal)
			}
			eventually(t, "output", func() error {
				if got := b.output(t, "stdout"); got != step.want {
					return fmt.Errorf("is %q, want %q", got, step.want)
				}
				return nil
			})
		}
		b.waitStatus(t, "stopped")
		refused(t, b.try(t, "kill", b.id, "KILL"), "not running")
	}},
}
