package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// trustedDir is a directory that only root can write, all the way up. t.TempDir is below /tmp, which anybody can.
func trustedDir(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("user %d cannot make files of root", os.Geteuid())
	}
	dir, err := os.MkdirTemp("/run", "bulkhead-profiles-") //nolint:usetesting // t.TempDir is below /tmp
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// put writes a file of mode 0644 and makes its directories, 0755.
func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadTrusted(t *testing.T) {
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// In want, D is the trusted directory. The file is D/a/b/f.json, of five bytes.
	for name, c := range map[string]struct {
		path string
		prep func(t *testing.T, dir string)
		want string
	}{
		"read": {path: "D/a/b/f.json"},
		"owner of the file": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chown(dir+"/a/b/f.json", 1000, 0))
		}, `read "D/a/b/f.json": file "f.json" belongs to user 1000, want root (0)`},
		"group may write the file": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir+"/a/b/f.json", 0o664))
		}, `read "D/a/b/f.json": file "f.json" has mode 0664, which lets others than root write it; want at most 0644`},
		"others may write the file": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir+"/a/b/f.json", 0o602))
		}, `read "D/a/b/f.json": file "f.json" has mode 0602, which lets others than root write it; want at most 0600`},
		"owner of the directory": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chown(dir+"/a/b", 1000, 0))
		}, `read "D/a/b/f.json": directory "D/a/b" belongs to user 1000, want root (0)`},
		"owner further up": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chown(dir+"/a", 1000, 0))
		}, `read "D/a/b/f.json": directory "D/a" belongs to user 1000, want root (0)`},
		"group may write the directory": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir+"/a", 0o775))
		}, `read "D/a/b/f.json": directory "D/a" has mode 0775, which lets others than root write it; want at most 0755`},
		"sticky directory": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, os.Chmod(dir+"/a", 0o777|os.ModeSticky))
		}, `read "D/a/b/f.json": directory "D/a" has mode 1777, which lets others than root write it; want at most 1755`},
		"access control list": {"D/a/b/f.json", func(t *testing.T, dir string) {
			must(t, unix.Setxattr(dir+"/a/b/f.json", "system.posix_acl_access", userMayWrite(), 0))
		}, `read "D/a/b/f.json": file "f.json" has mode 0664, which lets others than root write it; want at most 0644`},
		"symbolic link": {"D/a/link", func(t *testing.T, dir string) {
			must(t, os.Symlink("b/f.json", dir+"/a/link"))
		}, `read "D/a/link": the file is a symbolic link, want the file itself`},
		"symbolic link of a directory": {"D/link/f.json", func(t *testing.T, dir string) {
			must(t, os.Symlink("a/b", dir+"/link"))
		}, `read "D/link/f.json": directory "D/link" is a symbolic link, want the directory itself`},
		"absent":           {path: "D/a/b/g.json", want: `read "D/a/b/g.json": the file is absent`},
		"absent directory": {path: "D/x/b/g.json", want: `read "D/x/b/g.json": directory "D/x" is absent`},
		"absent in a directory of others": {"D/a/b/g.json", func(t *testing.T, dir string) {
			must(t, os.Chown(dir+"/a/b", 1000, 0))
		}, `read "D/a/b/g.json": directory "D/a/b" belongs to user 1000, want root (0)`},
		"file as a directory": {path: "D/a/b/f.json/g", want: `read "D/a/b/f.json/g": "D/a/b/f.json" is a file, want a directory`},
		"directory":           {path: "D/a/b", want: `read "D/a/b": it is not a regular file`},
		"fifo": {"D/a/fifo", func(t *testing.T, dir string) {
			must(t, unix.Mkfifo(dir+"/a/fifo", 0o600))
		}, `read "D/a/fifo": it is not a regular file`},
		"too large": {"D/a/b/f.json", func(t *testing.T, dir string) {
			put(t, dir+"/a/b/f.json", "123456")
		}, `read "D/a/b/f.json": it is larger than 5 bytes`},
		"relative":   {path: "f.json", want: `read "f.json": want an absolute path without ".", ".." and double slashes`},
		"not clean":  {path: "/run/../f.json", want: `read "/run/../f.json": want an absolute path without ".", ".." and double slashes`},
		"root":       {path: "/", want: `read "/": want an absolute path without ".", ".." and double slashes`},
		"world's":    {path: "/tmp/f.json", want: `read "/tmp/f.json": directory "/tmp" has mode 1777, which lets others than root write it; want at most 1755`},
		"below root": {path: "/bulkhead-absent.json", want: `read "/bulkhead-absent.json": the file is absent`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := trustedDir(t)
			must(t, os.Chmod(dir, 0o755))
			put(t, dir+"/a/b/f.json", "12345")
			if c.prep != nil {
				c.prep(t, dir)
			}
			in := func(s string) string { return strings.ReplaceAll(s, "D/", dir+"/") }
			data, err := ReadTrusted(in(c.path), 5)
			if c.want == "" {
				if err != nil || string(data) != "12345" {
					t.Fatalf("got %q, %v", data, err)
				}
				return
			}
			if err == nil || err.Error() != in(c.want) {
				t.Errorf("got  %v\nwant %s", err, in(c.want))
			}
			if errors.Is(err, ErrAbsent) != strings.HasSuffix(c.want, "is absent") {
				t.Errorf("errors.Is(%v, ErrAbsent) is %v", err, errors.Is(err, ErrAbsent))
			}
		})
	}
}

