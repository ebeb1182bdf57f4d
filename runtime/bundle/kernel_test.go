package bundle

import (
	"errors"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

func TestMissingSysctls(t *testing.T) {
	spec := &specs.Spec{Linux: &specs.Linux{Sysctl: map[string]string{
		"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "1", "kernel.shmmax": "1",
		"net.ipv4.no_such_thing": "1", "kernel.nor_this": "1",
		"net.ipv4.conf.eth0.forwarding": "1", "net.ipv4.conf.all.no_such": "1",
		"net.ipv4.conf.lo.forwarding": "1", "net/ipv4/conf/eth0.5/forwarding": "1",
		"../../etc/passwd": "1", "a..b": "1", "": "1",
	}}}
	want := []string{"kernel.nor_this", "net.ipv4.conf.all.no_such", "net.ipv4.no_such_thing"}
	if got := missingSysctls(spec); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := missingSysctls(&specs.Spec{}); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestSysctlPath(t *testing.T) {
	for name, want := range map[string]string{
		"net.ipv4.ip_forward":             "/proc/sys/net/ipv4/ip_forward",
		"net/ipv4/conf/eth0.5/forwarding": "/proc/sys/net/ipv4/conf/eth0.5/forwarding",
		"net.ipv4.conf.eth0/5.forwarding": "/proc/sys/net/ipv4/conf/eth0.5/forwarding",
		"../x":                            "", "a..b": "", "/etc/passwd": "", ".": "", "a/../b": "", "": "",
	} {
		if got, ok := sysctlPath(name); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v", name, got, ok)
		}
	}
}

// TestSysctlsOfNewNamespaces: what the first network namespace alone has is missing. The control is a real process.
func TestSysctlsOfNewNamespaces(t *testing.T) {
	names := []string{"net/core/rmem_max", "net/core/optmem_max", "net/ipv4/tcp_mem", "net/ipv4/tcp_rmem", "net/ipv4/ip_default_ttl", "net/core/somaxconn", "net/core/netdev_max_backlog", "kernel/pid_max", "vm/swappiness", "net/none"}
	sysctls := map[string]string{}
	var want []string
	for _, name := range names {
		sysctls[name] = "1"
		cmd := exec.Command("test", "-e", "/proc/sys/"+name)
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS}
		var exit *exec.ExitError
		if err := cmd.Run(); errors.As(err, &exit) {
			want = append(want, name)
		} else if err != nil {
			t.Skipf("start a process in new namespaces: %v", err)
		}
	}
	slices.Sort(want)
	got := missingSysctls(&specs.Spec{Linux: &specs.Linux{Sysctl: sysctls}})
	if !slices.Equal(got, want) || len(want) < 2 {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := unix.Wait4(-1, nil, unix.WALL|unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %v", err)
	}
	// A pod's network belongs to the host's user namespace, and has what Linux 6.1 keeps from a container's own.
	pod := &specs.Spec{Linux: &specs.Linux{Sysctl: map[string]string{"net.core.somaxconn": "1", "net.core.rmem_max": "1"},
		Namespaces: []specs.LinuxNamespace{{Type: "network", Path: "/run/netns/pod"}}}}
	if got := missingSysctls(pod); slices.Contains(got, "net.core.somaxconn") {
		t.Errorf("a pod's network lacks %q", got)
	}
}

// TestKernel compares the probes with what the kernel says of itself elsewhere.
func TestKernel(t *testing.T) {
	k := probeKernel(&specs.Spec{})
	lsm, err := os.ReadFile("/sys/kernel/security/lsm")
	if err == nil && k.AppArmor != strings.Contains(string(lsm), "apparmor") {
		t.Errorf("AppArmor is %v, of %s", k.AppArmor, lsm)
	}
	if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(k.LastCap), 0, 0, 0); err != nil {
		t.Errorf("capability %d: %v", k.LastCap, err)
	}
	if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(k.LastCap+1), 0, 0, 0); err == nil {
		t.Errorf("capability %d is there too", k.LastCap+1)
	}
	if k.Arch == "" || k.TimeNamespace != exists("/proc/self/timens_offsets") {
		t.Errorf("%+v", k)
	}
	status, err := os.ReadFile("/proc/thread-self/status")
	must(t, err)
	_, after, _ := strings.Cut(string(status), "CapEff:\t")
	effective, err := strconv.ParseUint(after[:16], 16, 64)
	must(t, err)
	may := effective&(1<<unix.CAP_SYS_RESOURCE) != 0
	if (k.HardLimits == nil) != may || (k.OOMScoreAdjMin == nil) != may {
		t.Errorf("CAP_SYS_RESOURCE is %v, but %+v", may, k)
	}
	var nofile unix.Rlimit
	must(t, unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &nofile))
	if !may && k.HardLimits["RLIMIT_NOFILE"] != nofile.Max {
		t.Errorf("RLIMIT_NOFILE is %d, want %d", k.HardLimits["RLIMIT_NOFILE"], nofile.Max)
	}
}
