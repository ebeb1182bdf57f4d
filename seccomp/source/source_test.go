package source

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp"
)

var host = Facts{Arch: "amd64", Kernel: Kernel{6, 18}}

func TestFaults(t *testing.T) {
	for in, want := range map[string][]string{
		``:             {"1:1: it ends too early"},
		`{`:            {"1:2: it ends too early"},
		"{\n \"a\" 1}": {`2:6: invalid character '1' after object key`},
		`{} x`:         {`1:4: there is something behind the profile`},
		`[]`:           {`1:1: got a list, want a profile`},
		`{"defaultAction":"SCMP_ACT_ALLOW","defaultAction":"SCMP_ACT_ERRNO"}`: {`1:35: "defaultAction" is given twice`},
		`{}`: {`1:1: defaultAction: it is missing`},
		"{\n  \"defaultAction\": \"SCMP_ACT_ERNO\",\n  \"syscals\": []\n}": {
			`2:20: defaultAction: unknown action "SCMP_ACT_ERNO", did you mean "SCMP_ACT_ERRNO"?`,
			`3:3: unknown key "syscals", did you mean "syscalls"?`,
		},
		`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":4096,"architectures":["SCMP_ARCH_X64"],"flags":["SECCOMP_FILTER_FLAG_LOGS"]}`: {
			`1:53: defaultErrnoRet: got 4096, want at most 4095`,
			`1:75: architectures[0]: unknown architecture "SCMP_ARCH_X64", did you mean "SCMP_ARCH_X86"?`,
			`1:101: flags[0]: unknown flag "SECCOMP_FILTER_FLAG_LOGS", did you mean "SECCOMP_FILTER_FLAG_LOG"?`,
		},
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["opentat","zzzzzzzzzz",7,""],"action":"SCMP_ACT_ALLOW"},3,{"names":[],"act":"x"}]}`: {
			`1:57: syscalls[0].names[0]: unknown system call "opentat", did you mean "openat"?`,
			`1:67: syscalls[0].names[1]: unknown system call "zzzzzzzzzz"`,
			`1:80: syscalls[0].names[2]: got a number, want a string`,
			`1:82: syscalls[0].names[3]: the name is empty`,
			`1:113: syscalls[1]: got a number, want an object`,
			`1:115: syscalls[2].names: it is missing or empty`,
			`1:115: syscalls[2].action: it is missing`,
			`1:127: syscalls[2]: unknown key "act"`,
		},
		`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"value":-1,"op":"EQ"},{"index":1,"value":1.5,"op":"SCMP_CMP_EG"},{}]}]}`: {
			`1:108: syscalls[0].args[0].index: got 6, want at most 5`,
			`1:118: syscalls[0].args[0].value: got -1, want a whole number of at most 64 bits, not negative`,
			`1:126: syscalls[0].args[0].op: unknown operator "EQ"`,
			`1:151: syscalls[0].args[1].value: got 1.5, want a whole number of at most 64 bits, not negative`,
			`1:160: syscalls[0].args[1].op: unknown operator "SCMP_CMP_EG", did you mean "SCMP_CMP_EQ"?`,
			`1:175: syscalls[0].args[2].index: it is missing`,
			`1:175: syscalls[0].args[2].op: it is missing`,
		},
		`{"ociVersion":"1.2.0","linux":{}}`: {`1:1: linux.seccomp: the container has no seccomp profile`},
		`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_6","subArchitectures":[]}],
