package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// The sandbox shows links as links, what everybody may read as a read-only bind, and nothing else of /etc.
func TestHostRoot(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "rootfs")
	for _, dir := range []string{"usr/bin", "usr/lib", "etc/ssl/certs", "etc/ssl/private", "etc/ssh"} {
		must(t, os.MkdirAll(filepath.Join(from, dir), 0o755)) //nolint:gosec // a host's root
	}
	must(t, os.Symlink("usr/bin", filepath.Join(from, "bin")))
	must(t, os.Symlink("/usr/share/zoneinfo/UTC", filepath.Join(from, "etc/localtime")))
	for name, mode := range map[string]fs.FileMode{"passwd": 0o644, "shadow": 0o640, "group": 0o640, "ssh/key": 0o600} {
		writeFile(t, filepath.Join(from, "etc", name), name, mode)
	}
	r := hostRoot{from: from, to: to}
	must(t, r.make())
	var shown []string
	for _, m := range r.mounts {
		if !slices.Equal(m.Options, []string{"rbind", "ro", "nosuid", "nodev"}) || m.Source != filepath.Join(from, m.Destination) {
			t.Errorf("mount %+v", m)
		}
		shown = append(shown, m.Destination)
	}
	if got, want := strings.Join(shown, " "), "/usr /etc/passwd /etc/ssl/certs"; got != want {
		t.Errorf("shows %s, want %s", got, want)
	}
	for link, want := range map[string]string{"bin": "usr/bin", "etc/localtime": "/usr/share/zoneinfo/UTC", "etc/mtab": "../proc/self/mounts"} {
		if got, err := os.Readlink(filepath.Join(to, link)); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", link, got, err, want)
		}
	}
	if data, err := os.ReadFile(filepath.Join(to, "etc/passwd")); err != nil || len(data) != 0 {
		t.Errorf("a copy was made: %q, %v", data, err)
	}
	for _, name := range []string{"etc/shadow", "etc/group", "etc/ssh", "etc/ssl/private"} {
		if _, err := os.Lstat(filepath.Join(to, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

func TestSandboxSpec(t *testing.T) {
	p, err := profiles.Builtin("default")
	must(t, err)
	s := sandbox{args: []string{"true"}, profile: p, memory: 1 << 20}
	spec := s.spec("x", nil)
	if !spec.Root.Readonly || *spec.Linux.Resources.Memory.Limit != 1<<20 || spec.Process.User.UID != 0 || spec.Process.Cwd != "/root" {
		t.Errorf("got %+v %+v", spec.Root, spec.Process)
	}
	s.profile.User.NonRoot.On = true
	spec = s.spec("x", nil)
	if spec.Process.User.UID != nobody || len(spec.Process.Capabilities.Effective) != 0 || spec.Process.Cwd != "/home" {
		t.Errorf("got %+v", spec.Process)
	}
}

func TestSeen(t *testing.T) {
	hardened := "Uid:\t0\t0\t0\t0\nCapBnd:\t00000000000405fb\nNoNewPrivs:\t1\nSeccomp:\t2\n"
	var b strings.Builder
	list := seen(hardened, "         0     100000      65536\n", 1, false)
	writeFindings(&b, list)
	golden(t, b.String(), `
  its user                           0 inside  [ok]
  its root on the host               user 100000 of 65536, who owns nothing there  [ok]
  its process ID                     1  [ok]
  its capabilities, at most          CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT  [ok]
  no_new_privs                       1  [ok]
  system call filter                 loaded  [ok]
`)
	if err := summary(&b, list); err != nil {
		t.Error(err)
	}
	host := "Uid:\t0\t0\t0\t0\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n"
	list = seen(host, "         0          0 4294967295\n", 4711, false)
	want := "demonstrate: 5 of 6 lines are not as promised"
	if err := summary(&b, list); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestNetworkIsRefused(t *testing.T) {
	_, err := ctl(t, "try", "--network", "true")
	want := "try --network: a container of bulkhead never has this machine's own network, and a network of its own takes an engine that makes it; " +
		"use docker run --runtime=bulkhead, or try without --network (it has a loopback device)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// The attempts of the demonstration are real, so it must not begin anywhere but in its sandbox. This test calls only the
// judgement of the three signs: a test that ran the command here would be the accident that it is about.
func TestDemonstrationStaysInSandbox(t *testing.T) {
	const inside, host = "         0 1879048192      65536\n", "         0          0 4294967295\n"
	if err := checkSandbox(demoProgram, inside, 1); err != nil {
		t.Errorf("refused in the sandbox: %v", err)
	}
	for _, tt := range []struct {
		self, uidMap string
		pid          int
	}{
		{"/usr/local/bin/bulkheadctl", host, 4711}, {demoProgram, host, 1}, {demoProgram, inside, 2}, {"/bin/bulkheadctl", inside, 1},
		{demoProgram, "", 1}, {demoProgram, "0 0 1\n1 100000 65535\n", 1},
	} {
		if err := checkSandbox(tt.self, tt.uidMap, tt.pid); err == nil {
			t.Errorf("%+v passed for the sandbox", tt)
		}
	}
}
