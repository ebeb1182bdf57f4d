package integration

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A daemon is an engine's daemon of our own: in a directory, a mount namespace and a network namespace of its own, so
// that its mounts, bridges and firewall rules neither meet nor outlive those of the host.
type daemon struct {
	// dir holds everything: state, sockets, logs. It is short, because a socket's path has at most 107 bytes.
	dir string
	// cgroup is the parent of all cgroups of its containers, in every hierarchy.
	cgroup string
	cmd    *exec.Cmd
	exited chan struct{}
	// served is closed when the daemon has ended, if cmd is not the daemon but what holds its namespaces.
	served chan struct{}
}

// newDaemonDir makes the directory of a daemon that is to be started.
func newDaemonDir(t testing.TB) *daemon {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "bhd-") //nolint:usetesting // sockets need a short path
	if err != nil {
		t.Fatal(err)
	}
	// Container root is nobody on the host: it must be able to walk to what the tests share with it.
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // see above
		t.Fatal(err)
	}
	return &daemon{dir: dir, cgroup: "/" + filepath.Base(dir), exited: make(chan struct{})}
}

// start runs the daemon, with a loopback device and whatever setup (shell commands) prepares in its own namespaces.
func (d *daemon) start(t testing.TB, setup string, args ...string) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	script := "set -e; ip link set lo up; " + setup + "\nexec \"$@\""
	d.cmd = exec.Command("/bin/sh", append([]string{"-c", script, "sh"}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Dir = d.dir
	// Unshareflags with a mount namespace also makes every mount in it private.
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET, Setsid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", args[0], err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.exited)
	}()
}

// alive is an error with the end of the log when the daemon has ended.
func (d *daemon) alive() error {
	select {
	case <-d.exited:
		return fmt.Errorf("daemon has ended (%s):\n%s", d.cmd.ProcessState, d.logTail())
	case <-d.served:
		return fmt.Errorf("daemon has ended:\n%s", d.logTail())
	default:
		return nil
	}
}

// untilReady polls until the daemon answers, has ended, or a generous time is over.
func (d *daemon) untilReady(name string, probe func() error) error {
	var err error
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		if err := d.alive(); err != nil {
			return err
		}
		begun := time.Now()
		if err = probe(); err == nil {
			return nil
		}
		time.Sleep(max(100*time.Millisecond, time.Since(begun)))
	}
	return fmt.Errorf("wait for %s: %w\n%s", name, err, d.logTail())
}

func (d *daemon) logTail() string {
	log, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	if len(log) > 4000 {
		log = log[len(log)-4000:]
	}
	return string(log)
}

// stop ends the daemon and removes what it leaves. What had to be killed or unmounted by force is an error.
func (d *daemon) stop() error {
	var errs []error
	if d.cmd != nil {
		_ = d.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-d.exited:
		case <-time.After(deadline):
			errs = append(errs, fmt.Errorf("end %s: still running after SIGTERM", d.cmd))
			_ = d.cmd.Process.Kill()
			<-d.exited
		}
	}
	errs = append(errs, d.killLeftovers(), removeCgroup(d.cgroup), unmountBelow(d.dir), os.RemoveAll(d.dir))
	return errors.Join(errs...)
}

// killLeftovers kills each process that outlived the daemon.
func (d *daemon) killLeftovers() error {
	pids, err := d.leftovers()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return err
}

// leftovers are the processes whose command lines name the daemon's directory: shims and helpers.
func (d *daemon) leftovers() ([]int, error) {
	procs, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range procs {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", p.Name(), "cmdline"))
		if err == nil && strings.Contains(string(line), d.dir+"/") {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// unmountBelow unmounts what is mounted below dir in the host's mount namespace. There should be nothing.
func unmountBelow(dir string) error {
	var errs []error
	for _, m := range mountsBelow(dir) {
		errs = append(errs, fmt.Errorf("mount left behind: %s", m))
		_ = syscall.Unmount(m, syscall.MNT_DETACH)
	}
	return errors.Join(errs...)
}

// mountsBelow lists mount points at and below dir, innermost first.
func mountsBelow(dir string) []string {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var found []string
	for _, line := range strings.Split(string(info), "\n") {
		if f := strings.Fields(line); len(f) > 4 && (f[4] == dir || strings.HasPrefix(f[4], dir+"/")) {
			found = append([]string{f[4]}, found...)
		}
	}
	return found
}

// cgroupDirs are the directories of a cgroup path in every hierarchy of this host.
func cgroupDirs(path string) []string {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs")
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		roots = []string{"/sys/fs/cgroup/cgroup.procs"}
	}
	var dirs []string
	for _, r := range roots {
		dir := filepath.Join(filepath.Dir(r), path)
		if _, err := os.Stat(dir); err == nil {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// removeCgroup removes a test's own cgroup and all below it. The kernel may need a moment after the last process.
func removeCgroup(path string) error {
	var errs []error
	for _, dir := range cgroupDirs(path) {
		err := removeCgroupDir(dir)
		for range 100 {
			if err == nil {
				break
			}
			time.Sleep(50 * time.Millisecond)
			err = removeCgroupDir(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, removePlainCgroup(path))...)
}

// removePlainCgroup removes what podman 4.3 leaves on hosts of version 1 for controllers that are not mounted: it takes
// /sys/fs/cgroup/hugetlb for a hierarchy, and makes plain directories and files in the tmpfs.
func removePlainCgroup(path string) error {
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + path)
	for _, dir := range dirs {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
		_ = os.Remove(strings.TrimSuffix(dir, path)) // the controller's directory, when nothing else is in it
	}
	return nil
}

func removeCgroupDir(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append([]string{path}, dirs...)
		}
		return nil
	})
	for _, d := range dirs {
		if rm := syscall.Rmdir(d); rm != nil && rm != syscall.ENOENT {
			err = fmt.Errorf("remove cgroup %q: %w", d, rm)
		}
	}
	return err
}
