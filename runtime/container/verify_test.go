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
