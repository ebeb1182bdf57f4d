package userns

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	workerDir = "BULKHEAD_TEST_LEASES"
	slot      = 1000
	slots     = 24
)

var workerPool = []Range{{Start: 1950000000, Size: slot * slots}}

// Hundreds of processes lease and release at random, and a third of them is killed at any moment. Each claims the slots of
// its range with files that only one can create: a claim whose process lives is an overlap. In the end nothing is left.
func TestLeaseConcurrently(t *testing.T) {
	s := openTestStore(t)
	claims := filepath.Join(filepath.Dir(s.path), "claims")
	if err := os.Mkdir(claims, 0o700); err != nil {
		t.Fatal(err)
	}
	const processes, parallel = 240, 32
	var wait sync.WaitGroup
	tokens := make(chan struct{}, parallel)
	for i := range processes {
		tokens <- struct{}{}
		wait.Go(func() {
			runWorker(t, s.path, i%3 == 0)
			<-tokens
		})
	}
	wait.Wait()
	if _, err := s.Reclaim(nil); err != nil {
		t.Fatal(err)
	}
	if leases, err := s.List(); err != nil || len(leases) > 0 {
		t.Errorf("left: %v, %v", leases, err)
	}
	// A worker that was killed between a symlink and its lease leaves the symlink, which says nothing.
	for _, e := range dirEntries(t, s.path) {
		if e != lockName && e != holdersDir && e != newName {
			t.Errorf("left: %s", e)
		}
	}
}

func dirEntries(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func runWorker(t *testing.T, dir string, kill bool) {
	var out strings.Builder
	cmd := exec.Command(os.Args[0], "-test.run=^TestLeaseWorker$")
	cmd.Env = append(os.Environ(), workerDir+"="+dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	if kill {
		time.Sleep(time.Duration(10+rand.IntN(150)) * time.Millisecond)
		_ = cmd.Process.Kill()
	}
	// One that is killed on its way out may have said that it passed.
	if err := cmd.Wait(); err != nil && (!kill || strings.TrimPrefix(out.String(), "PASS\n") != "") {
		t.Errorf("worker: %v\n%s", err, out.String())
	}
}

// TestLeaseWorker is the other process of TestLeaseConcurrently.
func TestLeaseWorker(t *testing.T) {
	dir := os.Getenv(workerDir)
	if dir == "" {
		return
	}
	s, err := OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		h, err := Self("/run/test", fmt.Sprintf("c%d-%d", os.Getpid(), i))
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Lease(h, slot*uint32(1+rand.IntN(2)), workerPool)
		var full *ExhaustedError
		if errors.As(err, &full) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		claim(t, dir, h, r)
		if rand.IntN(4) == 0 {
			h.ID += "-joined"
			if err := s.Join(h, r); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
		unclaim(t, dir, r)
		id := strings.TrimSuffix(h.ID, "-joined")
		if err := errors.Join(s.Release(h.Root, id), s.Release(h.Root, id+"-joined")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func claimName(dir string, i uint64) string {
	return filepath.Join(filepath.Dir(dir), "claims", fmt.Sprint(i))
}

// claim makes a file for each slot by link(2), which fails when there is one. One of a dead process is removed.
func claim(t *testing.T, dir string, h Holder, r Range) {
	mine := claimName(dir, uint64(h.PID))
	data, err := json.Marshal(h)
	if err == nil {
		err = os.WriteFile(mine, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(r.Start); i < r.End(); i += slot {
		name := claimName(dir, i)
		if os.Link(mine, name) == nil {
			continue
		}
		var old Holder
		data, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(data, &old)
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, dead, err := processStart(old.PID); err == nil && !dead && start == old.StartTime {
			t.Fatalf("%s of %q overlaps the range of %q", r, h.ID, old.ID)
		}
		if err := errors.Join(os.Remove(name), os.Link(mine, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func unclaim(t *testing.T, dir string, r Range) {
	for i := uint64(r.Start); i < r.End(); i += slot {
		if err := os.Remove(claimName(dir, i)); err != nil {
			t.Fatal(err)
		}
	}
}
