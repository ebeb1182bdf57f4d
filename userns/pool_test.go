package userns

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestParseSubIDs(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []SubIDLine
		err        string
	}{
		{name: "empty"},
		{name: "ours and others", text: "alice:100000:65536\nbulkhead:200000:65536\n", want: []SubIDLine{
			{"alice", 1, Range{100000, 65536}}, {"bulkhead", 2, Range{200000, 65536}}}},
		{name: "two lines of ours, no newline at the end", text: "bulkhead:200000:10\nbulkhead:300000:20", want: []SubIDLine{
			{"bulkhead", 1, Range{200000, 10}}, {"bulkhead", 2, Range{300000, 20}}}},
		{name: "garbage of others is skipped", text: "# comment\n\nalice\nbob:1\ncarol:x:5\ndave:5:0\neve:1:2:3\nfrank:-5:9\nzoe: 7 : 8\n",
			want: []SubIDLine{{"zoe", 9, Range{7, 8}}}},
		{name: "others are cut off at the last ID", text: "alice:4294967290:65536\nbob:0:4294967296\ncarol:4294967295:1\n", want: []SubIDLine{
			{"alice", 1, Range{4294967290, 5}}, {"bob", 2, Range{0, math.MaxUint32}}}},
		{name: "numeric owner is somebody else", text: "990:200000:65536\n", want: []SubIDLine{{"990", 1, Range{200000, 65536}}}},
		{name: "prefix of ours is somebody else", text: "bulkhead2:200000:x\n"},
		{name: "short line of ours", text: "x:1:1\nbulkhead:100000\n", err: `line 2: "bulkhead:100000": want owner:start:count`},
		{name: "no colon", text: "bulkhead\n", err: `line 1: "bulkhead": want owner:start:count`},
		{name: "start", text: "bulkhead:0x10000:1\n", err: `line 1: "bulkhead:0x10000:1": start "0x10000" is not a decimal number`},
		{name: "blank", text: "bulkhead: 100000:1\n", err: `line 1: "bulkhead: 100000:1": start " 100000" is not a decimal number`},
		{name: "count", text: "bulkhead:100000:-1\n", err: `line 1: "bulkhead:100000:-1": count "-1" is not a decimal number`},
		{name: "carriage return", text: "bulkhead:100000:1\t\n", err: `line 1: "bulkhead:100000:1\t": count "1\t" is not a decimal number`},
		{name: "none", text: "bulkhead:100000:0\n", err: `line 1: "bulkhead:100000:0": count is 0`},
		{name: "blank before ours", text: " bulkhead:100000:1\n", err: `line 1: " bulkhead:100000:1": owner has blanks around it`},
		{name: "too far", text: "bulkhead:4294967290:65536\n", err: `line 1: "bulkhead:4294967290:65536": it ends behind ID 4294967294`},
		{name: "way too far", text: "bulkhead:1:18446744073709551615\n", err: `line 1: "bulkhead:1:18446744073709551615": it ends behind ID 4294967294`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseSubIDs(strings.NewReader(c.text), Owner)
			if text(err) != c.err || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, %q; want %v, %q", got, text(err), c.want, c.err)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestParseSubIDsIsBounded(t *testing.T) {
	if _, err := ParseSubIDs(endless{}, Owner); text(err) != "it is too big" {
		t.Errorf("got %q", text(err))
	}
}

func TestPools(t *testing.T) {
	line := func(owner string, start, size uint32) SubIDLine {
		return SubIDLine{Owner: owner, Range: Range{start, size}}
	}
	ours := func(start, size uint32) []SubIDLine { return []SubIDLine{line(Owner, start, size)} }
	for _, c := range []struct {
		name       string
		uids, gids []SubIDLine
		users      []Range
		want       []Range
		err        string
	}{
		{name: "default", want: []Range{DefaultPool}},
		{name: "default less others", uids: []SubIDLine{line("alice", 1879048192, 65536)}, want: []Range{{1879113728, 268238848}}},
		{name: "ours", uids: ours(100000, 65536), gids: ours(100000, 65536), want: []Range{{100000, 65536}}},
		{name: "the intersection", uids: ours(100000, 1000), gids: ours(100500, 1000), want: []Range{{100500, 500}}},
		{name: "lines that touch", uids: []SubIDLine{line(Owner, 100000, 10), line(Owner, 100010, 10)}, gids: ours(100000, 20),
			want: []Range{{100000, 20}}},
		{name: "less others of either file", uids: append(ours(100000, 100), line("a", 100010, 10)),
			gids: append(ours(100000, 100), line("b", 100090, 1000)), want: []Range{{100000, 10}, {100020, 70}}},
		{name: "less users", uids: ours(100000, 100), gids: ours(100000, 100), users: []Range{{100000, 1}, {100050, 1}},
			want: []Range{{100001, 49}, {100051, 49}}},
		{name: "never below 65536", uids: ours(1, 70000), gids: ours(0, 70000), want: []Range{{65536, 4464}}},
		{name: "everything", uids: ours(0, 4294967295), gids: ours(0, 4294967295), want: []Range{{65536, 4294901759}}},
		{name: "only users", uids: ours(100000, 1),
			err: `find ID pool: /etc/subuid has a line for "bulkhead" and /etc/subgid has none; give it the same line in both`},
		{name: "only groups", gids: ours(100000, 1),
			err: `find ID pool: /etc/subgid has a line for "bulkhead" and /etc/subuid has none; give it the same line in both`},
		{name: "disjoint", uids: ours(100000, 1), gids: ours(100001, 1),
			err: `find ID pool: /etc/subuid and /etc/subgid share no ID for "bulkhead"; give it the same line in both`},
		{name: "nothing left", uids: ours(100, 1000), gids: ours(100, 1000),
			err: `find ID pool: every ID belongs to the host or to another owner in /etc/subuid or /etc/subgid; give "bulkhead" a range of its own in both`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Pools(Owner, c.uids, c.gids, c.users)
			if text(err) != c.err || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %q; want %v, %q", got, text(err), c.want, c.err)
			}
		})
	}
}

