package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead-runtime/bulkhead/seccomp/record"
)

func denialsCase() *denialsReport {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	unshare := record.Denial{Process: "sh", PID: 7, HostPID: 1007, Call: "unshare", Number: 272, Arguments: "CLONE_NEWUSER", Verdict: "EPERM", Count: 2, Last: at,
		Reason: record.Reason{By: record.ByProfile, Group: "namespaces", Rule: "default SCMP_ACT_ERRNO(1)", Why: "new namespaces open much code"}}
	other := unshare
	other.PID, other.HostPID, other.Count = 8, 1008, 1
	netlink := record.Denial{Process: "evil\x1b[2J", PID: 9, HostPID: 1009, Call: "socket", Number: 41, Arguments: "AF_NETLINK, SOCK_RAW, 12", Verdict: "EPROTONOSUPPORT", Count: 9, Last: at,
		Reason: record.Reason{By: record.ByProfile, Group: "network", Rule: "SCMP_ACT_ERRNO(93) if arg0 == 0x10", Why: "netlink"}}
	return &denialsReport{Container: "web1", Profile: "default", From: at.Add(-3 * time.Second), To: at, Denied: 12, Denials: []record.Denial{unshare, other, netlink}}
}

func TestDenialsSummary(t *testing.T) {
	r := denialsCase()
	r.Ended, r.Losses = true, record.Losses{Crowd: 4, Missed: 5, NoDeaths: true}
	var got bytes.Buffer
	writeDenialsSummary(&got, 100, r)
	want := `12 system calls of web1 denied in 3s (profile "default"):

       9  evil?[2J [9, host 1009] socket(AF_NETLINK, SOCK_RAW, 12) = EPROTONOSUPPORT
          network: netlink (rule: SCMP_ACT_ERRNO(93) if arg0 == 0x10)
       3  sh [2 processes] unshare(CLONE_NEWUSER) = EPERM
          namespaces: new namespaces open much code

4 of them came from more processes, or with more arguments, than are kept apart
INCOMPLETE: the kernel left out 5 runs of the programs that watch; counts may be wrong
this kernel does not show threads that the filter ends while their process goes on (Linux 5.15 does)
the container has ended
`
	if got.String() != want {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
	got.Reset()
	writeDenialsSummary(&got, 100, &denialsReport{Container: "web1", From: r.From, To: r.To})
	if want := "no system call of web1 was denied in 3s\n"; got.String() != want {
		t.Errorf("got %q, want %q", got.String(), want)
	}
}

// TestDenialsNews tells each denial once, also when its process has ended and lost its PID.
func TestDenialsNews(t *testing.T) {
	r, shown := denialsCase(), map[record.Denial]uint64{}
	look := func() string {
		var out bytes.Buffer
		writeDenialsNews(&out, r, shown)
		return out.String()
	}
	first := "03:04:05 evil?[2J [9, host 1009] socket(AF_NETLINK, SOCK_RAW, 12) = EPROTONOSUPPORT, 9 times: network: netlink\n" +
		"03:04:05 sh [2 processes] unshare(CLONE_NEWUSER) = EPERM, 3 times: namespaces: new namespaces open much code\n"
	if got := look(); got != first {
		t.Errorf("first: got %q, want %q", got, first)
	}
	if got := look(); got != "" {
		t.Errorf("nothing new: got %q", got)
	}
	r.Denials[0].Count += 4
	if got, want := look(), "03:04:05 sh [7, host 1007] unshare(CLONE_NEWUSER) = EPERM, 4 times: namespaces: new namespaces open much code\n"; got != want {
		t.Errorf("more of one: got %q, want %q", got, want)
	}
	r.Denials[0].PID, r.Denials[0].HostPID = 0, 0
	if got := look(); got != "" {
		t.Errorf("ended: got %q", got)
	}
}

// TestDenialsScreen cuts what does not fit.
func TestDenialsScreen(t *testing.T) {
	var got bytes.Buffer
	writeDenials(&got, 100, 3, denialsCase())
	if n := strings.Count(got.String(), "\n"); n != 3 || !strings.HasSuffix(got.String(), "... more than fits; the summary has all\n") {
		t.Errorf("got %d lines:\n%s", n, got.String())
	}
}
