package bundle

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// sleeper starts a process in new namespaces and returns its /proc/PID/ns.
func sleeper(t *testing.T, flags uintptr) (dir string, stop func()) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	if flags&unix.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 700000, Size: 1000}, {ContainerID: 5000, HostID: 800000, Size: 7}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 900000, Size: 65536}}
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("start a process in new namespaces: %v", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	t.Cleanup(stop)
	return "/proc/" + strconv.Itoa(cmd.Process.Pid) + "/ns/", stop
}

var (
	sleeperUIDs = []IDMap{{0, 700000, 1000}, {5000, 800000, 7}}
	sleeperGIDs = []IDMap{{0, 900000, 65536}}
)

func resolveNamespace(t *testing.T, kind specs.LinuxNamespaceType, path string, o Options) (Namespace, *Resolved) {
	t.Helper()
	spec, dir := specWith(t)
	spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: "mount"}, {Type: kind, Path: path}}
	r := mustResolve(t, spec, dir, o)
	if !reflect.DeepEqual(r.Facts.Namespaces[0], Namespace{}) || r.Namespace(0) != nil {
		t.Errorf("a new namespace has facts: %+v", r.Facts.Namespaces[0])
	}
	return r.Facts.Namespaces[1], r
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	i, err := inodeAt(path)
	must(t, err)
	return i
}

func TestHostNamespaces(t *testing.T) {
	for kind, file := range map[specs.LinuxNamespaceType]string{
		"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "time": "time",
	} {
		dirs := []string{"/proc/self/ns/", "/proc/thread-self/ns/"}
		if exists("/proc/1/ns/net") { // where the kernel lets this process look at process 1
			dirs = append(dirs, "/proc/1/ns/")
		}
		for _, dir := range dirs {
			got, _ := resolveNamespace(t, kind, dir+file, Options{})
			if !got.Host || got.Kind != string(kind) || got.Err != "" || got.Inode != inode(t, dir+file) {
				t.Errorf("%s%s: %+v", dir, file, got)
			}
		}
	}
	got, _ := resolveNamespace(t, "user", "/proc/self/ns/user", Options{})
	if !got.Host || got.Err != "" || len(got.UIDMap) != 1 {
		t.Errorf("user: %+v", got)
	}
}

func TestEnginesNamespaceBelongsToTheHost(t *testing.T) {
	ns, _ := sleeper(t, unix.CLONE_NEWNET)
	got, r := resolveNamespace(t, "network", ns+"net", Options{Sibling: func(uint64) (string, Range, bool) { return "", Range{}, false }})
	want := Namespace{Path: ns + "net", Inode: inode(t, ns+"net"), Kind: "network", Owner: inode(t, "/proc/self/ns/user"), OwnerIsHost: true}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if open, err := inodeOf(int(r.Namespace(1).Fd())); err != nil || open != want.Inode {
		t.Errorf("the open file is namespace %d, %v", open, err)
	}
}

func TestSiblingsNamespace(t *testing.T) {
	ns, _ := sleeper(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNET|unix.CLONE_NEWIPC)
	owner := inode(t, ns+"user")
	lookup := Options{Sibling: func(i uint64) (string, Range, bool) { return "web1", Range{700000, 65536}, i == owner }}
	got, _ := resolveNamespace(t, "network", ns+"net", lookup)
	want := Namespace{Path: ns + "net", Inode: inode(t, ns+"net"), Kind: "network", Owner: owner, Sibling: "web1", SiblingRange: Range{700000, 65536}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, _ = resolveNamespace(t, "user", ns+"user", lookup)
	want = Namespace{Path: ns + "user", Inode: owner, Kind: "user", Owner: inode(t, "/proc/self/ns/user"), OwnerIsHost: true,
		Sibling: "web1", SiblingRange: Range{700000, 65536}, UIDMap: sleeperUIDs, GIDMap: sleeperGIDs}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestPinnedUserNamespace: the mapping of a user namespace that no process is in.
func TestPinnedUserNamespace(t *testing.T) {
	pin := t.TempDir() + "/pin"
	must(t, os.WriteFile(pin, nil, 0o600))
	ns, stop := sleeper(t, unix.CLONE_NEWUSER)
	privateMounts(t)
	must(t, unix.Mount(ns+"user", pin, "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, unix.Unmount(pin, unix.MNT_DETACH)) })
	want := inode(t, ns+"user")
	stop()
	for range 20 {
		got, _ := resolveNamespace(t, "user", pin, Options{})
		if got.Inode != want || got.Err != "" || !reflect.DeepEqual(got.UIDMap, sleeperUIDs) || !reflect.DeepEqual(got.GIDMap, sleeperGIDs) {
			t.Fatalf("%+v", got)
		}
	}
	if _, err := unix.Wait4(-1, nil, unix.WALL|unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %v", err)
	}
}

// TestInsideTellsWhy: entering fails with the kernel's reason.
func TestInsideTellsWhy(t *testing.T) {
	f, err := os.Open("/proc/self/ns/net")
	must(t, err)
	defer func() { _ = f.Close() }()
	err = inside(int(f.Fd()), func(int) error { t.Error("looked"); return nil })
	if err == nil || err.Error() != "enter it: invalid argument" {
		t.Errorf("%v", err)
	}
}

func TestBadNamespaces(t *testing.T) {
	d := t.TempDir()
	must(t, unix.Mkfifo(d+"/fifo", 0o600), os.WriteFile(d+"/file", nil, 0o600))
	for _, c := range []struct {
		kind       specs.LinuxNamespaceType
		path, want string
	}{
		{"ipc", "/proc/self/ns/net", "is a network namespace, want ipc"},
		{"network", d + "/fifo", "is no namespace"},
		{"network", d + "/file", "is no namespace"},
		{"network", "/dev/null", "is no namespace"},
		{"network", "/proc/self/status", "is no namespace"},
		{"network", d + "/missing", "not found"},
		{"pid", "/proc/4194305/ns/pid", "not found"},
	} {
		got, r := resolveNamespace(t, c.kind, c.path, Options{})
		if want := (Namespace{Path: c.path, Err: c.want}); !reflect.DeepEqual(got, want) || r.Namespace(1) != nil {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestParseIDMap(t *testing.T) {
	got, err := parseIDMap("         0     100000      65536\n     70000 200000 1\n")
	if want := []IDMap{{0, 100000, 65536}, {70000, 200000, 1}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"0 1\n", "0 1 4294967296\n", "a b c\n", "0 1 2 3\n"} {
		if got, err := parseIDMap(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}
