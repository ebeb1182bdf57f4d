package container

import (
	"os"
	"testing"

	"github.com/moby/sys/mountinfo"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// CHOWN and NET_BIND_SERVICE, by number (capabilities(7)).
const (
	chown       = 1 << 0
	bindService = 1 << 10
)

func confinedProcess() *specs.Process {
	set := []string{"CAP_CHOWN"}
	return &specs.Process{
		NoNewPrivileges: true,
		Capabilities:    &specs.LinuxCapabilities{Bounding: set, Effective: set, Permitted: set},
	}
}

// TestVerifyProcess has the kernel report what the hardened spec does not give, one field at a time.
func TestVerifyProcess(t *testing.T) {
	good := procStatus{prm: chown, eff: chown, bnd: chown, noNewPrivs: true, seccomp: "2"}
	with := func(edit func(*procStatus)) procStatus {
		st := good
		edit(&st)
		return st
	}
	for _, c := range []struct {
		name            string
		status          procStatus
		exactly, within string
	}{
		{"as asked", good, "", ""},
		{"fewer effective", with(func(st *procStatus) { st.eff = 0 }), "", ""},
		{
			"a wider bounding set", with(func(st *procStatus) { st.bnd |= bindService }),
			"CapBnd is 0000000000000401, want 0000000000000001", "CapBnd is 0000000000000401, want 0000000000000001",
		},
		{"a smaller bounding set", with(func(st *procStatus) { st.bnd, st.prm, st.eff = 0, 0, 0 }), "CapBnd is 0000000000000000, want 0000000000000001", ""},
		{
			"more permitted", with(func(st *procStatus) { st.prm |= bindService }),
			"CapPrm is 0000000000000401, want 0000000000000001", "CapPrm is 0000000000000401, beyond the bounding set 0000000000000001",
		},
		{"inheritable", with(func(st *procStatus) { st.inh = chown }), "CapInh is 0000000000000001, want 0000000000000000", ""},
		{
			"ambient", with(func(st *procStatus) { st.amb = chown }),
			"CapAmb is 0000000000000001, want 0000000000000000", "",
		},
		{
			"new privileges", with(func(st *procStatus) { st.noNewPrivs = false }),
			"status field NoNewPrivs is 0, want 1", "status field NoNewPrivs is 0, want 1",
		},
		{
			"no filter", with(func(st *procStatus) { st.seccomp = "0" }),
			`status field Seccomp is "0", want "2" (a filter)`, `status field Seccomp is "0", want "2" (a filter)`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, "exactly", c.status.exactly(confinedProcess()), c.exactly)
			wantError(t, "within", c.status.within(confinedProcess()), c.within)
		})
	}
}

func wantError(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestVerifyMount(t *testing.T) {
	bind := func(options ...string) specs.Mount {
		return specs.Mount{Destination: "/data/", Type: "bind", Options: append([]string{"rbind"}, options...)}
	}
	for _, c := range []struct {
		name    string
		mount   specs.Mount
		options string
		want    string
	}{
		{"all flags", bind("nosuid", "nodev", "rro"), "ro,nosuid,nodev,relatime", ""},
		{"a flag more", bind("nosuid"), "ro,nosuid", ""},
		{"writable", bind("rro"), "rw,nosuid,nodev", `mount "/data/" is rw,nosuid,nodev, want ro`},
		{"setuid", bind("nosuid", "nodev"), "rw,nodev", `mount "/data/" is rw,nodev, want nosuid`},
		{"devices", bind("rnodev"), "rw,nosuid", `mount "/data/" is rw,nosuid, want nodev`},
		{"programs", specs.Mount{Destination: "/data", Type: "tmpfs", Options: []string{"noexec"}}, "rw", `mount "/data" is rw, want noexec`},
		{"not ours to compare", specs.Mount{Destination: "/data", Type: "proc", Options: []string{"nosuid"}}, "rw", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := map[string]*mountinfo.Info{"/data": {Mountpoint: "/data", Options: c.options}}
			wantError(t, "mount", verifyMount(at, c.mount), c.want)
		})
	}
}

// TestVerifyPaths looks at this process's own /proc, which has /proc/cpuinfo and /proc/sys, and no /proc/nosuch.
func TestVerifyPaths(t *testing.T) {
	null := &mountinfo.Info{FSType: "devtmpfs", Root: "/null", Options: "rw"}
	masked := func(paths ...string) *specs.Spec { return &specs.Spec{Linux: &specs.Linux{MaskedPaths: paths}} }
	readonly := func(paths ...string) *specs.Spec { return &specs.Spec{Linux: &specs.Linux{ReadonlyPaths: paths}} }
	for _, c := range []struct {
		name string
		spec *specs.Spec
		path string
		info *mountinfo.Info
		want string
	}{
		{"masked by a file", masked("/proc/cpuinfo"), "/proc/cpuinfo", null, ""},
		{"masked by a folder", masked("/proc/sys"), "/proc/sys", &mountinfo.Info{FSType: "tmpfs", Root: "/", Options: "ro,relatime"}, ""},
		{"not masked", masked("/proc/cpuinfo"), "/", null, `path "/proc/cpuinfo" has no mount of its own, want it masked or read-only`},
		{"masked by what it is", masked("/proc/sys"), "/proc/sys", &mountinfo.Info{FSType: "proc", Root: "/sys", Options: "ro"}, `mount "/proc/sys" is /sys of proc, want /dev/null or an empty tmpfs over it`},
		{"masked by a writable folder", masked("/proc/sys"), "/proc/sys", &mountinfo.Info{FSType: "tmpfs", Root: "/", Options: "rw"}, `mount "/proc/sys" is / of tmpfs, want /dev/null or an empty tmpfs over it`},
		{"not there", masked("/proc/nosuch/x"), "/", null, ""},
		{"a link", masked("/proc/self"), "/", null, ""},
		{"the image's", masked("/etc"), "/", null, ""},
		{"read-only", readonly("/proc/sys"), "/proc/sys", &mountinfo.Info{FSType: "proc", Root: "/sys", Options: "ro,nosuid"}, ""},
		{"writable", readonly("/proc/sys"), "/proc/sys", &mountinfo.Info{FSType: "proc", Root: "/sys", Options: "rw,nosuid"}, `mount "/proc/sys" is rw,nosuid, want ro`},
		{"masked, too", readonly("/proc/cpuinfo"), "/proc/cpuinfo", null, ""},
		{"no mount", readonly("/proc/sys"), "/", null, `path "/proc/sys" has no mount of its own, want it masked or read-only`},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, "paths", verifyPaths(os.Getpid(), map[string]*mountinfo.Info{c.path: c.info}, c.spec), c.want)
		})
	}
}

// TestVerifyMapping reads this process, which has no range.
func TestVerifyMapping(t *testing.T) {
	s := &specs.Spec{Linux: &specs.Linux{UIDMappings: []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1879048192, Size: 65536}}}}
	pid, start := os.Getpid(), startTime(os.Getpid())
	if start == 0 || !alive(pid, start) || alive(pid, start+1) {
		t.Fatalf("start time of this process is %d", start)
	}
	err := verifyMapping(pid, s, userns.Range{Start: 1879048192, Size: 65536})
	if err == nil {
		t.Fatal("this process passes for a container's")
	}
	if got := mappingText(s.Linux.UIDMappings); got != "0 1879048192 65536" {
		t.Errorf("a mapping is %q", got)
	}
}
