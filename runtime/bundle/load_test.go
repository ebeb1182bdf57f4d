package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

func writeBundle(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

const small = `{"ociVersion":"1.0.2","process":{"user":{"uid":0,"gid":0},"args":["sh"],"cwd":"/"},"root":{"path":"rootfs"}}`

// with is the small config with one text replaced.
func with(old, new string) string { return strings.Replace(small, old, new, 1) }

// linux is the small config with a linux object.
func linux(object string) string { return with(`"root"`, `"linux":`+object+`,"root"`) }

func mounts(array string) string { return with(`"root"`, `"mounts":`+array+`,"root"`) }

func TestLoadWhatEnginesWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/specs/*.json")
	if err != nil || len(files) < 7 {
		t.Fatalf("found %d specs, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, notes, err := Load(writeBundle(t, string(data)))
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) != 0 {
				t.Errorf("notes %q, want none", notes)
			}
			if spec.Process.Args[0] == "" || len(spec.Mounts) == 0 || len(spec.Linux.Namespaces) == 0 {
				t.Errorf("spec is half empty: %+v", spec)
			}
		})
	}
}

func TestLoadNotes(t *testing.T) {
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"none", small, nil},
		{"top level", with(`"root"`, `"new":{"a":1},"root"`), []string{"new"}},
		{"deep", linux(`{"newThing":[1,{"x":null}],"resources":{"memory":{"hot":1}}}`), []string{"linux.newThing", "linux.resources.memory.hot"}},
		{"in arrays", mounts(`[{"destination":"/a"},{"destination":"/b","fancy":true}]`), []string{"mounts[1].fancy"}},
		{"in maps", linux(`{"timeOffsets":{"monotonic":{"secs":1,"mins":2}}}`), []string{"linux.timeOffsets.monotonic.mins"}},
		{"keys of maps are data", with(`"root"`, `"annotations":{"Process":"x","a.b/c":""},"root"`), nil},
		{"promoted field", linux(`{"resources":{"blockIO":{"weightDevice":[{"major":8,"minor":0,"weight":10,"x":1}]}}}`), []string{"linux.resources.blockIO.weightDevice[0].x"}},
		{"odd name", with(`"root"`, `"a b\nc":1,"root"`), []string{`"a b\nc"`}},
		{"known elsewhere only", with(`"root"`, `"args":["x"],"root"`), []string{"args"}},
		{"other platforms", with(`"root"`, `"windows":{"layerFolders":["a"],"credentialSpec":{"X":[1]}},"root"`), nil},
		{"newer minor version", with("1.0.2", "1.99.0"), []string{"ociVersion"}},
		{"newer major version", with("1.0.2", "2.0.0"), []string{"ociVersion"}},
		{"no version at all", with("1.0.2", "next"), nil},
		{"escaped names are read", with(`"root"`, `"roo\u0074"`), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, notes, err := Load(writeBundle(t, c.config))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(notes, c.want) {
				t.Errorf("notes %q, want %q", notes, c.want)
			}
		})
	}
}

func TestLoadBoundsNotes(t *testing.T) {
	var many strings.Builder
	for i := range 500 {
		many.WriteString(`"u` + strings.Repeat("x", i) + `":1,`)
	}
	_, notes, err := Load(writeBundle(t, with(`"root"`, many.String()+`"root"`)))
	if err != nil {
		t.Fatal(err)
	}
	if len(notes) != plainjson.MaxUnknown+1 || notes[plainjson.MaxUnknown] != "(more)" {
		t.Errorf("%d notes, the last %q", len(notes), notes[len(notes)-1])
	}
}

func TestLoadOtherFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "not found"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "is a folder, want a regular file"},
		{"fifo", func(p string) error { return unix.Mkfifo(p, 0o600) }, "is a fifo, want a regular file"},
		{"device", func(p string) error { return unix.Mknod(p, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) }, "is a char device, want a regular file"},
		{"loop", func(p string) error { return os.Symlink(p, p) }, "too many symbolic links"},
		{"too large", func(p string) error {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(p, maxFile+1)
		}, "is larger than 16777216 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.make(filepath.Join(dir, "config.json")); err != nil {
				t.Fatal(err)
			}
			_, _, err := Load(dir)
			if want := `load bundle "` + dir + `": config.json: ` + c.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

func TestLoadProcess(t *testing.T) {
	p, notes, err := LoadProcess(strings.NewReader(`{"user":{"uid":1,"gid":2},"args":["ls"],"cwd":"/tmp","new":1}`))
	if err != nil || p.User.GID != 2 || !slices.Equal(notes, []string{"new"}) {
		t.Fatalf("%+v %q %v", p, notes, err)
	}
	_, _, err = LoadProcess(strings.NewReader(`{"args":[],"cwd":"/"}`))
	if err == nil || err.Error() != "load process: args is empty" {
		t.Error(err)
	}
	_, _, err = LoadProcess(strings.NewReader(``))
	if err == nil || err.Error() != "load process: invalid JSON at byte 0: unexpected end of JSON input" {
		t.Error(err)
	}
}

func TestLoadResources(t *testing.T) {
	r, notes, err := LoadResources(strings.NewReader(`{"memory":{"limit":-1,"new":1},"pids":{"limit":5}}`))
	if err != nil || *r.Pids.Limit != 5 || !slices.Equal(notes, []string{"memory.new"}) {
		t.Fatalf("%+v %q %v", r, notes, err)
	}
	_, _, err = LoadResources(strings.NewReader(`{"memory":{"limit":-2}}`))
	if err == nil || err.Error() != "load resources: memory.limit is -2, want at least -1" {
		t.Error(err)
	}
}

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile("testdata/specs/docker-29-run.json")
	if err != nil {
		b.Fatal(err)
	}
	dir := writeBundle(b, string(data))
	for b.Loop() {
		if _, _, err := Load(dir); err != nil {
			b.Fatal(err)
		}
	}
}
