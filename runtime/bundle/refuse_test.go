package bundle

import (
	"bytes"
	"encoding"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/internal/plainjson"
)

func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{"empty", ``, "invalid JSON at byte 0: unexpected end of JSON input"},
		{"null", `null`, "want one JSON object"},
		{"array", `[1]`, "want one JSON object"},
		{"trailing data", small + ` {}`, "invalid JSON at byte 110: invalid character '{' after top-level value"},
		{"cut off", small[:40], "invalid JSON at byte 40: unexpected end of JSON input"},
		{"other case", with(`"process"`, `"Process"`), `Process differs from the property "process" only in case`},
		{"both cases", with(`"root"`, `"PROCESS":{},"root"`), `PROCESS differs from the property "process" only in case`},
		{"letters that fold", with(`"process"`, `"proce\u017fs"`), `"proce\u017fs" differs from the property "process" only in case`},
		{"other case, deep", linux(`{"seccomp":{"defaultaction":"SCMP_ACT_ALLOW"}}`), `linux.seccomp.defaultaction differs from the property "defaultAction" only in case`},
		{"twice", with(`"root"`, `"process":{"args":["id"],"cwd":"/"},"root"`), "process is given twice"},
		{"twice, one escaped", with(`"root"`, `"\u0070rocess":{},"root"`), "process is given twice"},
		{"twice in a map", linux(`{"sysctl":{"a":"1","\u0061":"2"}}`), "linux.sysctl.a is given twice"},
		{"unknown twice", with(`"root"`, `"x":1,"x":2,"root"`), "x is given twice"},
		{"NUL", with(`["sh"]`, `["sh","a\u0000b"]`), "process.args[1] has a NUL byte"},
		{"NUL in a path", mounts(`[{"destination":"/a\u0000"}]`), "mounts[0].destination has a NUL byte"},
		{"wrong type", with(`["sh"]`, `"sh"`), "process.args is a string, want an array"},
		{"negative ID", with(`"uid":0`, `"uid":-1`), "process.user.uid is a number -1, want a whole number from 0 to 4294967295"},
		{"large ID", with(`"uid":0`, `"uid":4294967296`), "process.user.uid is a number 4294967296, want a whole number from 0 to 4294967295"},
		{"no ID", with(`"uid":0`, `"uid":4294967295`), "process.user.uid is 4294967295, want at most 4294967294"},
		{"no group", with(`"gid":0`, `"gid":0,"additionalGids":[1,4294967295]`), "process.user.additionalGids[1] is 4294967295, want at most 4294967294"},
		{"umask", with(`"gid":0`, `"gid":0,"umask":512`), "process.user.umask is 01000, want at most 0777"},
		{"no root", with(`,"root":{"path":"rootfs"}`, ``), "root is missing"},
		{"empty root", with(`rootfs`, ``), "root.path is empty"},
		{"no process", `{"root":{"path":"r"}}`, "process is missing"},
		{"no args", with(`["sh"]`, `[]`), "process.args is empty"},
		{"empty arg", with(`["sh"]`, `[""]`), "process.args[0] is empty"},
		{"cwd", with(`"cwd":"/"`, `"cwd":"a"`), `process.cwd is "a", want an absolute path`},
		{"env", with(`"cwd"`, `"env":["A=b","SECRET"],"cwd"`), "process.env[1] is no NAME=VALUE"},
		{"env without a name", with(`"cwd"`, `"env":["=b"],"cwd"`), "process.env[0] is no NAME=VALUE"},
		{"rlimit twice", with(`"cwd"`, `"rlimits":[{"type":"RLIMIT_CPU","hard":1,"soft":1},{"type":"RLIMIT_CPU","hard":1,"soft":1}],"cwd"`), `process.rlimits[1].type is "RLIMIT_CPU" a second time`},
		{"rlimit", with(`"cwd"`, `"rlimits":[{"type":"RLIMIT_CPU","hard":1,"soft":2}],"cwd"`), "process.rlimits[0].soft is 2, want at most hard, which is 1"},
		{"hostname", with(`"root"`, `"hostname":"`+strings.Repeat("a", 65)+`","root"`), "hostname has 65 bytes, want at most 64"},
		{"destination", mounts(`[{"destination":"a"}]`), `mounts[0].destination is "a", want an absolute path`},
		{"bind of nothing", mounts(`[{"destination":"/a","type":"bind"}]`), "mounts[0].source is empty, want the path to bind"},
		{"long destination", mounts(`[{"destination":"/` + strings.Repeat("a", 4095) + `"}]`), "mounts[0].destination has 4096 bytes, want at most 4095"},
		{"many mounts", mounts(`[{"destination":"/a"}` + strings.Repeat(`,{"destination":"/a"}`, 4096) + `]`), "mounts has 4097 elements, want at most 4096"},
		{"very many elements", mounts(`[{}` + strings.Repeat(`,{}`, plainjson.MaxElements) + `]`), "mounts[262143] is one element too many, want at most 262144 in the whole file"},
		{"namespace type", linux(`{"namespaces":[{"type":"net"}]}`), `linux.namespaces[0].type is "net", want one of cgroup, ipc, mount, network, pid, time, user, uts`},
		{"namespace twice", linux(`{"namespaces":[{"type":"pid"},{"type":"pid","path":"/x"}]}`), `linux.namespaces[1].type is "pid" a second time`},
		{"namespace path", linux(`{"namespaces":[{"type":"pid","path":"x"}]}`), `linux.namespaces[0].path is "x", want an absolute path`},
		{"mapping size", linux(`{"uidMappings":[{"containerID":0,"hostID":1,"size":0}]}`), "linux.uidMappings[0].size is 0, want at least 1"},
		{"mapping host end", linux(`{"gidMappings":[{"containerID":0,"hostID":2,"size":4294967295}]}`), "linux.gidMappings[0] ends at hostID 4294967296, want at most 4294967294"},
		{"mapping container end", linux(`{"gidMappings":[{"containerID":1,"hostID":0,"size":4294967295}]}`), "linux.gidMappings[0] ends at containerID 4294967295, want at most 4294967294"},
		{"device type", linux(`{"devices":[{"path":"/dev/x","type":"x"}]}`), `linux.devices[0].type is "x", want b, c, u or p`},
		{"device number", linux(`{"devices":[{"path":"/dev/x","type":"c","major":-1}]}`), "linux.devices[0].major is -1, want 0 to 4095"},
		{"device rule", linux(`{"resources":{"devices":[{"allow":true,"access":"rwx"}]}}`), `linux.resources.devices[0].access is "rwx", want letters of rwm`},
		{"pids", linux(`{"resources":{"pids":{"limit":-2}}}`), "linux.resources.pids.limit is -2, want at least -1"},
		{"throttle", linux(`{"resources":{"blockIO":{"throttleReadBpsDevice":[{"major":-8,"minor":0}]}}}`), "linux.resources.blockIO.throttleReadBpsDevice[0].major is -8, want 0 to 4095"},
		{"clock", linux(`{"timeOffsets":{"realtime":{"secs":1}}}`), `linux.timeOffsets has the clock "realtime", want monotonic or boottime`},
		{"hook", with(`"root"`, `"hooks":{"prestart":[{"path":"x"}]},"root"`), `hooks.prestart[0].path is "x", want an absolute path`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := writeBundle(t, c.config)
			_, _, err := Load(dir)
			if want := `load bundle "` + dir + `": config.json: ` + c.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// FuzzLoad: no input panics; what loads is what encoding/json reads, and loads again from its own JSON; without a note a strict reader
// sees the same.
func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/specs/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range []string{small, with("root", "Root"), `{"a":[{"b":"\\"}]}`, `{"root":{"path":"\ud800"}}`, "{\"\xff\":1}", `{"linux":{"resources":null}}`,
		with(`"root"`, `"hostname":"\ud83d\ude00 \xff\u0041","annotations":{"a":"\n","\u00e9":null},"mounts":[],"hooks":null,"root"`),
		with(`"root"`, `"linux":{"resources":{"memory":{"limit":-1,"swap":null},"pids":{"limit":1e3},"cpu":{"shares":18446744073709551615}}},"root"`),
		with(`"root"`, `"windows":{"credentialSpec":{"a":[1]}},"root"`), with("rootfs", "root\tfs"), with(`"uid":0`, `"uid":-0`), with(`["sh"]`, `["sh",]`), with(`"cwd"`, `"terminal":tru,"cwd"`),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, notes, err := parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "BUG") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q", err)
			}
			return
		}
		var usual specs.Spec
		if err := json.Unmarshal(data, &usual); err != nil || !reflect.DeepEqual(*spec, usual) {
			t.Errorf("reads as\n%s\nand in encoding/json as (%v)\n%s", show(spec), err, show(usual))
		}
		again, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := parse(again); err != nil {
			t.Errorf("does not load again: %v", err)
		}
		if len(notes) > 0 {
			return
		}
		strict := json.NewDecoder(bytes.NewReader(data))
		strict.DisallowUnknownFields()
		if err := strict.Decode(new(specs.Spec)); err != nil {
			t.Errorf("no note, but %v", err)
		}
	})
}

