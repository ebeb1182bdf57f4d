package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// seccompCtl runs the program's own commands. It gives what is printed and the exit status.
func seccompCtl(t *testing.T, stdin string, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	app := newApp()
	app.Reader, app.Writer, app.ErrWriter = strings.NewReader(stdin), &out, &out
	err := app.Run(append([]string{"bulkheadctl"}, args...))
	if err == nil {
		return out.String(), 0
	}
	status := 1
	var exit *statusError
	if errors.As(err, &exit) {
		status, err = exit.status, exit.err
	}
	if err != nil {
		fmt.Fprintln(&out, "bulkheadctl:", err)
	}
	return out.String(), status
}

func TestSeccompGolden(t *testing.T) {
	const dir = "testdata/seccomp/"
	amd := []string{"--arch", "amd64", "--kernel", "6.18"}
	for name, args := range map[string][]string{
		"show-docker":        {"show", dir + "docker.json"},
		"show-docker-admin":  {"show", "--caps", "CAP_SYS_ADMIN", dir + "docker.json"},
		"show-docker-old":    {"show", "--kernel", "4.4", dir + "docker.json"},
		"show-narrow-json":   {"show", "--json", dir + "narrow.json"},
		"show-oci":           {"show", "--oci", dir + "narrow.json"},
		"show-default":       {"show", "default"},
		"show-default-arm64": {"show", "--arch", "arm64", "default"},
		"check-docker":       {"check", dir + "docker.json", dir + "narrow.json"},
		"check-same":         {"check", dir + "same.json"},
		"check-json":         {"check", "--json", dir + "docker.json"},
		"check-faulty":       {"check", dir + "faulty.json"},
		"diff":               {"diff", dir + "docker.json", dir + "narrow.json"},
		"diff-both":          {"diff", "--both", "--verdicts", dir + "docker.json", dir + "narrow.json"},
		"diff-json":          {"diff", "--json", dir + "docker.json", dir + "narrow.json"},
		"diff-none":          {"diff", dir + "same.json", dir + "narrow.json"},
		"merge":              {"merge", dir + "docker.json", dir + "narrow.json"},
		"intersect":          {"intersect", "--json", dir + "docker.json", dir + "narrow.json", "default"},
		"test-bypass":        {"test", dir + "docker.json", "socket", "0x100000026"},
		"test-denied":        {"test", dir + "docker.json", "socket", "AF_ALG"},
		"test-left-out":      {"test", dir + "docker.json", "mount"},
		"test-json":          {"test", "--json", "default", "socket", "AF_NETLINK", "SOCK_RAW|SOCK_CLOEXEC", "NETLINK_AUDIT"},
		"test-reason":        {"test", "default", "ptrace"},
		"test-unknown":       {"test", "default", "raed"},
		"test-argument":      {"test", "default", "socket", "AF_ALGO"},
		"compile":            {"compile", "--disassemble", dir + "narrow.json"},
		"compile-nothing":    {"compile", dir + "narrow.json"},
		"usage":              {"diff", dir + "narrow.json"},
		"missing":            {"show", dir + "none.json"},
	} {
		t.Run(name, func(t *testing.T) {
			full := append([]string{"seccomp", args[0]}, append(amd, args[1:]...)...)
			got, status := seccompCtl(t, "", full...)
			got = fmt.Sprintf("%sexit status %d\n", got, status)
			golden := filepath.Join(dir, "golden", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("the output changed (%v), review go test ./cmd/bulkheadctl -update:\n%s", err, got)
			}
		})
	}
}

// Profiles of one meaning are printed with the same bytes, and what is printed means the same again.
func TestSeccompCanonical(t *testing.T) {
	read := func(args ...string) string {
		text, status := seccompCtl(t, "", append([]string{"seccomp", "show", "--arch", "amd64", "--oci"}, args...)...)
		if status != 0 {
			t.Fatalf("%s", text)
		}
		return text
	}
	narrow, same := read("testdata/seccomp/narrow.json"), read("testdata/seccomp/same.json")
	if narrow != same {
		t.Errorf("got %s\nand %s", narrow, same)
	}
	again, status := seccompCtl(t, narrow, "seccomp", "show", "--arch", "amd64", "--oci", "-")
	if status != 0 || again != narrow {
		t.Errorf("printed again, status %d: %s", status, again)
	}
}

func TestSeccompStat(t *testing.T) {
	text, status := seccompCtl(t, "", "seccomp", "stat", "--json", "--arch", "arm64", "default", "restricted")
	var got []seccompFigures
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 0 || len(got) != 2 {
		t.Fatalf("status %d, %v: %s", status, err, text)
	}
	for _, f := range got {
		if f.Constant != f.Allowed || f.Allowed == 0 || f.Proof != "" || len(f.Missed) > 0 || len(f.Layouts) != 2 || f.Instructions > 4096 {
			t.Errorf("got %+v", f)
		}
	}
}

// What is written is what the kernel takes: eight bytes an instruction, and the file is replaced.
func TestSeccompCompileFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "filter.bpf")
	for range 2 {
		text, status := seccompCtl(t, "", "seccomp", "compile", "--json", "--output", file, "default")
		var got seccompProgram
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != 0 {
			t.Fatalf("status %d, %v: %s", status, err, text)
		}
		data, err := os.ReadFile(file)
		if err != nil || len(data) != 8*got.Instructions || got.File != file {
			t.Errorf("%d bytes for %+v, %v", len(data), got, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