"syscalls":[{"name":"read","names":["write"],"action":"SCMP_ACT_ERRNO","errnoRet":2,"errno":"EPERM","includes":{"caps":["SYS_ADMIN"],"arches":["amd46"],"minKernel":"x"}}]}`: {
			`1:79: archMap: architectures and archMap are both given`,
			`1:80: archMap[0].architecture: unknown architecture "SCMP_ARCH_X86_6", did you mean "SCMP_ARCH_X86_64"?`,
			`2:21: syscalls[0].name: name and names are both given`,
			`2:93: syscalls[0].errno: EPERM is 1, but errnoRet is 2`,
			`2:121: syscalls[0].includes.caps[0]: unknown capability "SYS_ADMIN", want CAP_NAME`,
			`2:144: syscalls[0].includes.arches[0]: unknown architecture "amd46", did you mean "amd64"?`,
			`2:165: syscalls[0].includes.minKernel: read kernel version "x": want MAJOR.MINOR`,
		},
		"{\"defaultAction\":\"\xff\"}": {"1:19: it is not UTF-8"},
		strings.Repeat("[", 100):       {"1:66: it is nested too deep"},
	} {
		_, err := Parse([]byte(in), host, Options{})
		var got Faults
		if !errors.As(err, &got) {
			t.Errorf("%s: got %v, want faults", in, err)
			continue
		}
		lines := make([]string, len(got))
		for i, f := range got {
			lines[i] = f.Error()
		}
		if !reflect.DeepEqual(lines, want) {
			t.Errorf("%s:\n got %s\nwant %s", in, strings.Join(lines, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

const docker = `{
 "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
 "archMap": [
  {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
  {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}
 ],
 "syscalls": [
  {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
  {"name": "mseal", "action": "SCMP_ACT_ALLOW", "args": null, "comment": "newer than libseccomp 2.5"},
  {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
  {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64", "x32"]}, "excludes": {}},
  {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
  {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}],
   "excludes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["s390", "s390x"]}},
  {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS", "excludes": {"caps": ["CAP_SYS_ADMIN"], "minKernel": "7.0"}}
 ]
}`

func TestDocker(t *testing.T) {
	names := func(f Facts) (out []string) {
		s, err := Parse([]byte(docker), f, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !s.Docker {
			t.Error("it is Docker's form")
		}
		for _, a := range s.OCI.Architectures {
			out = append(out, string(a))
		}
		for _, c := range s.Profile.Calls {
			out = append(out, c.Name)
		}
		return out
	}
	for _, c := range []struct {
		facts Facts
		want  string
	}{
		{host, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 arch_prctl clone clone3 mseal ptrace read write"},
		{Facts{Arch: "arm64", Kernel: Kernel{4, 4}}, "SCMP_ARCH_AARCH64 SCMP_ARCH_ARM clone clone3 mseal read write"},
		{Facts{Arch: "s390x", Kernel: Kernel{7, 0}}, "mseal ptrace read write"},
		{Facts{Arch: "amd64", Caps: []string{"CAP_SYS_ADMIN"}}, "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 arch_prctl mount mseal ptrace read write"},
	} {
		if got := strings.Join(names(c.facts), " "); got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.facts, got, c.want)
		}
	}
	s, err := Parse([]byte(docker), host, Options{})
	if err != nil {
		t.Fatal(err)
	}
	when := make([]string, 0, len(s.Entries))
	for _, e := range s.Entries {
		when = append(when, e.When)
	}
	want := []string{"", "", "from Linux 4.8 on", "on amd64, x32", "with CAP_SYS_ADMIN", "without CAP_SYS_ADMIN, not on s390, s390x",
		"without CAP_SYS_ADMIN, before Linux 7.0"}
	if !reflect.DeepEqual(when, want) {
		t.Errorf("got %q, want %q", when, want)
	}
	if e := s.Entries[1]; e.Line != 9 || e.Column != 3 || e.Comment == "" || e.Path != "syscalls[1]" || !e.Holds || e.Index != 1 {
		t.Errorf("got %+v", e)
	}
	if v := s.Profile.Evaluate("clone3", [6]uint64{}); v != (seccomp.Verdict{Action: seccomp.Errno, Errno: 38}) {
		t.Errorf("clone3 gets %v", v)
	}
}

// Every engine's profile is clean under the strict reading, alone and in a config.json.
func TestEngines(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no profiles", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Parse(text, host, Options{})
		if err != nil || alone.Docker {
			t.Errorf("%s: %v, docker %v", f, err, alone != nil && alone.Docker)
			continue
		}
		config := `{"ociVersion":"1.2.0","linux":{"namespaces":[],"seccomp":` + string(text) + `}}`
		inside, err := Parse([]byte(config), host, Options{})
		if err != nil || !reflect.DeepEqual(inside.OCI, alone.OCI) {
			t.Errorf("%s in a config.json: %v", f, err)
		}
	}
}

func TestKeepUnknown(t *testing.T) {
	s, err := Parse([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","brandnew"],"action":"SCMP_ACT_ALLOW"}]}`), host, Options{KeepUnknown: true})
	if err != nil || len(s.Entries[0].Unknown) != 1 || len(s.Profile.Calls) != 2 {
		t.Errorf("got %+v, %v", s, err)
	}
}

// What a text is, it never panics, and every fault has a place inside it.
func FuzzParse(f *testing.F) {
	f.Add([]byte(docker))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"SCMP_CMP_EQ"}]}]}`))
	f.Add([]byte(`{"linux":{"seccomp":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text, host, Options{})
		var faults Faults
		if err == nil {
			if again, err := seccomp.FromOCI(s.OCI, "amd64"); err != nil || !reflect.DeepEqual(again, s.Profile) {
				t.Fatalf("the OCI form means something else (%v)", err)
			}
			return
		}
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("got %v, which is no list of faults", err)
		}
		for _, x := range faults {
			if x.Line < 1 || x.Line > 1+strings.Count(string(text), "\n") || x.Column < 1 || x.Column > len(text)+1 {
				t.Fatalf("%v is outside of the text", x)
			}
		}
	})
}
