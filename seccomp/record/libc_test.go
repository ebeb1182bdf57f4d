package record

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLibc looks into a root that a container could have made: links lead nowhere outside of it.
func TestLibc(t *testing.T) {
	root := t.TempDir()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(sh)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(sh)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_, loader := interpreters(f)
	if loader == "" {
		t.Skipf("%s is static", sh)
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o755) //nolint:gosec // a program
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("/bin/sh", string(program))
	write("/musl", strings.Replace(string(program), loader, "/lib/ld-musl-x.so.1"+strings.Repeat("\x00", max(0, len(loader)-len("/lib/ld-musl-x.so.1"))), 1))
	write("/script", "#!/bin/sh -e\necho\n")
	write("/again", "#! /script\n")
	write("/loop", "#!/loop\n")
	write("/empty", "")
	write("/bare", "#!\n")
	write(loader, "ld.so (Test GLIBC 2.99-1) stable release version 2.99.\n")
	for name, to := range map[string]string{"/outside": "../../../../../../bin/sh", "/proc-link": "/proc/self/exe", "/dir": "/bin"} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o666); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	env := []string{"A=b", "PATH=/nowhere:/bin"}
	for _, test := range []struct {
		args []string
		cwd  string
		want string
	}{
		{[]string{"/bin/sh"}, "/", "glibc 2.99"},
		{[]string{"sh"}, "/", "glibc 2.99"},
		{[]string{"./sh"}, "/bin", "glibc 2.99"},
		{[]string{"/script"}, "/", "glibc 2.99"},
		{[]string{"/again"}, "/", "glibc 2.99"},
		{[]string{"/outside"}, "/", "glibc 2.99"},
		{[]string{"/musl"}, "/", "musl"},
		{[]string{"/loop"}, "/", ""},
		{[]string{"/empty"}, "/", ""},
		{[]string{"/bare"}, "/", ""},
		{[]string{"/fifo"}, "/", ""},
		{[]string{"/dir"}, "/", ""},
		{[]string{"/proc-link"}, "/", ""},
		{[]string{"/not-there"}, "/", ""},
		{[]string{"not-there"}, "/", ""},
		{nil, "/", ""},
	} {
		if got := libcOf(fd, test.args, env, test.cwd); got != test.want {
			t.Errorf("%v in %q: got %q, want %q", test.args, test.cwd, got, test.want)
		}
	}
}
