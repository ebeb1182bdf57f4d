package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullTable counts by number what finds no place.
func TestFullTable(t *testing.T) {
	requireBPF(t)
	e, err := NewExplainer(testProfile(), nil, "test", runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	c := startChild(t, "errno")
	target, err := DenialTargetOf(c.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	w, err := WatchDenials(target, e, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	for i := range uint32(maxEvents) {
		if err := w.probe.maps.events.Put(event{PID: uint32(os.Getpid()), Number: 1, Result: int64(i), Flags: flagFirst}, tally{}); err != nil { //nolint:gosec // a PID
			t.Fatal(err)
		}
	}
	c.finish(t)
	list, losses, err := w.Read()
	// What was under way when the watcher came cannot be judged without its arguments: it counts.
	if err != nil || losses.Crowd < 5 {
		t.Fatalf("losses %+v, %v", losses, err)
	}
	var got []string
	for _, d := range list {
		if d.Call != "getppid" && d.Call != "socket" {
			continue
		}
		got = append(got, fmt.Sprintf("%q %s(%s) = %s, %d: %s", d.Process, d.Call, d.Arguments, d.Verdict, d.Count, d.Why))
	}
	want := []string{
		`"" getppid() = denied, 3: there were too many processes and arguments to keep each apart`,
		`"" socket() = denied, 2: there were too many processes and arguments to keep each apart`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSweep takes ended processes out of the table and keeps their counts.
func TestSweep(t *testing.T) {
	requireBPF(t)
	m, err := newMaps()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.close() }()
	alive := event{PID: uint32(os.Getpid()), Number: 1} //nolint:gosec // a PID
	gone := []event{{PID: 1 << 30, Number: 2}, {PID: 1<<30 + 1, Number: 2}}
	for _, e := range append(gone, alive) {
		if err := m.events.Put(e, tally{Count: 3, Last: uint64(e.PID)}); err != nil {
			t.Fatal(err)
		}
	}
	p := &probe{maps: m}
	events, err := p.read()
	if err != nil || len(events) != 3 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	var e ended
	if err := e.sweep(m.events, events); err != nil {
		t.Fatal(err)
	}
	left, err := p.read()
	if want := map[event]tally{alive: {3, uint64(alive.PID)}}; err != nil || !maps.Equal(left, want) || !maps.Equal(events, want) {
		t.Errorf("left %v and %v, %v", left, events, err)
	}
	if want := map[event]tally{{Number: 2}: {6, 1<<30 + 1}}; !maps.Equal(e.events, want) {
		t.Errorf("ended %v, want %v", e.events, want)
	}
}

// TestPrivileges loads everything as nobody with two capabilities and no locked memory, and has the message without them.
func TestPrivileges(t *testing.T) {
	requireBPF(t)
	c := startChild(t, "nothing")
	target, err := DenialTargetOf(c.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(target)
	if err != nil {
		t.Fatal(err)
	}
	lacks := func(what string) string {
		return `watch denied system calls: make map "bulkhead_live": the process lacks ` + what + `: run it as root: operation not permitted`
	}
	for _, test := range []struct {
		caps []uintptr
		want string
	}{
		{[]uintptr{unix.CAP_BPF, unix.CAP_PERFMON}, "watching"},
		{nil, lacks("CAP_BPF and CAP_PERFMON")},
		{[]uintptr{unix.CAP_PERFMON}, lacks("CAP_BPF")},
		{[]uintptr{unix.CAP_BPF}, `watch denied system calls: load program for tracepoint "sys_enter": the process lacks CAP_PERFMON: run it as root: operation not permitted`},
	} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), workloadVariable+"=watch", "BULKHEAD_RECORD_TARGET="+string(encoded))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: test.caps}
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != test.want {
			t.Errorf("with capabilities %v: got %q (%v), want %q", test.caps, got, err, test.want)
		}
	}
}

func TestTargetErrors(t *testing.T) {
	_, err := DenialTargetOf(os.Getpid())
	want := fmt.Sprintf("watch process %d: it is in the mount namespace of this program, not in a container's", os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := DenialTargetOf(1 << 30); err == nil || !strings.HasPrefix(err.Error(), "read namespaces of process 1073741824: ") {
		t.Errorf("got %v", err)
	}
	if n := statusFilters("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n"); n != 3 {
		t.Errorf("filters: %d", n)
	}
}

// TestNothingRemains looks for descriptors after Close.
func TestNothingRemains(t *testing.T) {
	requireBPF(t)
	e, err := NewExplainer(testProfile(), nil, "test", runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	count := func() int {
		list, err := filepath.Glob("/proc/self/fd/*")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, fd := range list {
			if to, _ := os.Readlink(fd); strings.Contains(to, "bpf") {
				n++
			}
		}
		return n
	}
	before := count()
	w, err := WatchDenials(DenialTarget{MountNamespace: 1}, e, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if during := count(); during < before+11 {
		t.Errorf("%d descriptors while watching", during)
	}
	if err := w.Close(); err != nil || count() != before {
		t.Errorf("%d descriptors after close, %d before: %v", count(), before, err)
	}
}
