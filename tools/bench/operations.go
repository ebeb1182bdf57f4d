package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// A runtime is a program that is measured.
type runtime struct {
	Name    string
	program string
	flags   []string
	// needed tells that nothing can be compared without it. Others are left out where they do not work.
	needed bool
}

// A benchmark has what the operations need.
type benchmark struct {
	*family
	place      *place
	candidates []*runtime
	runtimes   []*runtime
}

func newBench(f *family) (*benchmark, error) {
	p, err := newPlace()
	return &benchmark{family: f, place: p}, err
}

// close removes everything, containers of a failed measurement included.
func (b *benchmark) close() error {
	for _, r := range b.candidates {
		left, _ := os.ReadDir(b.state(r)) // there is none where nothing ran
		for _, e := range left {
			_, _ = b.call(r, "delete", "--force", e.Name())
		}
	}
	return b.place.remove()
}

// An operation is measured for each runtime. before and after are not part of it; they may be nil.
type operation struct {
	Name   string
	before func(*benchmark, *runtime) error
	do     func(*benchmark, *runtime) (cost, error)
	after  func(*benchmark, *runtime) error
	// once has before and after run once for all runs.
	once bool
	// hot has runs follow one another at once.
	hot bool
}

// calm is how long the host is left alone before a run, as it is on a host where containers start now and then. A run at another's
// heels pays less: the kernel's lock over all moves between cgroups waits for an RCU grace period (6 to 15 ms) when it was idle for
// longer than that. Whoever comes second gets it for nothing, whichever runtime that is.
const calm = 100 * time.Millisecond

var operations = []operation{
	{Name: "run /bin/true", do: runTrue},
	{Name: "run /bin/true, back to back", do: runTrue, hot: true},
	{Name: "create, start, delete", do: life},
	{Name: "exec /bin/true", before: begin, do: execTrue, after: end, once: true},
	{Name: "delete --force of a running one", before: begin, do: forceDelete},
}

// call runs the runtime with its own state directory.
func (b *benchmark) call(r *runtime, args ...string) (cost, error) {
	return b.run(b.argv(r, args...)...)
}

func (b *benchmark) argv(r *runtime, args ...string) []string {
	argv := append([]string{r.program}, r.flags...)
	return append(append(argv, "--root", b.state(r)), args...)
}

// state is the runtime's state directory. Variants of one program share none, either.
func (b *benchmark) state(r *runtime) string {
	return filepath.Join(b.place.state, strconv.Itoa(len(r.flags)), filepath.Base(r.program))
}

// id is a container's; ended containers' are used again.
func (b *benchmark) id(r *runtime, slot string) string {
	return filepath.Base(r.program) + "-" + slot
}

func runTrue(b *benchmark, r *runtime) (cost, error) {
	id := b.id(r, "run")
	dir, err := b.place.bundle(id, "/bin/true")
	if err != nil {
		return cost{}, err
	}
	return b.call(r, "run", "--bundle", dir, id)
}

// life is what an engine does for a container that ends by itself, with the wait for its end.
func life(b *benchmark, r *runtime) (total cost, err error) {
	id := b.id(r, "life")
	dir, err := b.place.bundle(id, "/bin/true")
	if err != nil {
		return cost{}, err
	}
	pidFile := filepath.Join(dir, "pid")
	c, err := b.call(r, "create", "--bundle", dir, "--pid-file", pidFile, id)
	if err != nil {
		return cost{}, err
	}
	total.add(c)
	if c, err = b.call(r, "start", id); err != nil {
		return cost{}, err
	}
	total.add(c)
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return cost{}, err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return cost{}, fmt.Errorf("read pid file: %w", err)
	}
	if c, err = b.adopted(pid); err != nil {
		return cost{}, err
	}
	if !b.rss {
		c.RSS = 0
	}
	total.add(c)
	if c, err = b.call(r, "delete", id); err != nil {
		return cost{}, err
	}
	total.add(c)
	return total, nil
}

// begin starts a container that runs until it is killed.
func begin(b *benchmark, r *runtime) error {
	id := b.id(r, "long")
	dir, err := b.place.bundle(id, "/bin/sleep", "1000")
	if err == nil {
		_, err = b.call(r, "run", "--detach", "--bundle", dir, id)
	}
	return err
}

func execTrue(b *benchmark, r *runtime) (cost, error) {
	return b.call(r, "exec", b.id(r, "long"), "/bin/true")
}

func forceDelete(b *benchmark, r *runtime) (cost, error) {
	return b.call(r, "delete", "--force", b.id(r, "long"))
}

func end(b *benchmark, r *runtime) error {
	_, err := forceDelete(b, r)
	return err
}