func show(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// TestSpecIsPlain: what package plainjson leaves to encoding/json is not looked into for unknown properties and has no bounds, so no type of
// the runtime-spec may have a reader of its own, an option that changes how a value is read, an embedded pointer, or very many fields.
func TestSpecIsPlain(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var visit func(typ reflect.Type, path string)
	visit = func(typ reflect.Type, path string) {
		for _, reader := range []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[encoding.TextUnmarshaler]()} {
			if reflect.PointerTo(typ).Implements(reader) {
				t.Errorf("%s has a reader of its own, %v", path, reader)
			}
		}
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice:
			visit(typ.Elem(), path)
		case reflect.Map:
			visit(typ.Key(), path+" key")
			visit(typ.Elem(), path)
		case reflect.Struct:
			if seen[typ] {
				return
			}
			seen[typ] = true
			if typ.NumField() > 64 {
				t.Errorf("%s has %d fields", path, typ.NumField())
			}
			for i := range typ.NumField() {
				f := typ.Field(i)
				_, options, _ := strings.Cut(f.Tag.Get("json"), ",")
				if strings.Contains(options, "string") || f.Anonymous && f.Type.Kind() != reflect.Struct || f.Tag.Get("json") == "" && !f.Anonymous {
					t.Errorf("%s.%s is read in another way", path, f.Name)
				}
				visit(f.Type, path+"."+f.Name)
			}
		}
	}
	visit(reflect.TypeFor[specs.Spec](), "spec")
	if len(seen) < 50 {
		t.Errorf("%d types of structs were seen, want all of the runtime-spec", len(seen))
	}
}
