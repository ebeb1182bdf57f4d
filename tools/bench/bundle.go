package main

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// dockerSpec is the config.json that Docker 28.5 wrote for `docker run -m 256m --pids-limit 100 -v vol:/data`, with a CPU
// limit, and with its sources and cgroup left to fill in. Its ociVersion was 1.2.1, which older releases of crun refuse;
// nothing in it is newer than 1.0.2.
//
//go:embed testdata/docker.json
var dockerSpec []byte

// applets are the programs of the root filesystem.
var applets = []string{"sh", "true", "sleep"}

// A place has the bundles, one root filesystem for all of them, and the runtimes' state.
type place struct {
	dir    string
	state  string
	cgroup string
}

func newPlace() (*place, error) {
	dir, err := os.MkdirTemp("", "bulkhead-bench-")
	if err != nil {
		return nil, err
	}
	p := &place{dir: dir, cgroup: fmt.Sprintf("/bulkhead-bench-%d", os.Getpid())}
	if p.state, err = stateDir(); err == nil {
		err = p.fill()
	}
	if err != nil {
		return nil, errors.Join(err, p.remove())
	}
	return p, nil
}

// stateDir makes a directory for the runtimes' state on a tmpfs, where engines keep it: /run is one on hosts that boot, and
// /dev/shm nearly everywhere else. On a disk each small file that a runtime makes would be measured, too.
func stateDir() (string, error) {
	for _, dir := range []string{"/run", "/dev/shm"} {
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err != nil || st.Type != unix.TMPFS_MAGIC {
			continue
		}
		state, err := os.MkdirTemp(dir, "bulkhead-bench-")
		if err != nil {
			return "", err
		}
		return state, os.Chmod(state, 0o755) //nolint:gosec // containers reach their roots below it
	}
	return "", errors.New("make a directory for the runtimes' state: neither /run nor /dev/shm is a tmpfs")
}

// fill makes the root filesystem and the sources of the bind mounts.
func (p *place) fill() error {
	root := filepath.Join(p.dir, "rootfs")
	for _, d := range []string{p.dir, root, root + "/bin", root + "/etc", root + "/proc", root + "/sys", root + "/dev", root + "/data", p.dir + "/data"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"resolv.conf", "hostname", "hosts"} {
		for _, dir := range []string{p.dir, root + "/etc"} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil { //nolint:gosec // readable in the container
				return err
			}
		}
	}
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return fmt.Errorf("find a static busybox: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for from, to := range map[string]string{busybox: "busybox", self: "bench"} {
		if err := copyProgram(filepath.Join(root, "bin", to), from); err != nil {
			return err
		}
	}
	for _, name := range applets {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", name)); err != nil {
			return err
		}
	}
	return nil
}

// install copies the built programs, as an installation does, and gives the copies' paths. The page cache keeps a file that
// a linker has just written in larger pieces than a copied one, and each piece that a program touches counts whole as its
// resident size: 2.4 MB more for the same program.
func (p *place) install(programs ...string) ([]string, error) {
	dir := filepath.Join(p.dir, "programs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	var copies []string
	for _, from := range programs {
		to := filepath.Join(dir, filepath.Base(from))
		if err := copyProgram(to, from); err != nil {
			return nil, err
		}
		copies = append(copies, to)
	}
	return copies, nil
}

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// bundle makes the bundle of a container and returns its directory.
func (p *place) bundle(id string, args ...string) (string, error) {
	var s specs.Spec
	if err := json.Unmarshal(dockerSpec, &s); err != nil {
		return "", fmt.Errorf("read the embedded spec: %w", err)
	}
	dir := filepath.Join(p.dir, "bundles", id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	s.Process.Args = args
	s.Root.Path = filepath.Join(p.dir, s.Root.Path)
	s.Linux.CgroupsPath = filepath.Join(p.cgroup, id)
	for i := range s.Mounts {
		if m := &s.Mounts[i]; m.Type == "bind" {
			m.Source = filepath.Join(p.dir, m.Source)
		}
	}
	data, err := json.Marshal(&s)
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "config.json"), data, 0o600)
}

// remove removes the place and the empty cgroups, of version 1 and 2.
func (p *place) remove() error {
	var all error
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + p.cgroup)
	for _, d := range append(dirs, "/sys/fs/cgroup"+p.cgroup) {
		if err := os.Remove(d); err != nil && !errors.Is(err, os.ErrNotExist) {
			all = errors.Join(all, err)
		}
	}
	if p.state != "" {
		all = errors.Join(all, os.RemoveAll(p.state))
	}
	return errors.Join(all, os.RemoveAll(p.dir))
}
