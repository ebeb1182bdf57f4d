package profiles

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

var updateSeccomp = flag.Bool("update-seccomp", false, "write seccomp/*.json from seccomp/table.json")

var seccompNames = []string{"default", "restricted", "compatible"}

// fromTable makes the OCI form of one profile: bare rules in one entry for each action and errno, then one entry for each
// rule with arguments, all in the order of names.
func fromTable(t *testing.T, profile string) *specs.LinuxSeccomp {
	t.Helper()
	rows, err := SeccompTable()
	if err != nil {
		t.Fatal(err)
	}
	one := uint(1)
	s := &specs.LinuxSeccomp{
		DefaultAction: specs.ActErrno, DefaultErrnoRet: &one, Flags: []specs.LinuxSeccompFlag{"SECCOMP_FILTER_FLAG_TSYNC"},
	}
	bare := map[uint]*specs.LinuxSyscall{}
	var rest []specs.LinuxSyscall
	for _, r := range rows {
		if !slices.Contains(r.Profiles, profile) {
			continue
		}
		c := specs.LinuxSyscall{Action: specs.ActAllow}
		if r.Action == "deny" {
			errno := r.Errno
			c.Action, c.ErrnoRet = specs.ActErrno, &errno
		}
		for _, args := range r.Rules {
			c.Names, c.Args = r.Names, args
			rest = append(rest, c)
		}
		if len(r.Rules) == 0 {
			if bare[r.Errno] == nil {
				bare[r.Errno] = &c
			}
			bare[r.Errno].Names = append(bare[r.Errno].Names, r.Names...)
		}
	}
	for _, errno := range []uint{0, 1, 38, 95} {
		if c := bare[errno]; c != nil {
			slices.Sort(c.Names)
			s.Syscalls = append(s.Syscalls, *c)
			delete(bare, errno)
		}
	}
	if len(bare) > 0 {
		t.Fatalf("an errno of the table is not in the list of this test: %v", bare)
	}
	slices.SortStableFunc(rest, func(a, b specs.LinuxSyscall) int { return strings.Compare(a.Names[0], b.Names[0]) })
	s.Syscalls = append(s.Syscalls, rest...)
	return s
}

