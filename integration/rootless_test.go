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
	// cgroup is one that was delegated to the user, if any; its engine runs in joins.
	cgroup string
	joins  *os.File
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
	// As rootlesskit has /run: a directory of links.
	if err := os.Symlink(".", n.dir+"/run"); err != nil {
		t.Fatal(err)
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
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+n.dir+"/run/xdg", "HOME="+n.dir)
	if n.joins != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(n.joins.Fd())}
	}
	return cmd
}

// runtime runs a command of the runtime's, with its output in a file: a container's process keeps it open.
func (n *nobody) runtime(t testing.TB, args ...string) result {
	t.Helper()
	cmd := n.command(append([]string{n.dir + "/bin/bulkhead"}, args...)...)
	out, err := os.CreateTemp(n.dir, "out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	text, _ := os.ReadFile(out.Name())
	r := result{args: cmd.Args, stdout: string(text), code: cmd.ProcessState.ExitCode()}
	if err != nil && r.code <= 0 {
		t.Fatalf("run %s: %v", r, err)
	}
	return r
}

// create creates a container of a bundle, to the end of the test, and gives its process.
func (n *nobody) create(t testing.TB, dir, id string) int {
	t.Helper()
	must(t, n.runtime(t, "create", "--bundle", dir, "--pid-file", n.dir+"/pid", id))
	t.Cleanup(func() { must(t, n.runtime(t, "delete", "--force", id)) })
	return (&bundle{dir: n.dir}).pid(t)
}

// record is what the runtime remembers of a container.
func (n *nobody) record(t testing.TB, id string) string {
	t.Helper()
	text, err := os.ReadFile(n.dir + "/xdg/bulkhead/containers/" + id + "/record.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
	pid := n.create(t, dir, "c1")
	must(t, n.runtime(t, "start", "c1"))
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
		equal(t, "IDs", must(t, n.runtime(t, "exec", "c1", "sh", "-c", "id -u; stat -c %u:%g /home/app /etc/passwd")), "0\n1000:1000\n0:0")
		checkConfined(t, "exec", parseStatus(must(t, n.runtime(t, "exec", "--cap", "CAP_SYS_ADMIN", "c1", "cat", "/proc/self/status"))))
	})
	t.Run("record", func(t *testing.T) {
		record := n.record(t, "c1")
		for _, want := range []string{"rootless: the containers of one user share the user's IDs", "rootless: no limit of this container holds: this user may not write a cgroup"} {
			if !strings.Contains(record, want) {
				t.Errorf("the record does not say %q", want)
			}
		}
	})
}
