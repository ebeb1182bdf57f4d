package integration

import (
	"archive/tar"
	"bufio"
	"crypto/md5" //nolint:gosec // tells contents apart
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sort"
	"strings"
	"testing"
	"time"
)

// A shell is a shell in a container that runs one command after another.
type shell struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func newShell(t *testing.T, d *dockerd, id string) *shell {
	t.Helper()
	cmd := d.command("exec", "-i", id, "sh")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &shell{cmd: cmd, in: in, out: bufio.NewReader(out)}
	s.run(t, "umask 022; cd /")
	return s
}

// run gives what a command prints, and its status behind it.
func (s *shell) run(t *testing.T, command string) string {
	t.Helper()
	if _, err := fmt.Fprintf(s.in, "{ %s\n} </dev/null 2>&1; echo \"@@@$?\"\n", command); err != nil {
		t.Fatalf("write to the shell: %v", err)
	}
	var b strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			t.Fatalf("read from the shell: %v\n%s", err, b.String())
		}
		if strings.HasPrefix(line, "@@@") {
			return b.String()
		}
	}
}

func (s *shell) close(t *testing.T) {
	t.Helper()
	_ = s.in.Close()
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("end of the shell: %v", err)
	}
}

// listTar lists an archive, sorted by name. Times count only where somebody set them: those are old.
func listTar(t *testing.T, archive string) string {
	t.Helper()
	var lines []string
	r := tar.NewReader(strings.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read archive of %d bytes: %v", len(archive), err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		when := ""
		if h.ModTime.Year() < 2020 {
			when = h.ModTime.UTC().Format(time.RFC3339)
		}
		lines = append(lines, fmt.Sprintf("%s|%c|%o|%d:%d|%s|%d|%x|%s|%q", h.Name, h.Typeflag, h.Mode&0o7777, h.Uid, h.Gid, h.Linkname,
			h.Size, md5.Sum(data), when, xattrs(h))) //nolint:gosec // see above
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func xattrs(h *tar.Header) []string {
	var all []string
	for k, v := range h.PAXRecords {
		if name, ok := strings.CutPrefix(k, "SCHILY.xattr."); ok {
			all = append(all, name+"="+v)
		}
	}
	sort.Strings(all)
	return all
}

// capability is a value of security.capability: cap_net_raw=ep in version 2 (capabilities(7)).
const capability = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// randomTar makes an archive of a few entries and says what is in it.
func (c *copied) randomTar(t *testing.T) (archive, names string) {
	t.Helper()
	var b strings.Builder
	w := tar.NewWriter(&b)
	for range 1 + c.rand.IntN(4) {
		h := &tar.Header{
			Name: c.pick("a", "b", "c", "one", "x", "x/y", "b/two", "e/1"), Format: tar.FormatPAX,
			Uid: c.rand.IntN(4) * 500, Gid: c.rand.IntN(3) * 11,
			ModTime: time.Date(2003, 1, 1+c.rand.IntN(20), 1, 1, 1, 0, time.UTC),
		}
		data := ""
		switch c.rand.IntN(7) {
		case 0:
			h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, h.Name+"/"
		case 1:
			h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, c.pick("one", "../c", "/t/a", "/etc/passwd", "nothing")
		case 2:
			h.Typeflag, h.Mode = tar.TypeFifo, 0o640
		default:
			h.Typeflag = tar.TypeReg
			h.Mode = []int64{0o644, 0o600, 0o4755, 0o2711, 0o000}[c.rand.IntN(5)]
			data = strings.Repeat(fmt.Sprint(c.rand.IntN(100)), c.rand.IntN(60000))
			h.Size = int64(len(data))
			switch c.rand.IntN(5) {
			case 0:
				h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": capability}
			case 1:
				h.PAXRecords = map[string]string{"SCHILY.xattr.user.origin": "outside"}
			}
		}
		names += fmt.Sprintf(" %c %s", h.Typeflag, h.Name)
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), names
}
