package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func exitFile(t *testing.T, dir, id string) string {
	t.Helper()
	code := ""
	eventually(t, "the exit file", func() error {
		data, err := os.ReadFile(filepath.Join(dir, "exits", id))
		code = string(data)
		return err
	})
	return code
}

func conmonLog(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(readDoc(t, dir+"/log")), "\n") {
		_, rest, _ := strings.Cut(line, " ")
		lines = append(lines, rest)
	}
	return strings.Join(lines, "\n")
}

// exitCode waits for the file with which conmon tells the end of an exec.
func (e crioExec) exitCode(t *testing.T) string { t.Helper(); return exitFile(t, e.dir, e.container) }

// log is the exec's log without time stamps.
func (e crioExec) log(t *testing.T) string { t.Helper(); return conmonLog(t, e.dir) }

func (e crioExec) attach(t *testing.T, input string) string {
	t.Helper()
	return conmonAttach(t, filepath.Join(e.dir, "sockets", e.id, "attach"), input)
}

// attach types into the container's terminal through conmon, and gives all that it showed since.
func (c *crio) attach(t *testing.T, input string) string {
	t.Helper()
	return conmonAttach(t, filepath.Join(c.dir, "sockets", c.id, "attach"), input)
}

// conmonAttach connects to conmon's socket, which sends packets of a stream's number and what came from it.
func conmonAttach(t *testing.T, path, input string) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	dir, err := os.Open(filepath.Dir(path)) // a socket's address has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path))}); err != nil {
		t.Fatalf("connect to %s: %v", path, err)
	}
	wait := unix.NsecToTimeval(deadline.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(fd, []byte(input)); err != nil {
		t.Fatal(err)
	}
	var shown bytes.Buffer
	for buf := make([]byte, 8193); ; {
		n, err := unix.Read(fd, buf)
		if n <= 0 {
			if err != nil && err != unix.ECONNRESET {
				t.Errorf("read from %s: %v, after %q", path, err, shown.String())
			}
			return strings.ReplaceAll(shown.String(), "\r", "")
		}
		shown.Write(buf[1:n])
	}
}
