package recording

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var began = time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)

// full is a recording that uses every key of the format.
func full() *Recording {
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	return &Recording{
		Version: Version, Name: "web", Container: "3fa9", Image: "docker.io/library/nginx:1.27", Command: []string{"nginx", "-g", "daemon off;"},
		Recorder: ByBPF, Runtime: "1.0.0", Kernel: "6.18.1", Libc: "glibc 2.36", Architecture: "SCMP_ARCH_X86_64", Profile: "default",
		Started: began, Ended: at(60),
		Phases: []Phase{{Startup, at(0), ByExec}, {Serving, at(3), ByListen}},
		Calls: []Call{
			{Name: "", Number: 999, Seen: []Seen{{Serving, 1, at(9), at(9)}}, Denied: 1},
			{Name: "read", Number: 0, Seen: []Seen{{Startup, 3, at(0), at(2)}, {Serving, 5, at(3), at(59)}}},
			{Name: "socket", Number: 41, Seen: []Seen{{Startup, 4, at(0), at(1)}}, Arguments: &Arguments{
				Indices: []int{0, 1, 2}, Masks: []uint64{0xffffffff, 0xf, 0xffffffff},
				Values: []Combination{{[]uint64{1, 1, 0}, 1}, {[]uint64{2, 1, 6}, 3}},
			}},
			{Name: "write", Number: 4, Architecture: "SCMP_ARCH_X86", Seen: []Seen{{Startup, 1, at(0), at(0)}}},
		},
		Unseen: []Unseen{{Name: "close", Number: 3}, {Name: "futex", Number: 202, Arguments: &Arguments{Indices: []int{1}, Masks: []uint64{255}, Any: true}}},
	}
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "web.json")
	// What a crash of a writer left.
	if err := os.WriteFile(filepath.Join(dir, ".web.json.tmp"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := full()
	empty.Unseen = nil
	empty.Calls, empty.Ended, empty.Losses = nil, time.Time{}, Losses{Calls: 2, Combinations: 1, CutShort: true}
	for _, r := range []*Recording{full(), empty} {
		for _, write := range []func(string, *Recording) error{Write, WriteDurably} {
			if err := write(file, r); err != nil {
				t.Fatal(err)
			}
			got, err := Read(file)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Calls) == 0 {
				got.Calls = nil
			}
			if !reflect.DeepEqual(got, r) {
				t.Errorf("got %+v\nwant %+v", got, r)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "taken"), 0o700); err != nil {
		t.Fatal(err)
	}
	wrong := full()
	wrong.Calls[1].Denied = 9
	for _, c := range []struct {
		file, want string
		r          *Recording
	}{
		{"a.json", `write recording "` + dir + `/a.json": calls[1].denied: got 9 of 8 calls`, wrong},
		{"none/a.json", "write recording: open " + dir + "/none/.a.json.tmp: no such file or directory", full()},
		{"taken", "write recording: rename " + dir + "/.taken.tmp " + dir + "/taken: file exists", full()},
	} {
		if err := Write(filepath.Join(dir, c.file), c.r); err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// Each change of a valid text is refused with its place.
func TestParseFaults(t *testing.T) {
	text, err := Text(full())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"{", "", "2:13: there is something behind the recording"},
		{`"version": 1`, `"version": 2, "later": true`, "2:13: version: got 2, want at most 1: a newer bulkhead wrote the recording"},
		{`"version": 1`, `"version": "1"`, "2:13: version: got a string, want a number"},
		{`"version": 1`, `"version": 0`, "2:13: version: got 0, want 1 to 1"},
		{` "version": 1,`, ``, "1:1: version: it is missing"},
		{`"name"`, `"nane"`, `3:2: unknown key "nane", did you mean "name"?`},
		{`"name": "web"`, `"name": "web", "name": "web"`, `3:17: "name" is given twice`},
		{`"name": "web"`, `"name": null`, `3:10: name: got null, want a string`},
		{`"name": "web",`, ``, `1:1: name: it is missing`},
		{`"daemon off;"`, `7`, "9:3: command[2]: got a number, want a string"},
		{`"recorder": "bpf"`, `"recorder": "guess"`, `11:14: recorder: got "guess", want "bpf" or "notify"`},
		{`"architecture": "SCMP_ARCH_X86_64"`, `"architecture": "SCMP_ARCH_S390X"`, `15:18: architecture: got "SCMP_ARCH_S390X", want SCMP_ARCH_X86_64 or SCMP_ARCH_AARCH64`},
		{`"started": "2026-01-02T15:04:05Z"`, `"started": "yesterday"`, `17:13: started: got "yesterday", want a time such as 2026-01-02T15:04:05Z`},
		{`"started": "2026`, `"started": "2027`, `18:11: ended: it is before started`},
		{`"losses": {}`, `"losses": {"cutShort": true}`, `137:25: losses.cutShort: it is true, but the recording has an end`},
		{`"losses": {}`, `"losses": []`, `137:12: losses: got a list, want an object`},
		{`"losses": {}`, `"losses": {"calls": -1}`, `137:22: losses.calls: got -1, want a whole number of at most 64 bits, not negative`},
		{`"name": "serving"`, `"name": "startup"`, `26:12: phases[1].name: got "startup", want "startup", then "serving"`},
		{`"by": "listen"`, `"by": "luck"`, `28:10: phases[1].by: got "luck", want one of exec, listen, accept, mark, join`},
		{`"number": 0`, `"number": 1`, `44:3: calls[1]: number 1 of SCMP_ARCH_X86_64 is write, got the name "read"`},
		{`"number": 41`, `"number": 9999`, `62:3: calls[2]: socket of SCMP_ARCH_X86_64 is number 41, got 9999`},
		{`"name": "read"`, `"name": "REA D"`, `45:12: calls[1].name: got "REA D", want the name of a system call`},
		{`"name": "read"`, `"name": "write"`, `44:3: calls[1]: number 0 of SCMP_ARCH_X86_64 is read, got the name "write"`},
		{`"architecture": "SCMP_ARCH_X86"`, `"architecture": "SCMP_ARCH_ARM"`, `107:20: calls[3].architecture: got "SCMP_ARCH_ARM", want one of SCMP_ARCH_X32, SCMP_ARCH_X86 beside SCMP_ARCH_X86_64`},
		{"   \"name\": \"write\",\n   \"number\": 4,\n   \"architecture\": \"SCMP_ARCH_X86\"", "   \"name\": \"accept\",\n   \"number\": 43", `104:3: calls[3]: accept stands behind socket: want them sorted by architecture, name and number`},
		{"   \"name\": \"write\",\n   \"number\": 4,\n   \"architecture\": \"SCMP_ARCH_X86\"", "   \"name\": \"socket\",\n   \"number\": 41", `104:3: calls[3]: socket is given twice`},
		{`"phase": "serving"`, `"phase": "ending"`, `36:15: calls[0].seen[0].phase: got "ending", which is none of phases`},
		{`"phase": "startup"`, `"phase": "serving"`, `55:15: calls[1].seen[1].phase: "serving" stands twice or behind a later one`},
		{`"count": 5`, `"count": 0`, `56:15: calls[1].seen[1].count: got 0, want at least 1`},
		{`"last": "2026-01-02T15:05:04Z"`, `"last": "2026-01-02T15:04:06Z"`, `58:14: calls[1].seen[1].last: it is before first`},
		{`"denied": 1`, `"denied": 2`, `42:14: calls[0].denied: got 2 of 1 calls`},
		{"     0,\n     1,\n     2\n", "     0,\n     2,\n     1\n", `77:6: calls[2].arguments.indices[2]: got 1, want 0 to 5, ascending`},
		{"     0,\n     1,\n     2\n", "     0,\n     1\n", `78:14: calls[2].arguments.masks: got 3, want one for each of 2 indices`},
		{"     15,", "     0,", `81:6: calls[2].arguments.masks[1]: got 0: no bit of the argument is recorded`},
		{"       6\n", "       16,2\n", `94:17: calls[2].arguments.values[1].values: got 4, want one for each of 3 indices`},
		{"       2,\n       1,\n", "       2,\n       17,\n", `96:8: calls[2].arguments.values[1].values[1]: got 17, which has bits outside of the mask 15`},
		{"       2,\n       1,\n", "       1,\n       0,\n", `93:6: calls[2].arguments.values[1]: it stands twice or behind a larger one`},
		{`"name": "close"`, `"name": ""`, `120:12: unseen[0].name: got "", want the name of a system call`},
		{`"name": "close"`, `"name": "gone"`, `119:3: unseen[0]: number 3 of SCMP_ARCH_X86_64 is close, got the name "gone"`},
		{"\"name\": \"close\",\n   \"number\": 3", "\"name\": \"futex\",\n   \"number\": 202", `123:3: unseen[1]: futex stands behind futex: want them sorted by name, each once`},
		{"     255\n", "     0\n", `131:6: unseen[1].arguments.masks[0]: got 0: no bit of the argument is recorded`},
		{`"values": [`, `"any": true, "values": [`, `84:28: calls[2].arguments.values: there are some, but any is true`},
	} {
		bad := strings.Replace(string(text), c.old, c.new, 1)
		if bad == string(text) {
			t.Fatalf("%q is not in the text", c.old)
		}
		_, err := Parse([]byte(bad))
		var fault *Fault
		if err == nil || !errors.As(err, &fault) || err.Error() != c.want {
			t.Errorf("%s: got  %v\nwant %s", c.new, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "r.json")
	if err := os.WriteFile(file, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(file); err == nil || err.Error() != "read recording: "+file+":1:1: got a list, want a recording" {
		t.Errorf("got %v", err)
	}
	if _, err := Read(file + "x"); err == nil || err.Error() != "read recording: open "+file+"x: no such file or directory" {
		t.Errorf("got %v", err)
	}
}