// lines is the inverse of readSeccomp.
func lines(s *specs.LinuxSeccomp) []string {
	var out []string
	for _, c := range s.Syscalls {
		words := []string{"allow"}
		if c.ErrnoRet != nil {
			words[0] = fmt.Sprint(*c.ErrnoRet)
		}
		words = append(words, c.Names...)
		for _, a := range c.Args {
			switch a.Op {
			case specs.OpMaskedEqual:
				words = append(words, fmt.Sprintf("%d&%d==%d", a.Index, a.Value, a.ValueTwo))
			case specs.OpNotEqual:
				words = append(words, fmt.Sprintf("%d!=%d", a.Index, a.Value))
			default:
				words = append(words, fmt.Sprintf("%d==%d", a.Index, a.Value))
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}

func TestSeccompFiles(t *testing.T) {
	for _, name := range seccompNames {
		want := fromTable(t, name)
		file := "seccomp/" + name + ".json"
		if *updateSeccomp {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			enc.SetIndent("", " ")
			if err := enc.Encode(lines(want)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want.Architectures = []specs.Arch{specs.ArchX86_64}
		if got, err := seccompFor(name, "amd64"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is not what the table says (%v): run go test ./profiles -run TestSeccompFiles -update-seccomp", file, err)
		}
	}
}

func TestReadSeccompErrors(t *testing.T) {
	for in, want := range map[string]string{
		`{}`:               "json: cannot unmarshal object into Go value of type []string",
		`["allow"]`:        `line "allow": want an action and a name`,
		`["kill read"]`:    `line "kill read": strconv.ParseUint: parsing "kill": invalid syntax`,
		`["allow x 0=1"]`:  `line "allow x 0=1": condition "0=1": want == or !=`,
		`["allow x 9==1"]`: `line "allow x 9==1": strconv.ParseUint: parsing "9": value out of range`,
	} {
		if _, err := readSeccomp([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestSeccompTable(t *testing.T) {
	rows, err := SeccompTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, profile := range seccompNames {
		free, seen := 0, map[string]string{}
		for i, r := range rows {
			if r.Group == "" || r.Reason == "" || len(r.Names) == 0 || (r.Action != "allow" && r.Action != "deny") {
				t.Errorf("row %d lacks a group, a reason, names or an action: %+v", i, r)
			}
			if (r.Action == "deny") != (r.Errno != 0) {
				t.Errorf("row %d: %s with errno %d", i, r.Action, r.Errno)
			}
			if !slices.Contains(r.Profiles, profile) {
				continue
			}
			for _, n := range r.Names {
				if seen[n] != "" && len(r.Rules) == 0 {
					t.Errorf("%s: %s stands in two rows", profile, n)
				}
				seen[n] = r.Action
				if r.Action == "allow" && len(r.Rules) == 0 {
					free++
				}
			}
		}
		if limit := map[string]int{"default": 250, "compatible": 250, "restricted": 220}[profile]; free > limit {
			t.Errorf("%s permits %d calls whatever their arguments, want at most %d", profile, free, limit)
		}
		// The runtime's own init after it loaded the filter, and Go's runtime (facts: strace of runc init).
		for _, n := range strings.Fields("write close rt_sigreturn getpid execve fstatfs getdents64 epoll_ctl openat futex " +
			"read fstat fcntl getcwd chdir setuid setgid getppid newfstatat faccessat2 mmap munmap madvise sigaltstack " +
			"rt_sigaction rt_sigprocmask gettid tgkill nanosleep sched_yield epoll_pwait exit_group clone prctl capget") {
			if seen[n] != "allow" {
				t.Errorf("%s: %s is %q, but the container's init needs it", profile, n, seen[n])
			}
		}
		if profile == "restricted" {
			continue // always with no_new_privs
		}
		for _, n := range []string{"capset", "setgroups"} {
			if seen[n] != "allow" {
				t.Errorf("%s: %s is %q, but init without no_new_privs needs it", profile, n, seen[n])
			}
		}
	}
}

// Each condition looks at 32 bits of an int argument, or compares all 64 for equality: no ordered comparison.
func TestSeccompConditions(t *testing.T) {
	rows, err := SeccompTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		for _, args := range r.Rules {
			seen := map[uint]bool{}
			for _, a := range args {
				switch {
				case seen[a.Index]:
					t.Errorf("%v: index %d is repeated", r.Names, a.Index)
				case a.Op == specs.OpMaskedEqual && a.Value <= 1<<32-1 && a.ValueTwo&^a.Value == 0:
				case a.Op == specs.OpEqualTo || (a.Op == specs.OpNotEqual && r.Action == "deny"):
				default:
					t.Errorf("%v: condition %+v", r.Names, a)
				}
				seen[a.Index] = true
			}
		}
	}
}

func TestSeccomp(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		s, err := seccompFor("default", arch)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Flags) == 0 || len(s.Architectures) != 1 {
			t.Errorf("%s: flags %v, architectures %v", arch, s.Flags, s.Architectures)
		}
	}
	if _, err := SeccompProfile("strict"); err == nil || err.Error() != `find seccomp profile "strict": want default, restricted or compatible` {
		t.Error(err)
	}
	want := `find seccomp profile "default": it has no table for "s390x", want amd64 or arm64`
	if _, err := seccompFor("default", "s390x"); err == nil || err.Error() != want {
		t.Error(err)
	}
}

func BenchmarkSeccomp(b *testing.B) {
	for b.Loop() {
		if _, err := SeccompProfile("default"); err != nil {
			b.Fatal(err)
		}
	}
}
