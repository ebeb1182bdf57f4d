package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// atOnce calls f with 0..n-1, width calls at a time.
func atOnce(n, width int, f func(int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range width {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// siblings are n containers to be of one bundle: they share a read-only root, as containers of one image share layers.
func siblings(t *testing.T, n int) []*bundle {
	t.Helper()
	first := newBundle(t, "bulkhead")
	list := make([]*bundle, n)
	for i := range list {
		b := &bundle{dir: t.TempDir(), id: fmt.Sprintf("%s-%d", first.id, i), program: first.program}
		b.state = first.state
		spec := engineSpec(rawCgroup() + "/" + b.id)
		spec.Root = &specs.Root{Path: first.dir + "/rootfs", Readonly: true}
		b.writeSpec(t, spec)
		t.Cleanup(func() { _ = b.try(t, "delete", "--force", b.id) })
		list[i] = b
	}
	return list
}

// TestParallelCreate has hundreds of containers at once: each has a range of its own, as the kernel says, and nothing is
// left when they are gone.
func TestParallelCreate(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	const count, width = 200, 16
	list := siblings(t, count)
	atOnce(count, width, func(i int) {
		if r := list[i].create(t); r.code != 0 {
			t.Errorf("create: %s", r)
		}
	})
	if t.Failed() {
		return
	}
	holders := map[int64]string{}
	for _, b := range list {
		base, size, err := onlyMapping(procFile(t, b.pid(t), "uid_map"))
		if err != nil || size != 65536 {
			t.Fatalf("uid_map of %s: %d+%d: %v", b.id, base, size, err)
		}
		// Ranges of one size that begin at multiples of it from a common start overlap only when they are equal.
		for other, id := range holders {
			if base < other+size && other < base+size {
				t.Errorf("%s and %s share IDs: %d and %d", b.id, id, base, other)
			}
		}
		holders[base] = b.id
		equal(t, "gid_map of "+b.id, procFile(t, b.pid(t), "gid_map"), procFile(t, b.pid(t), "uid_map"))
	}
	equal(t, "ranges", len(holders), count)
	atOnce(count, width, func(i int) {
		if r := list[i].try(t, "delete", "--force", list[i].id); r.code != 0 {
			t.Errorf("delete: %s", r)
		}
	})
	equal(t, "state left behind", strings.Join(dirNames(t, list[0].state), " "), "")
	for _, b := range list {
		equal(t, "cgroups of "+b.id, len(cgroupDirs(rawCgroup()+"/"+b.id)), 0)
		w := &watch{b: b}
		equal(t, "leases", strings.Join(w.leases(t), " "), "")
	}
}

// TestParallelSameID has many creates of one ID: one wins, and the others do it no harm.
func TestParallelSameID(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for range 5 {
		b := newBundle(t, "bulkhead")
		var mu sync.Mutex
		won := 0
		atOnce(16, 16, func(i int) {
			copied := *b
			cmd := copied.command("create", "--bundle", b.dir, "--pid-file", fmt.Sprintf("%s/pid-%d", b.dir, i), b.id)
			err := cmd.Run()
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			}
		})
		equal(t, "creates that succeeded", won, 1)
		equal(t, "status", b.status(t), "created")
		b.do(t, "start", b.id)
		equal(t, "exec", b.do(t, "exec", b.id, "echo", "fine"), "fine")
	}
}

// TestParallelDelete has create race with delete --force and exec race with delete. Whoever wins, nothing is left.
func TestParallelDelete(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	for name, race := range map[string]func(*bundle) []string{
		"create": createArgs,
		"exec":   func(b *bundle) []string { return []string{"exec", b.id, "true"} },
		"start":  func(b *bundle) []string { return []string{"start", b.id} },
		"update": func(b *bundle) []string { return []string{"update", "--pids-limit", "9", b.id} },
		"delete": func(b *bundle) []string { return []string{"delete", "--force", b.id} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBundle(t, "bulkhead")
			b.onOverlay(t)
			w := newWatch(t, b)
			for range 15 {
				if name != "create" {
					must(t, b.create(t))
				}
				if name == "exec" || name == "update" {
					b.do(t, "start", b.id)
				}
				racer, deleter := w.command(t, race(b)...), w.command(t, "delete", "--force", b.id)
				atOnce(2, 2, func(i int) { _ = []*exec.Cmd{racer, deleter}[i].Run() })
				b.do(t, "delete", "--force", b.id)
				w.gone(t, "a race of "+name+" with delete")
			}
		})
	}
}

// TestExhaustedPool has a pool for two containers: the third is refused with what to do, and gets in when one has gone.
func TestExhaustedPool(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox", "unshare")
	list := siblings(t, 3)
	dir := t.TempDir()
	// Far from the ranges of everybody else on this host.
	if err := os.WriteFile(dir+"/sub", []byte("bulkhead:3900000000:131072\n"), 0o644); err != nil { //nolint:gosec // as /etc/subuid is
		t.Fatal(err)
	}
	create := func(b *bundle) result {
		cmd := exec.Command("unshare", append([]string{"-m", "sh", "-euc", `for f in subuid subgid; do [ -e /etc/$f ] || : >/etc/$f; mount --bind "$0" /etc/$f; done; exec "$@"`, dir + "/sub"},
			b.command(createArgs(b)...).Args...)...)
		stdout, stderr := b.outputFile(t, "stdout"), b.outputFile(t, "stderr")
		defer stdout.Close()
		defer stderr.Close()
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = stdout, stderr, &syscall.SysProcAttr{}
		_ = cmd.Run()
		return result{args: cmd.Args, stderr: b.output(t, "stderr"), code: cmd.ProcessState.ExitCode()}
	}
	must(t, create(list[0]))
	must(t, create(list[1]))
	r := create(list[2])
	refused(t, r, fmt.Sprintf("lease 65536 IDs for %s: pool 3900000000+131072 is used up by 2 containers; widen /etc/subuid and /etc/subgid for %s",
		`\"`+list[2].id+`\"`, `\"bulkhead\"`))
	list[0].do(t, "delete", "--force", list[0].id)
	must(t, create(list[2]))
	for _, b := range list {
		b.do(t, "delete", "--force", b.id)
		equal(t, "leases", strings.Join((&watch{b: b}).leases(t), " "), "")
	}
}
