package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// A nobody is an unprivileged user with a range of subordinate IDs, and the user and mount namespaces that a rootless engine
// (podman's pause process, rootlesskit) makes for one: ID 0 is the user, and what follows are the subordinate IDs.
type nobody struct {
	dir    string
	holder *exec.Cmd
}

const (
	nobodyID  = 123456
	nobodySub = 1900000000
)

func newNobody(t testing.TB) *nobody {
	t.Helper()
	requireRoot(t)
	requireProgram(t, "nsenter")
	n := &nobody{dir: newDaemonDir(t).dir}
	t.Cleanup(func() {
		if err := os.RemoveAll(n.dir); err != nil {
			t.Error(err)
		}
	})
	for _, d := range []string{"", "bin", "xdg"} {
		path := filepath.Join(n.dir, d)
		err := os.MkdirAll(path, 0o711)
		if err == nil {
			err = os.Chown(path, nobodyID, nobodyID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	must(t, run(t, exec.Command("cp", bulkheadBin(t), n.dir+"/bin/bulkhead")))
	must(t, run(t, exec.Command("chmod", "755", n.dir+"/bin/bulkhead")))
	maps := []syscall.SysProcIDMap{{HostID: nobodyID, Size: 1}, {ContainerID: 1, HostID: nobodySub, Size: 65536}}
	n.holder = exec.Command("sleep", "100000")
	n.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: maps, GidMappings: maps,
		GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{}}
	if err := n.holder.Start(); err != nil {
		t.Skipf("this kernel makes no user namespace with a mapping: %v", err)
	}
	t.Cleanup(func() {
		_ = n.holder.Process.Kill()
		_ = n.holder.Wait()
	})
	return n
}

// command runs a program as the user's engine would.
func (n *nobody) command(args ...string) *exec.Cmd {
	pid := strconv.Itoa(n.holder.Process.Pid)
	cmd := exec.Command("nsenter", append([]string{"-U", "-m", "-t", pid, "-S", "0", "-G", "0", "--wd=" + n.dir, "--"}, args...)...)
	cmd.Dir = n.dir
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+n.dir+"/xdg", "HOME="+n.dir)
	return cmd
}

// bundle makes a bundle whose files belong to the user.
func (n *nobody) bundle(t testing.TB, edit func(*specs.Spec)) string {
	t.Helper()
	b := &bundle{dir: filepath.Join(n.dir, "b")}
	tar, err := os.Open(imageTar(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	defer tar.Close()
	unpack := n.command("sh", "-c", `mkdir -p b/rootfs && tar -xf - -C b/rootfs --numeric-owner`)
	unpack.Stdin = tar
	must(t, run(t, unpack))
	spec := engineSpec("")
	edit(spec)
	b.writeSpec(t, spec)
	if err := os.Chown(b.dir+"/config.json", nobodyID, nobodyID); err != nil {
		t.Fatal(err)
	}
	return b.dir
}

// TestRootless runs containers as an unprivileged user's engine does. What can be enforced is, and what cannot is on
// record.
func TestRootless(t *testing.T) {
	n := newNobody(t)
	dir := n.bundle(t, func(s *specs.Spec) { s.Process.Args = []string{"sh", "-c", "echo up; exec sleep 1000"} })
	bulkhead := func(args ...string) *exec.Cmd {
		return n.command(append([]string{n.dir + "/bin/bulkhead"}, args...)...)
	}
	create := bulkhead("create", "--bundle", dir, "--pid-file", n.dir+"/pid", "c1")
	log, err := os.Create(n.dir + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	create.Stdout, create.Stderr = log, log
	if err := create.Run(); err != nil {
		text, _ := os.ReadFile(n.dir + "/out")
		t.Fatalf("create: %v\n%s", err, text)
	}
	t.Cleanup(func() { must(t, run(t, bulkhead("delete", "--force", "c1"))) })
	pid := (&bundle{dir: n.dir}).pid(t)
	must(t, run(t, bulkhead("start", "c1")))
	t.Run("confined", func(t *testing.T) {
		checkConfined(t, "container", statusOf(t, pid))
		equal(t, "mapping", strings.Join(strings.Fields(procFile(t, pid, "uid_map")), " "), "0 123456 1 1 1900000000 65536")
		for _, ns := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
			if namespaceOf(t, strconv.Itoa(pid), ns) == namespaceOf(t, strconv.Itoa(n.holder.Process.Pid), ns) {
				t.Errorf("the namespace %s is the engine's", ns)
			}
		}
	})
	t.Run("exec", func(t *testing.T) {
		equal(t, "IDs", must(t, run(t, bulkhead("exec", "c1", "sh", "-c", "id -u; stat -c %u:%g /home/app /etc/passwd"))), "0\n1000:1000\n0:0")
		checkConfined(t, "exec", parseStatus(must(t, run(t, bulkhead("exec", "--cap", "CAP_SYS_ADMIN", "c1", "cat", "/proc/self/status")))))
	})
	t.Run("record", func(t *testing.T) {
		record, err := os.ReadFile(n.dir + "/xdg/bulkhead/containers/c1/record.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"rootless: the containers of one user share the user's IDs", "rootless: this user may not write the cgroup"} {
			if !strings.Contains(string(record), want) {
				t.Errorf("the record does not say %q", want)
			}
		}
	})
}
