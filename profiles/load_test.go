package profiles

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseSiteRefuses(t *testing.T) {
	rules := strings.Join(RuleIDs(), ", ")
	for name, c := range map[string]struct{ file, want string }{
		"unknown key":         {"{\n\"base\": \"default\",\n\"capabilitys\": []\n}", `line 3: unknown key "capabilitys" in the profile`},
		"key in another case": {`{"Base": "default"}`, `line 1: unknown key "Base" in the profile`},
		"unknown nested key":  {"{\"base\": \"default\", \"limits\": {\n\"pids\": {\"max\": 1}}}", `line 2: unknown key "max" in limits.pids`},
		"unknown in a list":   {"{\"base\": \"default\", \"sysctls\": [\n{\"name\": \"net.a\", \"reason\": \"r\"},\n{\"nam\": 1}]}", `line 3: unknown key "nam" in sysctls[1]`},
		"key twice":           {"{\"base\": \"default\",\n\"base\": \"restricted\"}", `line 2: key "base" is twice in the profile`},
		"key twice, escaped":  {"{\"base\": \"default\",\n\"b\\u0061se\": \"restricted\"}", `line 2: key "base" is twice in the profile`},
		"rule twice":          {"{\"base\": \"default\", \"widened\": {\"user\": \"a b c\",\n\"user\": \"a b c\"}}", `line 2: key "user" is twice in widened`},
		"key on two lines":    {"{\"base\": \"default\", \"widened\": {\"user\\nx\": \"a b c\"}}", `line 1: key "user\nx" in widened is not printable text of at most 1024 bytes`},
		"wrong type":          {"{\"base\": \"default\",\n\"capabilities\": \"CAP_CHOWN\"}", `line 2: capabilities is a string, want a list`},
		"null":                {`{"base": null}`, `line 1: base is null, want a string`},
		"null profile":        {`null`, `line 1: the profile is null, want an object`},
		"list as a profile":   {`[]`, `line 1: the profile is a list, want an object`},
		"number as a switch":  {`{"noNewPrivileges": {"on": 1, "reason": "r"}}`, `line 1: noNewPrivileges.on is a number, want true or false`},
		"string as a number":  {`{"limits": {"pids": {"default": "4"}}}`, `line 1: limits.pids.default is a string, want a whole number`},
		"fraction":            {`{"limits": {"pids": {"default": 1.5}}}`, `line 1: limits.pids.default is 1.5, want a whole number of 64 bits`},
		"huge number":         {`{"limits": {"pids": {"default": 9223372036854775808}}}`, `line 1: limits.pids.default is 9223372036854775808, want a whole number of 64 bits`},
		"negative size":       {`{"userNamespace": {"size": -1}}`, `line 1: userNamespace.size is -1, want a number from 0 to 4294967295`},
		"trailing data":       {"{\"base\": \"default\"}\n{}", `line 2: invalid character '{' after top-level value`},
		"syntax":              {"{\"base\": \"default\",\n}", `line 2: invalid character '}' looking for beginning of object key string`},
		"empty file":          {``, `line 1: unexpected end of JSON input`},
		"cut off":             {"{\n\"base\": ", `line 2: unexpected end of JSON input`},
		"not UTF-8":           {"{\"base\":\n\"\xff\"}", `line 2: the text is not UTF-8`},
		"control character":   {`{"description": "a\u001b[2Jb"}`, `line 1: description is "a\x1b[2Jb", want printable text on one line`},
		"long text":           {`{"description": "` + strings.Repeat("x", 1025) + `"}`, `line 1: description has 1025 bytes, want at most 1024`},
		"no base":             {`{}`, `line 1: base is "", want one of compatible, default, restricted`},
		"unknown base":        {"{\n\"base\": \"site\"}", `line 2: base is "site", want one of compatible, default, restricted`},
		"other name":          {"{\"base\": \"default\",\n\"name\": \"default\"}", `line 2: name is "default", want "site" as the file is called`},
		"rank":                {"{\"base\": \"default\",\n\"rank\": 99}", `line 2: rank is given, but a site's profile has the rank of its base`},
		"no reason":           {"{\"base\": \"default\",\n\"limits\": {\"pids\": {\"default\": 10}}}", `line 2: limits.pids has no reason`},
		"empty reason":        {"{\"base\": \"default\",\n\"capabilities\": [{\"name\": \"CAP_KILL\", \"reason\": \" \"}]}", `line 2: capabilities[0] has no reason`},
		"small range":         {"{\"base\": \"default\",\n\"userNamespace\": {\"size\": 0, \"reason\": \"none\"}}", `line 2: userNamespace.size is 0, want a multiple of 65536 from 65536 to 1073741824`},
		"odd range":           {`{"base": "default", "userNamespace": {"size": 65537, "reason": "r"}}`, `line 1: userNamespace.size is 65537, want a multiple of 65536 from 65536 to 1073741824`},
		"no filter":           {`{"base": "default", "seccomp": {"profile": "", "reason": "none"}}`, `line 1: seccomp.profile is "", want one of compatible, default, restricted, or the absolute path of a file`},
		"unconfined":          {`{"base": "default", "seccomp": {"profile": "unconfined", "reason": "r"}}`, `line 1: seccomp.profile is "unconfined", want one of compatible, default, restricted, or the absolute path of a file`},
		"relative agent":      {`{"base": "default", "seccomp": {"agent": "a.sock", "reason": "r"}}`, `line 1: seccomp.agent is "a.sock", want the absolute path of a socket`},
		"capability":          {"{\"base\": \"default\", \"capabilities\": [\n{\"name\": \"CAP_ALL\", \"reason\": \"r\"}]}", `line 2: capabilities[0].name is "CAP_ALL", want a capability of capabilities(7), as CAP_CHOWN`},
		"capability twice":    {`{"base": "default", "capabilities": [{"name": "CAP_KILL", "reason": "r"}, {"name": "CAP_KILL", "reason": "r"}]}`, `line 1: capabilities[1].name is "CAP_KILL", which is there twice`},
		"endless pids":        {"{\"base\": \"default\", \"limits\": {\"pids\": {\n\"default\": -1, \"reason\": \"r\"}}}", `line 2: limits.pids.default is -1, want 1 to 4194304`},
		"ceiling too low":     {"{\"base\": \"default\", \"limits\": {\n\"pids\": {\"ceiling\": 10, \"reason\": \"r\"}}}", `line 2: limits.pids.default is 4096, above the ceiling 10`},
		"no quota":            {`{"base": "default", "limits": {"cpuQuota": {"ceiling": 1000, "reason": "r"}}}`, `line 1: limits.cpuQuota.ceiling is 1000, want 1 to 100`},
		"core 0":              {`{"base": "default", "limits": {"core": {"default": 0, "reason": "r"}}}`, `line 1: limits.core.default is 0, want 1 to 1125899906842624`},
		"no reserve":          {`{"base": "default", "limits": {"memory": {"reservePercent": 0, "reason": "r"}}}`, `line 1: limits.memory.reservePercent is 0, want 1 to 90`},
		"all memory":          {`{"base": "default", "limits": {"memory": {"defaultPercent": 101, "reason": "r"}}}`, `line 1: limits.memory.defaultPercent is 101, want 1 to 100`},
		"reserve in bytes":    {`{"base": "default", "limits": {"memory": {"reserveBytes": -1, "reason": "r"}}}`, `line 1: limits.memory.reserveBytes is -1, want 0 to 1099511627776`},
		"oom score":           {`{"base": "default", "limits": {"oomScoreAdj": {"ceiling": -1001, "reason": "r"}}}`, `line 1: limits.oomScoreAdj.ceiling is -1001, want -1000 to 1000`},
		"oom score default":   {`{"base": "default", "limits": {"oomScoreAdj": {"default": 1001, "reason": "r"}}}`, `line 1: limits.oomScoreAdj.default is 1001, want -1000 to 1000`},
		"oom score order":     {`{"base": "default", "limits": {"oomScoreAdj": {"ceiling": 5, "reason": "r"}}}`, `line 1: limits.oomScoreAdj.default is 0, below the ceiling 5 (the lowest value that may be asked for)`},
		"relative mask":       {`{"base": "default", "maskedPaths": [{"name": "proc", "reason": "r"}]}`, `line 1: maskedPaths[0].name is "proc", want an absolute path without ".", ".." and double slashes`},
		"relative read-only":  {`{"base": "default", "readonlyPaths": [{"name": "/a/../b", "reason": "r"}]}`, `line 1: readonlyPaths[0].name is "/a/../b", want an absolute path without ".", ".." and double slashes`},
		"host sysctl":         {`{"base": "default", "sysctls": [{"name": "kernel.core_pattern", "reason": "r"}]}`, `line 1: sysctls[0].name is "kernel.core_pattern", want a name, or a prefix with ".*", below net, fs.mqueue, or of kernel.shm, msg, sem and domainname: others belong to no namespace of the container`},
		"source":              {`{"base": "default", "mounts": {"allowedSources": [{"path": "/a/", "reason": "r"}]}}`, `line 1: mounts.allowedSources[0].path is "/a/", want an absolute path without ".", ".." and double slashes`},
		"source twice":        {`{"base": "default", "mounts": {"allowedSources": [{"path": "/a", "reason": "r"}, {"path": "/a", "reason": "r"}]}}`, `line 1: mounts.allowedSources[1].path is "/a", which is there twice`},
		"device path":         {`{"base": "default", "devices": [{"path": "/tmp/null", "reason": "r"}]}`, `line 1: devices[0].path is "/tmp/null", want a path below /dev`},
		"device type":         {`{"base": "default", "devices": [{"path": "/dev/x", "type": "p", "reason": "r"}]}`, `line 1: devices[0].type is "p", want "c" or "b"`},
		"device major":        {`{"base": "default", "devices": [{"path": "/dev/x", "type": "c", "major": -1, "reason": "r"}]}`, `line 1: devices[0].major is -1, want 0 to 4095`},
		"device minor":        {`{"base": "default", "devices": [{"path": "/dev/x", "type": "c", "minor": -2, "reason": "r"}]}`, `line 1: devices[0].minor is -2, want -1 (all) to 1048575`},
		"device access":       {`{"base": "default", "devices": [{"path": "/dev/x", "type": "c", "access": "rx", "reason": "r"}]}`, `line 1: devices[0].access is "rx", want some of "rwm"`},
		"device for all":      {`{"base": "default", "devices": [{"path": "/dev/x", "type": "c", "access": "r", "minor": -1, "default": true, "reason": "r"}]}`, `line 1: devices[0].default is true, but a node needs one minor number`},
		"hook":                {`{"base": "default", "hooks": {"allowed": [{"name": "runc", "reason": "r"}]}}`, `line 1: hooks.allowed[0].name is "runc", want the absolute path of a program`},
		"unknown rule":        {"{\"base\": \"default\",\n\"widened\": {\n\"rootfss\": \"a b c\"}}", `line 3: widened.rootfss names an unknown rule, want one of ` + rules},
		"short reason":        {`{"base": "default", "widened": {"user": "because"}}`, `line 1: widened.user is "because", want the reason in at least three words`},
		"reason for nothing":  {"{\"base\": \"default\", \"widened\": {\n\"rootfs\": \"we want it\"}}", `line 2: widened.rootfs gives a reason for a rule that is not wider than the base "default" has it`},
		"lsm is never wider":  {`{"base": "default", "widened": {"lsm": "we want it"}}`, `line 1: widened.lsm gives a reason for a rule that is not wider than the base "default" has it`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseSite("site", []byte(c.file))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// widenings has, for each rule, what makes it wider than the named base.
var widenings = []struct{ rule, base, section string }{
	{"user-namespace", "default", `"userNamespace": {"size": 131072, "reason": "r"}`},
	{"namespaces", "default", `"namespaces": {"hostNetwork": {"on": true, "reason": "r"}}`},
	{"rootfs", "restricted", `"rootfs": {"readonly": {"on": false, "reason": "r"}}`},
	{"mounts", "restricted", `"mounts": {"noexec": {"on": false, "reason": "r"}}`},
	{"mounts", "default", `"mounts": {"allowedSources": [{"path": "/run/docker.sock", "reason": "r"}]}`},
	{"no-new-privileges", "default", `"noNewPrivileges": {"on": false, "reason": "r"}`},
	{"capabilities", "default", `"capabilities": [{"name": "CAP_NET_ADMIN", "reason": "r"}]`},
	{"user", "restricted", `"user": {"nonRoot": {"on": false, "reason": "r"}}`},
	{"seccomp", "restricted", `"seccomp": {"profile": "default", "reason": "r"}`},
	{"seccomp", "default", `"seccomp": {"profile": "compatible", "reason": "r"}`},
	{"seccomp", "default", `"seccomp": {"profile": "/etc/bulkhead/web.json", "reason": "r"}`},
	{"seccomp", "default", `"seccomp": {"agent": "/run/agent.sock", "reason": "r"}`},
	{"masked-paths", "default", `"maskedPaths": []`},
	{"masked-paths", "default", `"readonlyPaths": [{"name": "/proc/bus", "reason": "r"}]`},
	{"devices", "default", `"devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "access": "rw", "reason": "r"}]`},
	{"devices", "default", `"devices": [{"path": "/dev/null", "type": "b", "major": 1, "minor": 3, "access": "rw", "reason": "r"}]`},
	{"devices", "default", `"devices": [{"path": "/dev/mem", "type": "c", "major": 1, "minor": -1, "access": "rw", "reason": "r"}]`},
	{"devices", "default", `"devices": [{"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2, "access": "r", "default": true, "reason": "r"}]`},
	{"limits", "default", `"limits": {"pids": {"ceiling": 32769, "reason": "r"}}`},
	{"limits", "default", `"limits": {"pids": {"default": 4097, "reason": "r"}}`},
	{"limits", "default", `"limits": {"memory": {"defaultPercent": 51, "reason": "r"}}`},
	{"limits", "default", `"limits": {"memory": {"reservePercent": 4, "reason": "r"}}`},
	{"limits", "default", `"limits": {"memory": {"reserveBytes": 0, "reason": "r"}}`},
	{"limits", "default", `"limits": {"swap": {"on": true, "reason": "r"}}`},
	{"limits", "default", `"limits": {"cpuWeight": {"default": 1025, "reason": "r"}}`},
	{"limits", "default", `"limits": {"cpuQuota": {"default": 91, "reason": "r"}}`},
	{"limits", "default", `"limits": {"noFile": {"ceiling": 1048577, "reason": "r"}}`},
	{"limits", "default", `"limits": {"core": {"ceiling": 2, "reason": "r"}}`},
	{"limits", "default", `"limits": {"nproc": {"ceiling": 32769, "reason": "r"}}`},
	{"limits", "default", `"limits": {"memLock": {"default": 8388609, "reason": "r"}}`},
	{"limits", "default", `"limits": {"shm": {"default": 67108865, "reason": "r"}}`},
	{"limits", "default", `"limits": {"oomScoreAdj": {"ceiling": -1, "reason": "r"}}`},
	{"sysctl", "default", `"sysctls": [{"name": "net.*", "reason": "r"}]`},
	{"sysctl", "restricted", `"sysctls": [{"name": "net.ipv4.*", "reason": "r"}]`},
}

func TestWideningNeedsAReason(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range widenings {
		seen[w.rule] = true
		t.Run(w.rule+" "+w.section, func(t *testing.T) {
			file := fmt.Sprintf("{\n\"base\": %q,\n%s\n}", w.base, w.section)
			want := fmt.Sprintf("line 3: %s is a rule that the profile makes wider than its base %q, want the reason in widened[%q]", w.rule, w.base, w.rule)
			if _, err := parseSite("site", []byte(file)); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			reason := "the site needs it"
			file = fmt.Sprintf("{\"base\": %q, %s, \"widened\": {%q: %q}}", w.base, w.section, w.rule, reason)
			p, err := parseSite("site", []byte(file))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p.Widened, map[string]string{w.rule: reason}) {
				t.Errorf("widened is %v", p.Widened)
			}
		})
	}
	for _, rule := range RuleIDs() {
		// Hooks and secrets are as wide as they can be in every built-in profile; TestCompare has them.
		if len(sectionsOf(rule)) > 0 && !seen[rule] && rule != "hooks" && rule != "secrets" {
			t.Errorf("no case widens rule %s", rule)
		}
	}
}

func TestCompareHooksAndSecrets(t *testing.T) {
	on, off := Switch{On: true}, Switch{}
	docker, cdi := []Entry{{Name: "/usr/bin/dockerd"}}, []Entry{{Name: "/usr/bin/nvidia-ctk"}}
	for name, c := range map[string]struct {
		p, base Profile
		want    []string
	}{
		"hooks on":             {Profile{Hooks: Hooks{Caller: on}}, Profile{Hooks: Hooks{Caller: off}}, []string{"hooks"}},
		"hooks off":            {Profile{Hooks: Hooks{Caller: off}}, Profile{Hooks: Hooks{Caller: on, Allowed: docker}}, nil},
		"any program":          {Profile{Hooks: Hooks{Caller: on}}, Profile{Hooks: Hooks{Caller: on, Allowed: docker}}, []string{"hooks"}},
		"another program":      {Profile{Hooks: Hooks{Caller: on, Allowed: cdi}}, Profile{Hooks: Hooks{Caller: on, Allowed: docker}}, []string{"hooks"}},
		"one program":          {Profile{Hooks: Hooks{Caller: on, Allowed: cdi}}, Profile{Hooks: Hooks{Caller: on}}, nil},
		"secrets no more":      {Profile{SecretsRefused: off}, Profile{SecretsRefused: on}, []string{"secrets"}},
		"secrets refused":      {Profile{SecretsRefused: on}, Profile{SecretsRefused: off}, nil},
		"masked, not readonly": {Profile{MaskedPaths: []Entry{{Name: "/proc/sys"}}}, Profile{ReadonlyPaths: []Entry{{Name: "/proc/sys/kernel"}}}, nil},
		"readonly, not masked": {Profile{ReadonlyPaths: []Entry{{Name: "/proc/a"}}}, Profile{MaskedPaths: []Entry{{Name: "/proc/a"}}}, []string{"masked-paths"}},
		"a sibling's prefix":   {Profile{MaskedPaths: []Entry{{Name: "/proc/a"}}}, Profile{MaskedPaths: []Entry{{Name: "/proc/ab"}}}, []string{"masked-paths"}},
	} {
		if got := c.p.Compare(c.base); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestParseSiteMerges(t *testing.T) {
	file := `{"base": "default",
		"description": "Web servers.",
		"capabilities": [{"name": "CAP_CHOWN", "reason": "ours"}],
		"limits": {"pids": {"default": 100, "reason": "small services"}},
		"sysctls": [{"name": "net.ipv4.tcp_rmem", "reason": "r"}, {"name": "net.ipv4.conf.*", "reason": "r"}]}`
	got, err := parseSite("web", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Builtin("default")
	if err != nil {
		t.Fatal(err)
	}
	want.Name, want.Base, want.Description = "web", "default", "Web servers."
	want.Capabilities = []Entry{{"CAP_CHOWN", "ours"}}
	want.Limits.Pids = Limit{Default: 100, Ceiling: 32768, Reason: "small services"}
	want.Sysctls = []Entry{{"net.ipv4.tcp_rmem", "r"}, {"net.ipv4.conf.*", "r"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	smallest, err := parseSite("web", []byte(`{"base": "restricted"}`))
	if err != nil {
		t.Fatal(err)
	}
	if smallest.Description != `A site's profile based on "restricted".` || smallest.Rank != 30 {
		t.Errorf("description is %q, rank %d", smallest.Description, smallest.Rank)
	}
}

func TestParseSiteTakesTheDocumentedExample(t *testing.T) {
	p, err := parseSite("build", []byte(`{
	  "base": "default",
	  "description": "Build machines.",
	  "limits": {"pids": {"ceiling": 100000, "reason": "one task per file in the large builds"}},
	  "widened": {"limits": "the large builds start more than 32768 tasks"}
	}`))
	if err != nil || p.Limits.Pids.Ceiling != 100000 || p.Limits.Pids.Default != 4096 {
		t.Errorf("got %+v, %v", p.Limits.Pids, err)
	}
}

func TestAnnotationCannotChooseAWidenedProfile(t *testing.T) {
	file := `{"base": "restricted", "namespaces": {"hostNetwork": {"on": true, "reason": "exporter"}},
		"widened": {"namespaces": "the exporter counts the host's packets"}}`
	wide, err := parseSite("exporter", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	standard, err := Builtin("default")
	if err != nil {
		t.Fatal(err)
	}
	if wide.Rank <= standard.Rank || Tighter(standard, wide) {
		t.Error("a container can choose the host's network by annotation")
	}
}

// FuzzParseSite: whatever a site's file holds, the loader returns; what it accepts keeps every law of a profile.
func FuzzParseSite(f *testing.F) {
	for _, w := range widenings {
		f.Add([]byte(fmt.Sprintf("{\"base\": %q, %s, \"widened\": {%q: \"we need it\"}}", w.base, w.section, w.rule)))
	}
	for _, name := range Names() {
		data, err := builtinData.ReadFile("data/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"base": "compatible", "userNamespace": {"size": 65536, "reason": "r"}, "widened": {}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parseSite("site", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "line ") || strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("not one line with its number: %q", err)
			}
			return
		}
		if err := p.Validate(); err != nil {
			t.Fatalf("loaded, but %v", err)
		}
		base, err := Builtin(p.Base)
		if err != nil {
			t.Fatal(err)
		}
		if p.Rank != base.Rank || p.Seccomp.Profile == "" || p.UserNamespace.Size < 65536 {
			t.Fatalf("rank %d, seccomp %q, size %d", p.Rank, p.Seccomp.Profile, p.UserNamespace.Size)
		}
		if wider := p.Compare(base); len(wider) != len(p.Widened) {
			t.Fatalf("wider in %v, reasons for %v", wider, p.Widened)
		}
		if wider := p.Compare(p); wider != nil {
			t.Fatalf("wider than itself in %v", wider)
		}
	})
}
