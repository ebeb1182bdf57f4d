package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestAttackMagicLinks asks for the host's files by links of /proc, which lead where no path does: into another process's root,
// to its working directory, and to what it, or the runtime itself, has open.
func TestAttackMagicLinks(t *testing.T) {
	requireRoot(t)
	other := exec.Command("sleep", "1000")
	other.Dir = "/root"
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	open, err := os.Open("/root")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	pid := strconv.Itoa(other.Process.Pid)
	for _, source := range []string{
		"/proc/1/root", "/proc/1/root/etc/shadow", "/proc/1/cwd", "/proc/1/ns/mnt", "/proc/" + pid + "/root", "/proc/" + pid + "/root/root",
		"/proc/" + pid + "/cwd", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), open.Fd()), "/proc/self/root", "/proc/self/root/root", "/proc/thread-self/root/etc/shadow",
		"/proc/self/fd/3", "/proc/self/fd", "/proc/self/fd/0", "/dev/fd/3", "/dev/stdin", "/proc/self/exe", "/proc/self/ns/user", "/proc/self/task",
	} {
		t.Run(source, func(t *testing.T) {
			b := newBundle(t, "bulkhead", func(s *specs.Spec) {
				s.Process.Args = []string{"ls", "/given"}
				s.Mounts = append(s.Mounts, specs.Mount{Destination: "/given", Type: "bind", Source: source, Options: []string{"rbind", "rw"}})
			})
			cmd := b.command("run", "--bundle", b.dir, b.id)
			cmd.ExtraFiles = []*os.File{open}
			refused(t, run(t, cmd), "(rule mounts)")
		})
	}
}
