package profiles

import (
	"os"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestSeccompFor(t *testing.T) {
	c := Config{SeccompMap: []SeccompMapping{
		{Image: "docker.io/library/nginx", Profile: "nginx"},
		{Image: "docker.io/library/nginx:1.27", Profile: "nginx-127"},
		{Image: "docker.io/library/nginx:1.27@sha256:0a", Profile: "nginx-pinned"},
		{Image: "localhost:5000/web", Profile: "web"},
		{Annotation: "com.example.job", Value: "build", Profile: "build"},
		{Annotation: "com.example.team", Value: "blue", Profile: "blue"},
		{Annotation: "com.example.empty", Profile: "empty"},
	}}
	const cri, crio = "io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName"
	for _, x := range []struct {
		annotations map[string]string
		want        string
	}{
		{map[string]string{cri: "docker.io/library/nginx:1.26"}, "nginx"},
		{map[string]string{cri: "docker.io/library/nginx"}, "nginx"},
		{map[string]string{crio: "docker.io/library/nginx:1.27"}, "nginx-127"},
		{map[string]string{cri: "docker.io/library/nginx:1.27@sha256:0b"}, "nginx-127"},
		{map[string]string{cri: "docker.io/library/nginx:1.27@sha256:0a"}, "nginx-pinned"},
		{map[string]string{cri: "docker.io/library/nginx@sha256:0a"}, "nginx"},
		{map[string]string{cri: "docker.io/library/nginx-unprivileged:1.27"}, ""},
		{map[string]string{cri: "nginx:1.27"}, ""},
		{map[string]string{cri: "localhost:5000/web"}, "web"},
		{map[string]string{cri: "localhost:5000/web:2"}, "web"},
		{map[string]string{cri: "localhost:5000"}, ""},
		{map[string]string{"com.example.job": "build"}, "build"},
		{map[string]string{"com.example.job": "build", "com.example.team": "blue"}, "build"},
		{map[string]string{"com.example.job": "builds", "com.example.team": "blue"}, "blue"},
		{map[string]string{"com.example.empty": ""}, "empty"},
		// The engine's word for the image comes before what a user may have written.
		{map[string]string{"com.example.job": "build", cri: "docker.io/library/nginx:9"}, "nginx"},
		{nil, ""},
	} {
		got, ok := c.SeccompFor(x.annotations)
		if got.Profile != x.want || ok != (x.want != "") {
			t.Errorf("%v: got %q, %v, want %q", x.annotations, got.Profile, ok, x.want)
		}
	}
}

func TestSeccompMapIsChecked(t *testing.T) {
	for text, want := range map[string]string{
		`{"seccompMap": [{"image": "a", "profile": "x"}, {"annotation": "k", "value": "v", "profile": "y"}]}`:   "",
		"{\"seccompMap\": [\n{\"image\": \"a\", \"profile\": \"x\"},\n{\"image\": \"a\", \"profile\": \"y\"}]}": `line 3: seccompMap[1] is about image "a", which is mapped above`,
		`{"seccompMap": [{"profile": "x"}]}`:                                                                       `line 1: seccompMap[0] names both or none of an image and an annotation, want one of them`,
		`{"seccompMap": [{"image": "a", "annotation": "k", "profile": "x"}]}`:                                      `line 1: seccompMap[0] names both or none of an image and an annotation, want one of them`,
		`{"seccompMap": [{"image": "a", "value": "v", "profile": "x"}]}`:                                           `line 1: seccompMap[0].value is "v", but only an annotation has a value`,
		`{"seccompMap": [{"image": "a b", "profile": "x"}]}`:                                                       `line 1: seccompMap[0].image is "a b", want a name without spaces`,
		`{"seccompMap": [{"image": "a", "profile": "../x"}]}`:                                                      `line 1: seccompMap[0].profile is "../x", want lower case letters, digits and dashes, at most 63, beginning with a letter`,
		`{"seccompMap": [{"image": "a", "profile": "x", "regex": true}]}`:                                          `line 1: unknown key "regex" in seccompMap[0]`,
		"{\"seccompDir\":\n\"seccomp.d\"}":                                                                         `line 2: seccompDir is "seccomp.d", want an absolute path without ".", ".." and double slashes`,
		`{"seccompMap": [{"annotation": "k", "profile": "x"}, {"annotation": "k", "value": "v", "profile": "x"}]}`: "",
	} {
		_, err := parseConfig([]byte(text))
		if got := errorText(err); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestParseSeccompFile(t *testing.T) {
	f, err := ParseSeccompFile([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 0, "architectures": ["SCMP_ARCH_X86_64"],
		"syscalls": [{"names": ["socket"], "action": "SCMP_ACT_ALLOW", "comment": "c", "errnoRet": 5,
			"args": [{"index": 1, "value": 18446744073709551615, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Seccomp
	if s.DefaultErrnoRet == nil || *s.DefaultErrnoRet != 0 || len(s.Syscalls) != 1 || *s.Syscalls[0].ErrnoRet != 5 ||
		s.Syscalls[0].Args[0] != (specs.LinuxSeccompArg{Index: 1, Value: 1<<64 - 1, ValueTwo: 3, Op: specs.OpMaskedEqual}) || s.Architectures[0] != specs.ArchX86_64 {
		t.Errorf("got %+v", s)
	}
	if f.RecordedOn != nil {
		t.Errorf("got %+v", f.RecordedOn)
	}
	for text, want := range map[string]string{
		"{\"defaultAction\":\n null}":                                 `line 2: defaultAction is null, want a string`,
		"{\"defaultErrnoRet\":\n null}":                               `line 2: defaultErrnoRet is null, want a value`,
		`{"defaultErrnoRet": -1}`:                                     `line 1: defaultErrnoRet is -1, want a number from 0 to 18446744073709551615`,
		"{\"syscalls\": [\n{\"name\": \"read\"}]}":                    `line 2: unknown key "name" in syscalls[0]`,
		`{"syscalls": [{"args": [{"value": 18446744073709551616}]}]}`: `line 1: syscalls[0].args[0].value is 18446744073709551616, want a whole number of 64 bits`,
	} {
		if _, err := ParseSeccompFile([]byte(text)); errorText(err) != want {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestListSeccompFiles(t *testing.T) {
	dir := trustedDir(t)
	c := Config{SeccompDir: dir + "/seccomp.d"}
	if names, err := c.ListSeccompFiles(); err != nil || names != nil {
		t.Errorf("absent: got %v, %v", names, err)
	}
	if err := os.Mkdir(c.SeccompDir, 0o755); err != nil { //nolint:gosec // as a site has it
		t.Fatal(err)
	}
	for _, name := range []string{"web.json", "a.json", "a.json.report", "A.json", "README"} {
		put(t, c.SeccompDir+"/"+name, "{}")
	}
	if names, err := c.ListSeccompFiles(); err != nil || strings.Join(names, " ") != "a web" {
		t.Errorf("got %v, %v", names, err)
	}
	if err := os.Chmod(c.SeccompDir, 0o777); err != nil { //nolint:gosec // what is not trusted
		t.Fatal(err)
	}
	want := `list seccomp profiles: read "` + c.SeccompDir + `": directory "` + c.SeccompDir + `" has mode 0777, which lets others than root write it; want at most 0755`
	if _, err := c.ListSeccompFiles(); errorText(err) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestElsewhere(t *testing.T) {
	const made = `bulkhead generate 1: name "web; arch x; kernel 1"; arch amd64; kernel "6.18.2","6.1.0-33-amd64"; libc "glibc 2.36"; recordings 3`
	for _, x := range []struct {
		comment, arch, kernel, want string
	}{
		{"", "amd64", "6.18.44-x", ""},
		{"a comment of somebody's", "arm64", "5.15", ""},
		{made, "amd64", "6.18.44-x", ""},
		{made, "amd64", "6.1.9", ""},
		{made, "amd64", "6.18-rc1", ""},
		{made, "amd64", "5.15.0-generic", "it was recorded on Linux 6.18, 6.1, this is 5.15: programs may make other calls here"},
		{made, "arm64", "6.1.9", "it was recorded on amd64, this is arm64: programs may make other calls here"},
	} {
		f, err := ParseSeccompFile([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": ` + strconv.Quote(x.comment) + `}]}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.RecordedOn.Elsewhere(x.arch, x.kernel); got != x.want {
			t.Errorf("%s on %s %s: got %q, want %q", x.comment, x.arch, x.kernel, got, x.want)
		}
	}
}

func TestImageName(t *testing.T) {
	for _, test := range []struct {
		annotations map[string]string
		want        string
	}{
		{nil, ""},
		{map[string]string{"io.kubernetes.cri.image-name": "a"}, "a"},
		{map[string]string{"io.kubernetes.cri-o.ImageName": "b"}, "b"},
		{map[string]string{"io.kubernetes.cri.podsandbox.image-name": "p"}, "p"},
		{map[string]string{"org.opencontainers.image.title": "c"}, ""},
	} {
		if got := ImageName(test.annotations); got != test.want {
			t.Errorf("%v: got %q, want %q", test.annotations, got, test.want)
		}
	}
}
