package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/seccomp/source"
)

func check(t *testing.T, text string) []string {
	t.Helper()
	s, err := source.Parse([]byte(text), source.Facts{Arch: "amd64", Kernel: source.Kernel{Major: 6, Minor: 18}}, source.Options{KeepUnknown: true})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range Check(s) {
		out = append(out, fmt.Sprintf("%d:%d: %s %s: %s: %s", f.Line, f.Column, f.Severity, f.ID, f.Path, f.Text))
	}
	return out
}

func TestCheck(t *testing.T) {
	const head = `{"defaultAction":"SCMP_ACT_ERRNO","flags":["SECCOMP_FILTER_FLAG_LOG"],"syscalls":[` + "\n"
	for _, c := range []struct {
		in   string
		want []string
	}{
		{head + `{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}]}`, nil},
		{`{"defaultAction":"SCMP_ACT_ALLOW"}`, []string{
			"0:0: warning default-allow: defaultAction: SCMP_ACT_ALLOW is a list of denials: every call that it does not name, and every later one, is permitted",
			"0:0: warning spec-allow: flags: without flags libcontainer adds SECCOMP_FILTER_FLAG_SPEC_ALLOW; name SECCOMP_FILTER_FLAG_TSYNC, which changes nothing else",
		}},
		{`{"defaultAction":"SCMP_ACT_ERRNO","flags":["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],"architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"listenerPath":"/x"}`, []string{
			"0:0: error spec-allow: flags[0]: SECCOMP_FILTER_FLAG_SPEC_ALLOW turns off the mitigation of speculative store bypass",
			"0:0: warning foreign-arch: architectures: SCMP_ARCH_X86: a second table of system calls is open beside SCMP_ARCH_X86_64; bulkhead leaves it out",
			"0:0: warning notify: listenerPath: no rule asks the agent",
		}},
		{head + `{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":1},
{"names":["write","write","brandnew"],"action":"SCMP_ACT_ALLOW","errnoRet":1},
{"names":["write"],"action":"SCMP_ACT_NOTIFY"}]}`, []string{
			"0:0: error notify: listenerPath: SCMP_ACT_NOTIFY is used without an agent to ask: the container does not start",
			"2:1: note noop: syscalls[0]: SCMP_ACT_ERRNO(1) is the default already: libcontainer skips the entry, so it overrides nothing",
			"3:1: warning ignored-errno: syscalls[1].errnoRet: SCMP_ACT_ALLOW takes no number",
			"3:1: warning repeated-name: syscalls[1].names[1]: write is named twice",
			`3:1: warning unknown-name: syscalls[1]: no table knows "brandnew": libseccomp skips it`,
			"4:1: error notify: syscalls[2]: runc refuses SCMP_ACT_NOTIFY for write",
			"4:1: warning no-effect: syscalls[2]: it decides nothing for write: other entries do, or its conditions never hold",
		}},
		{head + `{"names":["read"],"action":"SCMP_ACT_ERRNO"},{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, []string{
			"2:1: warning noop: syscalls[0]: SCMP_ACT_ERRNO(1) is the default already: libcontainer skips the entry, so it overrides nothing",
		}},
		// The gap that the facts measured: AF_ALG through the upper half of the argument.
		{head + `{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":38,"op":"SCMP_CMP_LT"}]},
{"names":["socket"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":40,"op":"SCMP_CMP_GT"}]}]}`, []string{
			"2:1: warning ordered-int: syscalls[0].args[0]: SCMP_CMP_LT orders argument 0 of socket, of which the kernel reads 32 bits and the filter 64",
			"2:1: error int-bypass: syscalls[0]: socket is denied with argument 0 = 0x26 but permitted with 0x100000026, which the kernel reads as the same number",
			"3:1: warning ordered-int: syscalls[1].args[0]: SCMP_CMP_GT orders argument 0 of socket, of which the kernel reads 32 bits and the filter 64",
		}},
		{head + `{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":21522,"op":"SCMP_CMP_NE"}]}]}`, []string{
			"2:1: error int-bypass: syscalls[0]: ioctl is denied with argument 1 = 0x5412 but permitted with 0x100005412, which the kernel reads as the same number",
		}},
		{head + `{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":4294967295,"valueTwo":4294967298,"op":"SCMP_CMP_MASKED_EQ"},{"index":0,"value":3,"valueTwo":1,"op":"SCMP_CMP_EQ"}]},
{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":3,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"},{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]}]}`, []string{
			"2:1: error repeated-index: syscalls[0].args[1]: index 1 is repeated: each condition of the entry becomes a rule of its own, one of them is enough",
			"2:1: warning ignored-value: syscalls[0].args[1]: valueTwo 0x100000002 has bits outside of the mask 0xffffffff, which libseccomp ignores",
			"2:1: warning ignored-value: syscalls[0].args[2]: SCMP_CMP_EQ does not look at valueTwo",
			"3:1: warning no-effect: syscalls[1]: it decides nothing for ioctl: other entries do, or its conditions never hold",
		}},
		{head + `{"names":["mseal"],"action":"SCMP_ACT_ALLOW"},{"names":["statx"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}`, enosysExcept("mseal", "statx")},
	} {
		if got := check(t, c.in); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s\n got %s\nwant %s", c.in, strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
		}
	}
}

// enosysExcept are the calls below mseal's number.
func enosysExcept(names ...string) (out []string) {
	for _, n := range strings.Fields("cachestat clone3 close_range epoll_pwait2 faccessat2 fchmodat2 futex_requeue futex_wait futex_waitv futex_wake " +
		"landlock_add_rule landlock_create_ruleset landlock_restrict_self listmount lsm_get_self_attr lsm_list_modules lsm_set_self_attr " +
		"map_shadow_stack memfd_secret openat2 process_mrelease rseq set_mempolicy_home_node statmount uretprobe") {
		if !strings.Contains(strings.Join(names, " "), n) {
			out = append(out, fmt.Sprintf("0:0: warning enosys: : %s gets SCMP_ACT_ERRNO(1): programs that try it first fall back to an older call only after ENOSYS, errno 38", n))
		}
	}
	return out
}

// What the engines hand to runtimes: socket rules that compare 64 bits of an int are bypassed in three of them.
func TestEngines(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no profiles", err)
	}
	bypassed := map[string]string{
		"docker-28.5-run.json": "socket is denied with argument 0 = 0x28 but permitted with 0x100000028",
		"docker-29-run.json":   "socket is denied with argument 0 = 0x26 but permitted with 0x100000026",
		"podman-4.3-run.json":  "socket is denied with argument 0 = 0x10 but permitted with 0x100000010",
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, line := range check(t, string(text)) {
			if want := bypassed[filepath.Base(f)]; strings.Contains(line, "error") {
				if want == "" || !strings.Contains(line, "int-bypass") {
					t.Errorf("%s: %s", f, line)
				}
				found = found || strings.Contains(line, want)
			}
		}
		if found != (bypassed[filepath.Base(f)] != "") {
			t.Errorf("%s: the bypass was found: %v", f, found)
		}
	}
}