func TestDefaultPool(t *testing.T) {
	for name, other := range map[string]Range{
		"kubelet with 1000 pods":  {65536, 1000 * 65536},
		"login.defs":              {100000, 600000000},
		"systemd-nspawn":          {524288, 1879048192 - 524288},
		"systemd's foreign IDs":   {2147352576, 65536},
		"IDs with the top bit":    {1 << 31, 1<<31 - 1},
		"the host and 16 bit IDs": {0, 65536},
	} {
		if DefaultPool.Overlaps(other) {
			t.Errorf("%s overlaps %s (%s)", DefaultPool, other, name)
		}
	}
	if DefaultPool.Size/65536 != 4094 || DefaultPool.Start%65536 != 0 {
		t.Errorf("got %d ranges from %d", DefaultPool.Size/65536, DefaultPool.Start)
	}
}

func TestHostPools(t *testing.T) {
	root := t.TempDir()
	if got, err := hostPools(root); err != nil || !slices.Equal(got, []Range{DefaultPool}) {
		t.Errorf("no files: got %v, %v", got, err)
	}
	put := func(name, text string) {
		if err := os.MkdirAll(filepath.Join(root, "etc"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(subUID, "bulkhead:100000:1000\n")
	put(subGID, "bulkhead:100000:1000\nalice:100900:65536\n")
	put("/etc/passwd", "root:x:0:0::/:/bin/sh\nann:x:100100:100200::/:/bin/sh\n+\n")
	put("/etc/group", "wheel:x:0:\nbig:x:100300:ann\n#x\n")
	want := []Range{{100000, 100}, {100101, 99}, {100201, 99}, {100301, 599}}
	if got, err := hostPools(root); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	put(subGID, "bulkhead:1\n")
	if _, err := hostPools(root); text(err) != `read /etc/subgid: line 1: "bulkhead:1": want owner:start:count` {
		t.Errorf("got %q", text(err))
	}
	if _, err := HostPools(); err != nil {
		t.Errorf("this host: %v", err)
	}
}

func TestMappings(t *testing.T) {
	for _, c := range []struct {
		r   Range
		err string
	}{
		{Range{100000, 65536}, ""},
		{Range{}, "map range 0+0: it is empty"},
		{Range{100000, 0}, "map range 100000+0: it is empty"},
		{Range{0, 65536}, "map range 0+65536: it contains the host's root"},
		{Range{4294967295, 1}, "map range 4294967295+1: it ends behind ID 4294967294"},
		{Range{4294967294, 1}, ""},
	} {
		got, err := c.r.Mappings()
		var want []specs.LinuxIDMapping
		if c.err == "" {
			want = []specs.LinuxIDMapping{{ContainerID: 0, HostID: c.r.Start, Size: c.r.Size}}
		}
		if text(err) != c.err || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %q; want %v, %q", c.r, got, text(err), want, c.err)
		}
	}
}

func TestFind(t *testing.T) {
	pool := []Range{{100000, 65536 * 3}}
	for _, c := range []struct {
		name         string
		pools, taken []Range
		size         uint32
		want         Range
		ok           bool
	}{
		{"first", pool, nil, 65536, Range{100000, 65536}, true},
		{"gap", pool, []Range{{100000, 65536}, {231072, 65536}}, 65536, Range{165536, 65536}, true},
		{"unsorted", pool, []Range{{231072, 65536}, {100000, 65536}}, 65536, Range{165536, 65536}, true},
		{"odd size in the way", pool, []Range{{100000, 1}}, 65536, Range{165536, 65536}, true},
		{"full", pool, []Range{{100000, 65536 * 3}}, 65536, Range{}, false},
		{"too big", pool, nil, 65536*3 + 1, Range{}, false},
		{"none", pool, nil, 0, Range{}, false},
		{"lowest of the pools", []Range{{500000, 65536}, {200000, 65536}}, nil, 65536, Range{200000, 65536}, true},
		{"never the host's", []Range{{0, 4294967295}}, nil, 65536, Range{65536, 65536}, true},
		{"not the last ID", []Range{{4294901760, 65535}}, nil, 65536, Range{}, false},
	} {
		if got, ok := Find(c.pools, c.taken, c.size); got != c.want || ok != c.ok {
			t.Errorf("%s: got %s, %v; want %s, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

// FuzzFind checks Find against a search by trying every candidate, on IDs around the first that may be leased.
func FuzzFind(f *testing.F) {
	f.Add([]byte{16, 64, 100, 20}, []byte{16, 4, 24, 4}, uint8(4))
	f.Add([]byte{0, 255}, []byte{}, uint8(255))
	f.Add([]byte{3, 9, 3, 9}, []byte{5, 0}, uint8(1))
	f.Fuzz(func(t *testing.T, p, busy []byte, size uint8) {
		pools, taken := small(p), small(busy)
		got, ok := Find(pools, taken, uint32(size))
		want, found := Range{}, false
		for _, p := range pools {
			for start := uint64(p.Start); size > 0 && start+uint64(size) <= p.End(); start += uint64(size) {
				r := Range{uint32(start), uint32(size)}
				free := r.Start >= firstID && !slices.ContainsFunc(taken, r.Overlaps)
				if free && (!found || r.Start < want.Start) {
					want, found = r, true
				}
			}
		}
		if got != want || ok != found {
			t.Errorf("Find(%v, %v, %d) = %s, %v; want %s, %v", pools, taken, size, got, ok, want, found)
		}
	})
}

// FuzzPools compares the set algebra with a bit per ID.
func FuzzPools(f *testing.F) {
	f.Add([]byte{20, 64, 100, 20}, []byte{16, 90}, []byte{30, 4, 24, 4}, []byte{90, 1})
	f.Add([]byte{0, 255}, []byte{0, 255}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, u, g, o, n []byte) {
		uids, gids, others, users := small(u), small(g), small(o), small(n)
		lines := func(owner string, ranges []Range) (l []SubIDLine) {
			for _, r := range ranges {
				l = append(l, SubIDLine{Owner: owner, Range: r})
			}
			return l
		}
		pools, err := Pools(Owner, append(lines(Owner, uids), lines("x", others)...), lines(Owner, gids), users)
		if err != nil || len(uids) == 0 {
			return
		}
		in := func(set []Range, id uint32) bool {
			return slices.ContainsFunc(set, func(r Range) bool { return r.Contains(id) })
		}
		for id := uint32(firstID - 20); id < firstID+600; id++ {
			want := id >= firstID && in(uids, id) && in(gids, id) && !in(others, id) && !in(users, id)
			if in(pools, id) != want {
				t.Fatalf("ID %d: in the pool %v, want %v", id, !want, want)
			}
		}
		for i := 1; i < len(pools); i++ {
			if uint64(pools[i].Start) <= pools[i-1].End() {
				t.Errorf("not sorted or not merged: %v", pools)
			}
		}
	})
}

func FuzzParseSubIDs(f *testing.F) {
	f.Add("bulkhead:100000:65536\nalice:1:2\n")
	f.Add("x:4294967295:1\n\x00:::\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseSubIDs(strings.NewReader(text), Owner)
		for _, l := range lines {
			if err != nil || l.Range.Size == 0 || l.Range.End() > noID {
				t.Errorf("line %+v with error %v", l, err)
			}
		}
	})
}

// small reads pairs of bytes as ranges around firstID.
func small(b []byte) []Range {
	var out []Range
	for ; len(b) >= 2 && len(out) < 16; b = b[2:] {
		out = append(out, Range{firstID - 16 + uint32(b[0]), uint32(b[1])})
	}
	return out
}

func BenchmarkHostPools(b *testing.B) {
	for b.Loop() {
		if _, err := HostPools(); err != nil {
			b.Fatal(err)
		}
	}
}
