package integration

import (
	"os"
	"testing"
)

// TestAttackDescriptors hands a container an open directory or disk of the host's, which no rule about mounts and devices has
// seen. A process walks from an open directory to every file of its file system (openat(2)).
func TestAttackDescriptors(t *testing.T) {
	requireRoot(t)
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	const want = "a directory, want a file, pipe, socket or terminal"
	t.Run("stdin-of-create", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		cmd := b.command("create", "--bundle", b.dir, b.id)
		cmd.Stdin = dir
		refused(t, run(t, cmd), want)
	})
	t.Run("preserved-by-create", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		cmd := b.command("run", "--preserve-fds", "1", "--bundle", b.dir, b.id)
		cmd.ExtraFiles = []*os.File{dir}
		refused(t, run(t, cmd), want)
	})
	t.Run("preserved-by-exec", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		b.running(t)
		cmd := b.command("exec", "--preserve-fds", "1", b.id, "ls", "/proc/self/fd/3/")
		cmd.ExtraFiles = []*os.File{dir}
		refused(t, run(t, cmd), want)
	})
	t.Run("stdin-of-exec", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		b.running(t)
		cmd := b.command("exec", "--detach", b.id, "true")
		cmd.Stdin = dir
		refused(t, run(t, cmd), want)
	})
}
