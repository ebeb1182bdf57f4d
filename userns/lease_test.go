package userns

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// testPool is in no one's use here, and small enough to be used up.
var testPool = []Range{{Start: 1900000000, Size: 3 * 65536}}

func openTestStore(t *testing.T) *Store {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("open store: only root may own a lease directory")
	}
	s, err := OpenStore(filepath.Join(t.TempDir(), "leases"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func self(t *testing.T, id string) Holder {
	t.Helper()
	h, err := Self("/run/test", id)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// deadHolder is a holder whose create process has ended, and whose container's state never existed.
func deadHolder(t *testing.T, id string) Holder {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, _, err := processStart(cmd.Process.Pid)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatal(err)
	}
	return Holder{Root: "/run/test", ID: id, PID: cmd.Process.Pid, StartTime: start}
}

func mustLease(t *testing.T, s *Store, h Holder) Range {
	t.Helper()
	r, err := s.Lease(h, 65536, testPool)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if text(err) != want {
		t.Errorf("got %q, want %q", text(err), want)
	}
}

func TestLeaseAndRelease(t *testing.T) {
	s := openTestStore(t)
	a, b := mustLease(t, s, self(t, "a")), mustLease(t, s, self(t, "b"))
	if a != (Range{1900000000, 65536}) || b != (Range{1900065536, 65536}) {
		t.Errorf("got %s and %s", a, b)
	}
	if got, ok, err := s.Lookup("/run/test/", "b"); got != b || !ok || err != nil {
		t.Errorf("Lookup(b) = %s, %v, %v", got, ok, err)
	}
	if _, ok, err := s.Lookup("/run/other", "b"); ok || err != nil {
		t.Errorf("another root: %v, %v", ok, err)
	}
	for range 2 {
		wantText(t, s.Release("/run/test", "a"), "")
	}
	if _, ok, err := s.Lookup("/run/test", "a"); ok || err != nil {
		t.Errorf("after release: %v, %v", ok, err)
	}
	leases, err := s.List()
	if err != nil || len(leases) != 1 || leases[0].Range != b || !slices.Equal(leases[0].Holders, []Holder{self(t, "b")}) {
		t.Errorf("List = %+v, %v", leases, err)
	}
	if got := mustLease(t, s, self(t, "c")); got != a {
		t.Errorf("got %s, want the lowest free range %s", got, a)
	}
}

func TestLeaseAgain(t *testing.T) {
	s := openTestStore(t)
	h := self(t, "web1")
	r := mustLease(t, s, h)
	if again := mustLease(t, s, h); again != r {
		t.Errorf("retry got %s, want %s", again, r)
	}
	_, err := s.Lease(h, 1000, testPool)
	wantText(t, err, `lease 1000 IDs for "web1": it holds a range already: 1900000000+65536`)

	second := deadHolder(t, "web1")
	_, err = s.Lease(second, 65536, testPool)
	wantText(t, err, `lease 65536 IDs for "web1": it holds a range already: 1900000000+65536`)
	if !errors.Is(err, ErrHeld) {
		t.Error("it is not ErrHeld")
	}
	wantText(t, s.Join(second, r), `join range 1900000000+65536 for "web1": it holds a range already: 1900000000+65536`)
}

func TestLeaseAfterDeadCreate(t *testing.T) {
	s := openTestStore(t)
	dead := deadHolder(t, "web1")
	mustLease(t, s, dead)
	s.Alive = func(Holder) bool { return true }
	if _, err := s.Lease(self(t, "web1"), 65536, testPool); !errors.Is(err, ErrHeld) {
		t.Errorf("the container exists: got %v", err)
	}
	s.Alive = StateExists
	if got := mustLease(t, s, self(t, "web1")); got != testPool0() {
		t.Errorf("got %s", got)
	}
	leases, err := s.List()
	if err != nil || len(leases) != 1 || len(leases[0].Holders) != 1 || leases[0].Holders[0] != self(t, "web1") {
		t.Errorf("List = %+v, %v", leases, err)
	}
}

func testPool0() Range { return Range{testPool[0].Start, 65536} }

func TestLeaseExhausted(t *testing.T) {
	s := openTestStore(t)
	one := []Range{testPool0()}
	if _, err := s.Lease(self(t, "a"), 65536, one); err != nil {
		t.Fatal(err)
	}
	_, err := s.Lease(self(t, "web1"), 65536, one)
	wantText(t, err, `lease 65536 IDs for "web1": pool 1900000000+65536 is used up by 1 container; widen /etc/subuid and /etc/subgid for "bulkhead"`)
	var full *ExhaustedError
	if !errors.As(err, &full) {
		t.Errorf("got a %T", err)
	}
	wantText(t, s.Join(self(t, "b"), testPool0()), "")
	_, err = s.Lease(self(t, "web1"), 65536, one)
	wantText(t, err, `lease 65536 IDs for "web1": pool 1900000000+65536 is used up by 2 containers; widen /etc/subuid and /etc/subgid for "bulkhead"`)
	_, err = s.Lease(self(t, "web1"), 65536, []Range{{1910000000, 1}, {1920000000, 2}})
	wantText(t, err, `lease 65536 IDs for "web1": pools 1910000000+1, 1920000000+2 are too small; widen /etc/subuid and /etc/subgid for "bulkhead"`)
}

func TestLeaseReclaimsWhenExhausted(t *testing.T) {
	s := openTestStore(t)
	for _, id := range []string{"a", "b", "c"} {
		mustLease(t, s, deadHolder(t, id))
	}
	if got := mustLease(t, s, self(t, "web1")); got != testPool0() {
		t.Errorf("got %s", got)
	}
	if leases, err := s.List(); err != nil || len(leases) != 1 {
		t.Errorf("List = %+v, %v", leases, err)
	}
}

func TestJoin(t *testing.T) {
	s := openTestStore(t)
	a, b := self(t, "a"), self(t, "b")
	r := mustLease(t, s, a)
	for range 2 {
		wantText(t, s.Join(b, r), "")
	}
	wantText(t, s.Release(a.Root, a.ID), "")
	if got := mustLease(t, s, self(t, "c")); got == r {
		t.Errorf("%s was leased while b shares it", got)
	}
	wantText(t, s.Join(b, Range{1900065536, 65536}), `join range 1900065536+65536 for "b": it holds a range already: 1900000000+65536`)
	wantText(t, s.Release(b.Root, b.ID), "")
	err := s.Join(a, r)
	wantText(t, err, `join range 1900000000+65536 for "a": nobody holds it`)
	if !errors.Is(err, ErrGone) {
		t.Error("it is not ErrGone")
	}
}

func TestHolderIsChecked(t *testing.T) {
	s := openTestStore(t)
	_, err := s.Lease(Holder{Root: "run", ID: "a", PID: 1, StartTime: 1}, 1, testPool)
	wantText(t, err, `lease 1 IDs for "a": holder "a" below "run" needs an ID and an absolute root`)
	_, err = s.Lease(Holder{Root: "/run", ID: "a", PID: 1}, 1, testPool)
	wantText(t, err, `lease 1 IDs for "a": holder "a" needs the PID and start time of its create process`)
}

func TestReclaim(t *testing.T) {
	s := openTestStore(t)
	gone, stays := deadHolder(t, "gone"), deadHolder(t, "stays")
	r := mustLease(t, s, gone)
	mustLease(t, s, stays)
	mustLease(t, s, self(t, "creating"))
	wantText(t, s.Join(deadHolder(t, "gone too"), Range{1900131072, 65536}), "")
	freed, err := s.Reclaim(func(h Holder) bool { return h.ID == "stays" })
	if err != nil || !slices.Equal(freed, []Range{r}) {
		t.Errorf("Reclaim = %v, %v; want %v", freed, err, r)
	}
	var ids []string
	leases, err := s.List()
	for _, l := range leases {
		for _, h := range l.Holders {
			ids = append(ids, h.ID)
		}
	}
	if err != nil || !slices.Equal(ids, []string{"stays", "creating"}) {
		t.Errorf("left are %v, %v", ids, err)
	}
}

// A range stays while something runs in it, whoever holds it.
func TestReclaimSparesUsedRanges(t *testing.T) {
	for name, attr := range map[string]*syscall.SysProcAttr{
		"user":  {Credential: &syscall.Credential{Uid: 1900000005, Gid: 65537}},
		"group": {Credential: &syscall.Credential{Uid: 65537, Gid: 65537, Groups: []uint32{1900000007}}},
		"map": {Cloneflags: syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1900000000, Size: 65536}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 1900000000, Size: 65536}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTestStore(t)
			r := mustLease(t, s, deadHolder(t, "web1"))
			cmd := exec.Command("/bin/sleep", "600")
			cmd.SysProcAttr = attr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if freed, err := s.Reclaim(nil); err != nil || len(freed) > 0 {
				t.Errorf("freed %v, %v", freed, err)
			}
			_, err := s.Lease(self(t, "web1"), 65536, testPool)
			wantText(t, err, `lease 65536 IDs for "web1": its old range 1900000000+65536 is still in use by process `+
				strconv.Itoa(cmd.Process.Pid)+`; delete the container first`)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if freed, err := s.Reclaim(nil); err != nil || !slices.Equal(freed, []Range{r}) {
				t.Errorf("freed %v, %v; want %v", freed, err, r)
			}
		})
	}
}

// FuzzParseRange: what is read is what was written, so one range has one file name.
func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"100000+65536", "0+0", "00+1", "+1", "1+", "-1+1", "+1+1", "1_0+1", "4294967296+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, ok := parseRange(s); ok && r.String() != s {
			t.Errorf("%q was read as %s", s, r)
		}
	})
}

func BenchmarkLease1000(b *testing.B) {
	s, err := OpenStore(filepath.Join(b.TempDir(), "leases"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	h, err := Self("/run/test", "")
	if err != nil {
		b.Fatal(err)
	}
	pools := []Range{DefaultPool}
	for i := range 1000 {
		h.ID = strconv.Itoa(i)
		if _, err := s.Lease(h, 65536, pools); err != nil {
			b.Fatal(err)
		}
	}
	h.ID = "one more"
	for b.Loop() {
		_, err := s.Lease(h, 65536, pools)
		if err := errors.Join(err, s.Release(h.Root, h.ID)); err != nil {
			b.Fatal(err)
		}
	}
}
