package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// TestBundle holds the bundle to what the printed heading says of it.
func TestBundle(t *testing.T) {
	var s specs.Spec
	if err := json.Unmarshal(dockerSpec, &s); err != nil {
		t.Fatal(err)
	}
	limits := s.Linux.Resources
	for _, c := range []struct {
		what string
		got  bool
	}{
		{"11 mounts", len(s.Mounts) == 11},
		{"14 capabilities", len(s.Process.Capabilities.Bounding) == 14},
		{"masked and read-only paths", len(s.Linux.MaskedPaths) > 0 && len(s.Linux.ReadonlyPaths) > 0},
		{"a seccomp profile that checks arguments", s.Linux.Seccomp != nil && slices.ContainsFunc(s.Linux.Seccomp.Syscalls, func(c specs.LinuxSyscall) bool { return len(c.Args) > 0 })},
		{"limits", limits.Memory != nil && limits.CPU != nil && limits.Pids != nil},
		{"no user namespace", !slices.ContainsFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.UserNamespace })},
	} {
		if !c.got {
			t.Errorf("the bundle has not: %s", c.what)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []int
		want int
	}{{[]int{3}, 3}, {[]int{9, 1, 5}, 5}, {[]int{4, 1, 3, 2}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median of %v is %d, want %d", c.in, got, c.want)
		}
	}
}

func TestLaunched(t *testing.T) {
	for _, c := range []struct {
		in, rest string
		rss      int64
	}{
		{"\npeak-rss 4096", "", 4096},
		{"error: x\n\npeak-rss 1", "error: x\n", 1},
		{"killed", "killed", 0},
	} {
		rss, rest := launched([]byte(c.in))
		if rss != c.rss || string(rest) != c.rest {
			t.Errorf("%q is %d and %q, want %d and %q", c.in, rss, rest, c.rss, c.rest)
		}
	}
}

func TestReport(t *testing.T) {
	r := report{
		Machine: "a machine", Runs: 1, Runtimes: []string{"runc", "bulkhead"}, LeftOut: []string{"crun: no"},
		Measurements: []measurement{{
			Operation: "run", RSS: [][]int64{{10e6}, {5e6}},
			Costs: [][]cost{{{Wall: 10 * time.Millisecond, CPU: 8 * time.Millisecond}}, {{Wall: 5 * time.Millisecond, CPU: 2 * time.Millisecond}}},
		}},
		Throughput: []throughput{{Parallel: 8, PerSecond: []float64{10, 15}}},
		Calls:      []callCosts{{Getppid: 100, Personality: 110}, {Getppid: 130, Personality: 190}, {Getppid: 131, Personality: 150}},
	}
	var b strings.Builder
	r.head(&b)
	r.print(&b)
	words := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, want := range []string{
		"machine: a machine", "left out: crun: no", "run runc 10.0 8.0 10.0 1.00 1.00 1.00", "run bulkhead 5.0 2.0 5.0 0.50 0.25 0.50",
		"8 at a time bulkhead 15.0 1.50", "getppid host 100 0", "personality (argument checked) bulkhead 150 40",
	} {
		if !strings.Contains(words(b.String()), want) {
			t.Errorf("the report has no %q:\n%s", want, b.String())
		}
	}
}

func TestShortest(t *testing.T) {
	wall, cpu, err := shortest("3000000 2\n1000000 5\n")
	if err != nil || wall != 1 || cpu != 2 {
		t.Errorf("got %v, %v, %v", wall, cpu, err)
	}
	if _, _, err := shortest(""); err == nil || err.Error() != "read the time that a workload took: it printed none" {
		t.Errorf("got %v", err)
	}
}

func TestInstall(t *testing.T) {
	p := &place{dir: t.TempDir()}
	from := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(from, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	copies, err := p.install(from)
	if err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(copies[0])
	if err != nil {
		t.Fatal(err)
	}
	if copies[0] == from || st.Mode().Perm() != 0o755 || st.Size() != 10 {
		t.Errorf("%s has mode %v and %d bytes, want a copy of %s that runs", copies[0], st.Mode(), st.Size(), from)
	}
}
