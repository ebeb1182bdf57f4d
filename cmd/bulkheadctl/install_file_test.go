package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ctl runs the program's commands in this process and gives what they print.
func ctl(t *testing.T, args ...string) (string, error) {
	t.Helper()
	app := newApp()
	var out bytes.Buffer
	app.Writer, app.ErrWriter = &out, &out
	err := app.Run(append([]string{"bulkheadctl"}, args...))
	return out.String(), err
}

// fakeRuntime is a program called bulkhead, for its path only: nothing runs it.
func fakeRuntime(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bulkhead")
	if err := os.WriteFile(path, []byte("#!/bin/false\n"), 0o755); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	return path
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return strings.Join(list, " ")
}

func TestInstallRoundTrip(t *testing.T) {
	bin := fakeRuntime(t)
	for i, text := range []string{
		"", "{}", "{ }\n", "{\n}", `{"debug":true}`, "{\n    \"debug\": true,\n    \"runtimes\": {}\n}\n",
		"{\n\t\"runtimes\": {\"x\": {\"path\":\"/x\"}},\n\n\n  \"default-runtime\"  : \"x\"}", "{\"a\":1\r\n,\"b\":2}\r\n",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "daemon.json")
			if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
			flags := []string{"--config", path}
			for range 2 {
				if _, err := ctl(t, append([]string{"install", "docker", "--binary", bin, "--profile", "restricted"}, flags...)...); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := ctl(t, append([]string{"uninstall", "docker"}, flags...)...); err != nil {
				t.Fatal(err)
			}
			back, err := os.ReadFile(path)
			if err != nil || string(back) != text {
				t.Errorf("%q came back as %q: %v", text, back, err)
			}
			if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o640 {
				t.Errorf("mode is %v: %v", st.Mode(), err)
			}
			if got := names(t, dir); got != "daemon.json" {
				t.Errorf("left behind: %s", got)
			}
			if got := names(t, filepath.Dir(bin)); got != "bulkhead" {
				t.Errorf("left behind beside the program: %s", got)
			}
		})
	}
}

func TestInstallAbsent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "docker", "daemon.json")
	if _, err := ctl(t, "install", "docker", "--binary", fakeRuntime(t), "--default", "--config", path); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode is %v: %v", st, err)
	}
	if _, err := ctl(t, "uninstall", "docker", "--config", path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file that install made stayed: %v", err)
	}
	out, err := ctl(t, "uninstall", "docker", "--config", path)
	if want := "There is no " + path + ": nothing to undo.\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
}

// What the operator changed after install stays, and a default that was not ours does too.
func TestUninstallKeepsLaterChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	bin := fakeRuntime(t)
	if err := os.WriteFile(path, []byte(`{"debug":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl(t, "install", "docker", "--binary", bin, "--config", path); err != nil {
		t.Fatal(err)
	}
	later := fmt.Sprintf(`{"debug":false,"default-runtime":"runc","runtimes":{"bulkhead":{"path":%q}}}`, bin)
	if err := os.WriteFile(path, []byte(later), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ctl(t, "uninstall", "docker", "--config", path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := `{"debug":false,"default-runtime":"runc"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	if got := len(strings.Fields(names(t, filepath.Dir(path)))); got != 3 {
		t.Errorf("want the file and the backups of install and uninstall, got %s", names(t, filepath.Dir(path)))
	}
}

func TestInstallRefusals(t *testing.T) {
	bin := fakeRuntime(t)
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"broken", func(t *testing.T, path string) { writeFile(t, path, "{\n\"a\": }", 0o600) },
			"read PATH: line 2: invalid character '}' looking for beginning of value"},
		{"directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }, "read PATH: it is no regular file"},
		{"link to nothing", func(t *testing.T, path string) { must(t, os.Symlink("gone", path)) }, "read PATH: it is a symbolic link to nothing"},
		{"writable by others", func(t *testing.T, path string) { writeFile(t, path, "{}", 0o666) },
			fmt.Sprintf("read PATH: others can write it (owner %d, mode 0666), and whoever writes it is root; make it root's with mode 0644 first", os.Geteuid())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "daemon.json")
			tt.make(t, path)
			_, err := ctl(t, "install", "docker", "--binary", bin, "--config", path)
			if want := strings.ReplaceAll(tt.want, "PATH", path); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if got := names(t, filepath.Dir(path)); got != "daemon.json" {
				t.Errorf("left behind: %s", got)
			}
		})
	}
}

// A link that the operator made stays one, and the file that it leads to is changed.
func TestInstallThroughLink(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "real.json"), "{}", 0o600)
	path := filepath.Join(dir, "daemon.json")
	must(t, os.Symlink("real.json", path))
	if _, err := ctl(t, "install", "docker", "--binary", fakeRuntime(t), "--config", path); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(path); err != nil || target != "real.json" {
		t.Errorf("the link is %q: %v", target, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "real.json"))
	if err != nil || !bytes.Contains(data, []byte("bulkhead")) {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestInstallReadOnly(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts a read-only file system: run as root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	path := filepath.Join(dir, "daemon.json")
	writeFile(t, path, "{}", 0o600)
	must(t, exec.Command("mount", "-o", "remount,ro", dir).Run())
	_, err := ctl(t, "install", "docker", "--binary", fakeRuntime(t), "--config", path)
	if err == nil || !strings.HasPrefix(err.Error(), "back up "+path+": ") || !strings.HasSuffix(err.Error(), "read-only file system") {
		t.Errorf("got %v", err)
	}
	if got := names(t, dir); got != "daemon.json" {
		t.Errorf("left behind: %s", got)
	}
}

// A reader at any moment sees the old text or the new one, whole.
func TestReplaceIsAtomic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	texts := []string{strings.Repeat("a", 100000), strings.Repeat("b", 200000)}
	writeFile(t, path, texts[0], 0o600)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 40 {
			c, err := openConfig(path)
			if err == nil {
				err = c.replace([]byte(texts[(i+1)%2]))
			}
			if err != nil {
				t.Errorf("replace: %v", err)
				return
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != texts[0] && string(got) != texts[1] {
			t.Fatalf("read %d bytes, %v", len(got), err)
		}
	}
}

func TestReplaceSeesOthersChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	writeFile(t, path, "{}", 0o600)
	c, err := openConfig(path)
	must(t, err)
	writeFile(t, path, `{"new":1}`, 0o600)
	want := "write " + path + ": somebody else changed it at the same time; run the command again"
	if err := c.replace([]byte("mine")); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if got, _ := os.ReadFile(path); string(got) != `{"new":1}` {
		t.Errorf("got %s", got)
	}
}

func TestBackupIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "daemon.json")
	writeFile(t, path, "{}", 0o600)
	c, err := openConfig(path)
	must(t, err)
	now := time.Unix(1, 0)
	kept, err := c.backup(now)
	must(t, err)
	if want := path + ".bulkhead-backup-19700101T000001.000000000Z"; kept != want {
		t.Errorf("got %s, want %s", kept, want)
	}
	if _, err := c.backup(now); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
}

func writeFile(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), mode))
	must(t, os.Chmod(path, mode))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