// userMayWrite is an access control list (acl(5), linux/posix_acl_xattr.h) that lets user 1000 write.
func userMayWrite() []byte {
	list := []byte{2, 0, 0, 0}
	entry := func(tag, perm byte, id [4]byte) { list = append(list, tag, 0, perm, 0, id[0], id[1], id[2], id[3]) }
	none := [4]byte{255, 255, 255, 255}
	entry(0x01, 6, none)
	entry(0x02, 6, [4]byte{0xe8, 3, 0, 0})
	entry(0x04, 4, none)
	entry(0x10, 6, none)
	entry(0x20, 4, none)
	return list
}

func TestLoad(t *testing.T) {
	dir := trustedDir(t)
	put(t, dir+"/site.json", "{\n\"base\": \"restricted\",\n\"limits\": {\"pids\": {\"default\": 5, \"reason\": \"tiny\"}}}")
	put(t, dir+"/typo.json", "{\n\"base\": \"default\",\n\n\n\n\n\"capabilitys\": []}")
	put(t, dir+"/default.json", `{"base": "compatible"}`)
	put(t, dir+"/mine.json", `{"base": "default"}`)
	put(t, dir+"/large.json", `{"base": "default"}`+strings.Repeat(" ", maxFile))
	if err := os.Chown(dir+"/mine.json", 1000, 1000); err != nil {
		t.Fatal(err)
	}
	p, err := Load("site", dir)
	if err != nil || p.Name != "site" || p.Limits.Pids.Default != 5 || p.Rank != 30 {
		t.Errorf("got %q with %d pids and rank %d, %v", p.Name, p.Limits.Pids.Default, p.Rank, err)
	}
	if p, err := Load("default", dir); err != nil || !p.NoNewPrivileges.On {
		t.Errorf("a site's file shadows the built-in profile (%v)", err)
	}
	for name, want := range map[string]string{
		"typo":     `load profile "DIR/typo.json": line 7: unknown key "capabilitys" in the profile`,
		"gone":     `load profile "gone": it is neither built in (compatible, default, restricted) nor in "DIR"`,
		"mine":     `load profile "mine": read "DIR/mine.json": file "mine.json" belongs to user 1000, want root (0)`,
		"large":    `load profile "large": read "DIR/large.json": it is larger than 1048576 bytes`,
		"../site":  `load profile "../site": want lower case letters, digits and dashes, at most 63, beginning with a letter`,
		"":         `load profile "": want lower case letters, digits and dashes, at most 63, beginning with a letter`,
		"Default":  `load profile "Default": want lower case letters, digits and dashes, at most 63, beginning with a letter`,
		"-default": `load profile "-default": want lower case letters, digits and dashes, at most 63, beginning with a letter`,
	} {
		_, err := Load(name, dir)
		if want := strings.ReplaceAll(want, "DIR", dir); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := Builtin("site"); err == nil || err.Error() != `load profile "site": not built in (want one of compatible, default, restricted)` {
		t.Errorf("got %v", err)
	}
}

func TestLoadConfig(t *testing.T) {
	dir := trustedDir(t)
	path := dir + "/bulkhead.json"
	if c, err := LoadConfig(path); err != nil || !reflect.DeepEqual(c, DefaultConfig()) {
		t.Errorf("absent: got %+v, %v", c, err)
	}
	want := Config{Profile: "default", ProfilesDir: "/etc/bulkhead/profiles.d", StateDir: "/run/bulkhead", SeccompDir: "/etc/bulkhead/seccomp.d", RootView: "auto",
		RefusalLog: RefusalLog{Path: "/run/bulkhead/refusals.log", MaxBytes: 1048576}}
	if got := DefaultConfig(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	put(t, path, `{"profile": "restricted", "stateDir": "/run/b"}`)
	want.Profile, want.StateDir, want.RefusalLog.Path = "restricted", "/run/b", "/run/b/refusals.log"
	if got, err := LoadConfig(path); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for file, want := range map[string]string{
		`{"profle": "x"}`:                               `line 1: unknown key "profle" in the configuration`,
		`{"profile": "../x"}`:                           `line 1: profile is "../x", want lower case letters, digits and dashes, at most 63, beginning with a letter`,
		"{\n\"stateDir\": \"run\"}":                     `line 2: stateDir is "run", want an absolute path without ".", ".." and double slashes`,
		`{"profilesDir": "/"}`:                          `line 1: profilesDir is "/", want an absolute path without ".", ".." and double slashes`,
		"{\"refusalLog\": {\n\"path\": \"/a//b\"}}":     `line 2: refusalLog.path is "/a//b", want an absolute path without ".", ".." and double slashes`,
		"{\"refusalLog\": {\n\n\"maxBytes\": 0}}":       `line 3: refusalLog.maxBytes is 0, want 4096 to 1073741824`,
		`{"refusalLog": {"maxBytes": 1, "maxBytes":2}}`: `line 1: key "maxBytes" is twice in refusalLog`,
	} {
		put(t, path, file)
		want = `load configuration "` + path + `": ` + want
		if _, err := LoadConfig(path); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	message := `load configuration: read "` + path + `": file "bulkhead.json" has mode 0666, which lets others than root write it; want at most 0644`
	if _, err := LoadConfig(path); err == nil || err.Error() != message {
		t.Errorf("got  %v\nwant %s", err, message)
	}
}

func TestMapsRoot(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true, // the host's own
		"0 1000 1\n1 100000 65536\n":         false,
		"1 100000 65535\n0 0 1\n":            true, // host root is root inside, so nobody is not host root
		"":                                   true,
		"0 x 1\n":                            true,
	} {
		if got := mapsRoot(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}
