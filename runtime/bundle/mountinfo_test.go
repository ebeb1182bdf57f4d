package bundle

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseMounts(t *testing.T) {
	got, err := parseMounts(`27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
36 27 0:41 /sub\040vol /mnt/a\134b ro,noatime shared:7 master:1 - btrfs /dev/sdb rw,subvol=/sub
40 27 0:50 / /o rw - overlay overlay ro,lowerdir=/l,upperdir=/x/overlay2/a/diff
41 27 0:4 net:[4026532] /run/netns/x rw shared:3 - nsfs nsfs rw
`)
	must(t, err)
	want := []mountEntry{
		{id: 27, dev: "254:0", root: "/", point: "/", fsType: "ext4", options: "rw,discard"},
		{id: 36, dev: "0:41", root: "/sub vol", point: `/mnt/a\b`, fsType: "btrfs", readonly: true, options: "rw,subvol=/sub"},
		{id: 40, dev: "0:50", root: "/", point: "/o", fsType: "overlay", readonly: true, options: "ro,lowerdir=/l,upperdir=/x/overlay2/a/diff"},
		{id: 41, dev: "0:4", root: "net:[4026532]", point: "/run/netns/x", fsType: "nsfs", options: "rw"},
	}
	if !reflect.DeepEqual(got.entries, want) {
		t.Errorf("got  %+v\nwant %+v", got.entries, want)
	}
	if m, ok := got.mount(36); !ok || m.point != `/mnt/a\b` {
		t.Errorf("%+v", m)
	}
	_, err = parseMounts("27 1 254:0 / / rw - ext4 /dev/vda rw\nx\n")
	if err == nil || err.Error() != "read mountinfo: line 2: no separator" {
		t.Error(err)
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct {
		root, point, real, want string
		ok                      bool
	}{
		{"/", "/", "/", "/", true},
		{"/", "/", "/a/b", "/a/b", true},
		{"/", "/mnt", "/mnt", "/", true},
		{"/", "/mnt", "/mnt/a", "/a", true},
		{"/@home", "/home", "/home", "/@home", true},
		{"/@home", "/home", "/home/x", "/@home/x", true},
		{"/@", "/", "/etc", "/@/etc", true},
		{"/@", "/", "/", "/@", true},
		{"net:[1]", "/n", "/n", "net:[1]", true},
		{"/", "/mnt", "/mnt2", "", false},
		{"/", "/mnt/a", "/mnt", "", false},
	} {
		got, ok := mountEntry{root: c.root, point: c.point}.place(c.real)
		if got != c.want || ok != c.ok {
			t.Errorf("%+v: %q %v", c, got, ok)
		}
	}
}

// FuzzParseMounts: no line panics, and what parses has no more lines than the text.
func FuzzParseMounts(f *testing.F) {
	f.Add("27 1 254:0 / / rw - ext4 /dev/vda rw\n")
	f.Add(`36 27 0:41 /\0 /m\04 ro shared:7 - b\134 - c`)
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parseMounts(text)
		if err == nil && len(table.entries) > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts of %q", len(table.entries), text)
		}
	})
}
