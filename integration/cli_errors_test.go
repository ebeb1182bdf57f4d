package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOneClearError: what somebody types wrongly gives one line that says what is wrong, and leaves nothing.
func TestOneClearError(t *testing.T) {
	requireRoot(t)
	b := newBundle(t, "bulkhead", args("true"))
	empty, damaged := t.TempDir(), t.TempDir()
	must(t, run(t, exec.Command("sh", "-c", `mkdir "$1/c"; echo '{"version":1,' >"$1/c/record.json"`, "sh", damaged)))
	for _, c := range []struct {
		want string
		args []string
	}{
		{`read --root: it must not be empty`, []string{"--root", "", "list"}},
		{`list containers: open ` + empty + `/none: no such file or directory`, []string{"--root", empty + "/none", "list"}},
		{`read --format: "xml" is not one of table, json`, []string{"--root", empty + "/none", "list", "--format", "xml"}},
		{`load container "c": record.json in "` + damaged + `/c" is damaged: unexpected end of JSON input; what it has on this host is not known: end its processes and remove that directory`,
			[]string{"--root", damaged, "delete", "--force", "c"}},
		{`"init" is what create runs in a container, no command`, []string{"init"}},
	} {
		r := run(t, exec.Command(b.program, c.args...))
		if lines := strings.Split(strings.TrimSpace(r.stderr), "\n"); r.code == 0 || len(lines) != 1 || !strings.Contains(strings.ReplaceAll(lines[0], `\"`, `"`), c.want) {
			t.Errorf("want one line with %s: %s", c.want, r)
		}
	}
	entries, err := os.ReadDir(empty)
	if err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestNoRootLeavesNothing: a user without a user namespace of his own is told so at once.
func TestNoRootLeavesNothing(t *testing.T) {
	b := newBundle(t, "bulkhead", args("true"))
	place := t.TempDir()
	// A test's directories are closed to others.
	if err := os.Chmod(filepath.Dir(place), 0o755); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	must(t, run(t, exec.Command("sh", "-c", `cp -r "$1/config.json" "$1/rootfs" "$2"; cp "$3" "$2/bulkhead"; mkdir -m 777 "$2/state"; chmod -R a+rX "$2"`, "sh", b.dir, place, b.program)))
	for _, command := range []string{"create", "run"} {
		cmd := exec.Command(place+"/bulkhead", "--root", filepath.Join(place, "state", "c"), command, "--bundle", place, "nobodys")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		r := run(t, cmd)
		refused(t, r, "make a private mount namespace: operation not permitted", "want root")
		if strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("want one line: %s", r)
		}
		left, err := filepath.Glob(place + "/state/*")
		if err != nil || len(left) > 0 {
			t.Errorf("%s has left %v, %v", command, left, err)
		}
	}
}

// TestCtlOneClearError: the same of bulkheadctl.
func TestCtlOneClearError(t *testing.T) {
	ctl := filepath.Join(filepath.Dir(runtimePath(t, "bulkhead")), "bulkheadctl")
	for want, list := range map[string][]string{
		`flag provided but not defined: -nosuch, see bulkheadctl --help`:                                       {"--nosuch"},
		`flag provided but not defined: -nosuch, see bulkheadctl explain --help`:                               {"explain", "--nosuch"},
		`flag provided but not defined: -nosuch, see bulkheadctl profile show --help`:                          {"profile", "show", "--nosuch"},
		`flag provided but not defined: -nosuch, see bulkheadctl seccomp show --help`:                          {"seccomp", "show", "--nosuch"},
		`load profile "nope": it is neither built in (compatible, default, restricted) nor in "/etc/bulkhead/`: {"profile", "show", "nope"},
		`find command "nosuch": there is none of that name, see bulkheadctl --help`:                            {"nosuch"},
	} {
		r := run(t, exec.Command(ctl, list...))
		if r.code == 0 || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "is absent") || r.stdout != "" {
			t.Errorf("want one line with %q: %s", want, r)
		}
	}
}
