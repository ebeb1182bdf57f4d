package notify

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// ticking is a clock that goes on by a second each time.
func ticking() func() time.Time {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func made(number uint32, args ...uint64) Notification {
	n := Notification{Arch: thisMachine().audit, Number: number}
	copy(n.Args[:], args)
	return n
}

func recorded(t *testing.T, r *Recorder) *recording.Recording {
	t.Helper()
	rec := &recording.Recording{Version: recording.Version, Name: "test"}
	if _, err := r.Read(rec, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Check(); err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestRecorder(t *testing.T) {
	r := NewRecorder(nil, ticking())
	if began, _ := r.Began(); began {
		t.Error("it has begun before any call")
	}
	for _, n := range []Notification{
		made(unix.SYS_EXECVE), made(unix.SYS_SOCKET, 1, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0), made(unix.SYS_SOCKET, 1, unix.SOCK_STREAM, 0),
		made(unix.SYS_SOCKET, 1<<32|2, 2, 17), made(unix.SYS_ACCEPT4), made(unix.SYS_GETPPID), made(unix.SYS_LISTEN), made(unix.SYS_SOCKET, 1, 1, 0),
		made(999),
	} {
		r.Done(n, Answer{})
	}
	rec := recorded(t, r)
	if len(rec.Phases) != 2 || rec.Phases[1].By != recording.ByAccept || rec.Phases[0].By != recording.ByExec {
		t.Errorf("phases are %+v", rec.Phases)
	}
	names := ""
	for _, c := range rec.Calls {
		names += c.String() + " "
	}
	if want := "number 999 accept4 execve getppid listen socket "; names != want {
		t.Errorf("calls are %q, want %q", names, want)
	}
	socket := rec.Calls[5]
	if len(socket.Seen) != 2 || socket.Seen[0].Count != 3 || socket.Seen[1].Count != 1 || !socket.Seen[0].Last.After(socket.Seen[0].First) {
		t.Errorf("socket was seen %+v", socket.Seen)
	}
	// The kernel reads 32 bits of an int.
	if v := socket.Arguments.Values; len(v) != 2 || v[0].Count != 3 || v[1].Values[0] != 2 || v[1].Values[2] != 17 {
		t.Errorf("values of socket are %+v", v)
	}
	if changed, _ := r.Read(rec, time.Time{}); changed {
		t.Error("nothing came, but it has changed")
	}
}

func TestRecorderMark(t *testing.T) {
	r := NewRecorder(nil, ticking())
	if err := r.Mark(); err != nil || len(recorded(t, r).Phases) != 1 {
		t.Errorf("a mark before the beginning: %v, %+v", err, recorded(t, r).Phases)
	}
	r.Done(made(unix.SYS_EXECVE), Answer{})
	_ = r.Mark()
	r.Done(made(unix.SYS_LISTEN), Answer{})
	if p := recorded(t, r).Phases; len(p) != 2 || p[1].By != recording.ByMark {
		t.Errorf("phases are %+v", p)
	}
}

func TestRecorderTooManyValues(t *testing.T) {
	r := NewRecorder(nil, ticking())
	for i := range uint64(recording.Limit) {
		r.Done(made(unix.SYS_IOCTL, 0, i), Answer{})
	}
	if a := recorded(t, r).Calls[0].Arguments; a.Any || len(a.Values) != recording.Limit {
		t.Errorf("%d values, any %v", len(a.Values), a.Any)
	}
	r.Done(made(unix.SYS_IOCTL, 0, 1000), Answer{})
	if c := recorded(t, r).Calls[0]; !c.Arguments.Any || c.Arguments.Values != nil || c.Count() != recording.Limit+1 {
		t.Errorf("call is %+v", c)
	}
}

// Calls of other architectures are kept apart, if somebody else's filter lets them come.
func TestRecorderCompat(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are of amd64")
	}
	r := NewRecorder(nil, ticking())
	r.Done(Notification{Arch: 0x40000003, Number: 102}, Answer{}) // socketcall of i386, getuid of x86_64
	r.Done(made(1<<30|39), Answer{})
	rec := recorded(t, r)
	if a, b := rec.Calls[0], rec.Calls[1]; a.String() != "getpid of SCMP_ARCH_X32" || b.String() != "socketcall of SCMP_ARCH_X86" {
		t.Errorf("calls are %s and %s", a, b)
	}
}

func TestQuiet(t *testing.T) {
	r := NewRecorder(nil, ticking())
	for _, n := range []Notification{
		made(unix.SYS_EXECVE), made(unix.SYS_GETPPID), made(unix.SYS_SOCKET, 1, 1, 0), made(unix.SYS_MMAP, 0, 0, 1), made(unix.SYS_PTRACE, 3), made(unix.SYS_LISTEN),
		made(999),
	} {
		r.Done(n, Answer{})
	}
	known := recorded(t, r)
	known.Unseen = []recording.Unseen{{Name: "getpgid", Number: 121}}
	p, unseen := Quiet("amd64", HandedOver(), known)
	text := ""
	for _, c := range p.Calls {
		for _, rule := range c.Rules {
			text += c.Name + ": " + rule.String() + "\n"
		}
	}
	const want = `getpgid: SCMP_ACT_ALLOW
getppid: SCMP_ACT_ALLOW
mmap: SCMP_ACT_ALLOW if arg2 & 0x6 == 0x0
ptrace: SCMP_ACT_ALLOW if arg0 == 0x3
socket: SCMP_ACT_ALLOW if arg0 & 0xffffffff == 0x1 && arg1 & 0xf == 0x1 && arg2 & 0xffffffff == 0x0
write: SCMP_ACT_ALLOW
`
	if text != want {
		t.Errorf("quiet is\n%swant\n%s", text, want)
	}
	if len(unseen) != 6 || unseen[4].Name != "socket" || unseen[4].Arguments.Values[0].Values[0] != 1 {
		t.Errorf("unseen is %+v", unseen)
	}
	// A recording that has them is one that can be written.
	recorded(t, NewRecorder(unseen, ticking()))
}

// A call that was denied each time stays notified: it may be another one that permits it.
func TestQuietLeavesDenied(t *testing.T) {
	seen := []recording.Seen{{Phase: recording.Startup, Count: 2}}
	p, unseen := Quiet("amd64", nil, &recording.Recording{Calls: []recording.Call{{Name: "keyctl", Number: 250, Seen: seen, Denied: 2}}})
	if len(p.Calls)+len(unseen) != 0 {
		t.Errorf("quiet is %v, unseen %v", p.Calls, unseen)
	}
}

func TestExaminer(t *testing.T) {
	p := seccomp.Profile{Arch: runtime.GOARCH, Default: seccomp.Verdict{Action: seccomp.Errno, Errno: 1}, Calls: []seccomp.Call{
		{Name: "getppid", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Allow}}}},
		{Name: "listen", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.KillProcess}}}},
		{Name: "ptrace", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Trace}}}},
		{Name: "socket", Rules: []seccomp.Rule{{Verdict: seccomp.Verdict{Action: seccomp.Errno}}}},
	}}
	words := func(name string, _ [6]uint64) string { return "of " + name }
	for _, c := range []struct {
		n                 Notification
		enforce           Answer
		verdict, complain string
	}{
		{n: made(unix.SYS_GETPPID)},
		{made(unix.SYS_BIND), Answer{Deny: true, Errno: unix.EPERM}, "EPERM", "allowed"},
		{made(unix.SYS_SOCKET), Answer{Deny: true}, "nothing", "allowed"},
		{made(unix.SYS_PTRACE), Answer{Deny: true, Errno: unix.ENOSYS}, "ENOSYS", "allowed"},
		{made(unix.SYS_LISTEN), Answer{Deny: true, Errno: unix.EPERM, Kill: true}, "killed", "allowed"},
		{Notification{Arch: 1, Number: 1}, Answer{Deny: true, Errno: unix.EPERM, Kill: true}, "killed", "allowed"},
	} {
		for _, enforce := range []bool{true, false} {
			e := NewExaminer(p, enforce, words, nil)
			a := e.Judge(nil, c.n)
			e.Done(c.n, a)
			e.Done(c.n, a)
			want, verdict := c.enforce, c.verdict
			if !enforce {
				want, verdict = Answer{}, c.complain
			}
			if a.Deny != want.Deny || a.Errno != want.Errno || a.Kill != want.Kill {
				t.Errorf("call %d, enforce %v: got %+v, want %+v", c.n.Number, enforce, a, want)
			}
			rows := e.Beyond()
			if verdict == "" && len(rows) == 0 {
				continue
			}
			if len(rows) != 1 || rows[0].Verdict != verdict || rows[0].Count != 2 || rows[0].Arguments != "of "+rows[0].Call {
				t.Errorf("call %d, enforce %v: rows are %+v, want %q", c.n.Number, enforce, rows, verdict)
			}
		}
	}
}
