package seccomp

import (
	"encoding/json"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestFromOCIErrors(t *testing.T) {
	for in, want := range map[string]string{
		`{"defaultAction":"SCMP_ACT_NO"}`:                                                                                                                            `parse linux.seccomp.defaultAction: unknown action "SCMP_ACT_NO"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["VAX"]}`:                                                                                                 `parse linux.seccomp.architectures[0]: unknown architecture "VAX"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","flags":["X"]}`:                                                                                                           `parse linux.seccomp.flags[0]: unknown flag "X"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"B"}]}`:                                                                               `parse linux.seccomp.syscalls[0].action: unknown action "B"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}]}`:                                                  `parse linux.seccomp.syscalls[0].errnoRet: got 4096, want at most 4095`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a",""],"action":"SCMP_ACT_ERRNO"}]}`:                                                               `parse linux.seccomp.syscalls[0].names[1]: the name is empty`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}`:                          `parse linux.seccomp.syscalls[0].args[0].index: got 6, want at most 5`,
		`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"op":"SCMP_CMP_EQ"},{"index":1,"op":"EQUAL"}]}]}`: `parse linux.seccomp.syscalls[0].args[1].op: unknown operator "EQUAL"`,
	} {
		s := new(specs.LinuxSeccomp)
		if err := json.Unmarshal([]byte(in), s); err != nil {
			t.Fatal(err)
		}
		if _, err := FromOCI(s, "amd64"); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}
