package userns

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestOpenStoreMakesDirectories(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "run", "leases")
	for range 2 {
		s, err := OpenStore(dir)
		if err != nil {
			t.Fatal(err)
		}
		wantText(t, s.Close(), "")
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Dir(dir): 0o711} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", path, info.Mode(), err, want)
		}
	}
}

func TestOpenStoreRefuses(t *testing.T) {
	top := t.TempDir()
	mk := func(name string, mode os.FileMode, uid int) string {
		p := filepath.Join(top, name)
		if err := os.Mkdir(p, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(p, uid, 0); err != nil {
			t.Fatal(err)
		}
		return p
	}
	open, foreign, sticky := mk("open", 0o777, 0), mk("foreign", 0o700, 1000), mk("sticky", 0o777|os.ModeSticky, 0)
	link, file := filepath.Join(top, "link"), filepath.Join(top, "file")
	if err := os.Symlink(top, link); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, cause := range map[string]string{
		open:               fmt.Sprintf("%q: its mode is 0777: others may write it", open),
		sticky:             fmt.Sprintf("%q: its mode is 1777: others may write it", sticky),
		open + "/leases":   fmt.Sprintf("%q: its mode is 0777: others may write it", open),
		sticky + "/leases": "",
		foreign:            fmt.Sprintf("%q: it belongs to user 1000, want root", foreign),
		foreign + "/x":     fmt.Sprintf("%q: it belongs to user 1000, want root", foreign),
		link + "/leases":   fmt.Sprintf("%q: it is a symbolic link or no directory", link),
		link:               fmt.Sprintf("%q: it is a symbolic link or no directory", link),
		file:               fmt.Sprintf("%q: it is a symbolic link or no directory", file),
		"leases":           "the path is not absolute",
	} {
		want := ""
		if cause != "" {
			want = fmt.Sprintf("open lease directory %q: %s", dir, cause)
		}
		s, err := OpenStore(dir)
		wantText(t, err, want)
		if err == nil {
			wantText(t, s.Close(), "")
		}
	}
}

// What a crash between two steps leaves, and what does not belong there, never gives one range to two holders.
func TestStoreSurvivesLeftovers(t *testing.T) {
	s := openTestStore(t)
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(s.path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// A crash in Lease after the symlink: the lease is not there yet, and somebody else takes the range.
	if err := os.Symlink("1900000000+65536.json", filepath.Join(s.path, indexName("/run/test", "a"))); err != nil {
		t.Fatal(err)
	}
	put(newName, `{"version":1,"ran`)
	put("README", "foreign")
	put("01900065536+65536.json", "not a name of ours")
	r := mustLease(t, s, self(t, "b"))
	if _, ok, err := s.Lookup("/run/test", "a"); ok || err != nil || r != testPool0() {
		t.Errorf("a holds %v, %v; b got %s", ok, err, r)
	}
	// The holder's release must not touch b's lease.
	wantText(t, s.Release("/run/test", "a"), "")
	if got, ok, err := s.Lookup("/run/test", "b"); got != r || !ok || err != nil {
		t.Errorf("b: %s, %v, %v", got, ok, err)
	}
	// A crash in Release after the lease file: the symlink is left, and the next create of that ID works.
	if err := os.Remove(filepath.Join(s.path, r.String()+leaseSuffix)); err != nil {
		t.Fatal(err)
	}
	if got := mustLease(t, s, self(t, "b")); got != r {
		t.Errorf("got %s, want %s", got, r)
	}
	names, err := os.ReadDir(filepath.Join(s.path, holdersDir))
	if err != nil || len(names) != 1 {
		t.Errorf("holders: %v, %v", names, err)
	}
}

func TestUnreadableLeasesKeepTheirRange(t *testing.T) {
	s := openTestStore(t)
	for text, cause := range map[string]string{
		"":                  "unexpected end of JSON input",
		`{"version":1,"ran`: "unexpected end of JSON input",
		`{"version":2}`:     "version is 2, want 1",
		`{"version":1}`:     "it is about 0+0",
		`{"version":1,"range":{"start":1900000000,"size":65536}}`: "it has no holder",
	} {
		if err := os.WriteFile(filepath.Join(s.path, "1900000000+65536.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if freed, err := s.Reclaim(func(Holder) bool { return false }); err != nil || len(freed) > 0 {
			t.Errorf("freed %v, %v", freed, err)
		}
		if r := mustLease(t, s, self(t, "a")); r != (Range{1900065536, 65536}) {
			t.Errorf("%q: got %s", text, r)
		}
		leases, err := s.List()
		wantText(t, err, `list leases: read lease "1900000000+65536.json": `+cause)
		if len(leases) != 1 {
			t.Errorf("got %v", leases)
		}
		wantText(t, s.Join(self(t, "b"), testPool0()),
			`join range 1900000000+65536 for "b": read lease "1900000000+65536.json": `+cause)
	}
}

func TestStoreFollowsNoLinks(t *testing.T) {
	s := openTestStore(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("keep"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{newName, "1900000000+65536.json"} {
		if err := os.Symlink(victim, filepath.Join(s.path, name)); err != nil {
			t.Fatal(err)
		}
	}
	mustLease(t, s, self(t, "a"))
	wantText(t, s.Join(self(t, "b"), testPool0()),
		`join range 1900000000+65536 for "b": read lease "1900000000+65536.json": too many levels of symbolic links`)
	if data, err := os.ReadFile(victim); string(data) != "keep" || err != nil {
		t.Errorf("the victim is %q, %v", data, err)
	}
}

func TestStatusAndMapIDs(t *testing.T) {
	status := "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\nFDSize:\t64\nGroups:\t7 4294967294 \nNStgid:\t9\n"
	one := func(id uint32) Range { return Range{id, 1} }
	if got := statusIDs([]byte(status)); !slices.Equal(got, []Range{one(1), one(2), one(3), one(4), one(5), one(5), one(5), one(5), one(7), one(4294967294)}) {
		t.Errorf("status: %v", got)
	}
	if got := mapIDs([]byte("         0          0 4294967295\n")); len(got) != 0 {
		t.Errorf("the host's map: %v", got)
	}
	if got := mapIDs([]byte("         0     100000      65536\n     65536          0          1\n")); !slices.Equal(got, []Range{{100000, 65536}, {0, 1}}) {
		t.Errorf("map: %v", got)
	}
}
