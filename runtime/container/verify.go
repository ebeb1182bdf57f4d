package container

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/capability"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/userns"
)

// verify reads the kernel back while the container's init waits at the exec fifo, before the workload runs. The filter
// is loaded and the capabilities are set by then, so what is read is what the workload gets. A mismatch is an error, and the
// caller of verify kills the container.
func (c *creation) verify() error {
	pid, err := c.process.Pid()
	if err != nil {
		return fmt.Errorf("verify %q: %w", c.o.ID, err)
	}
	if err := c.verifyProcess(pid); err != nil {
		return fmt.Errorf("verify %q: %w", c.o.ID, err)
	}
	if err := verifyMounts(pid, c.hardened); err != nil {
		return fmt.Errorf("verify %q: %w", c.o.ID, err)
	}
	return c.verifyLimits(pid)
}

func (c *creation) verifyProcess(pid int) error {
	if err := verifyMapping(pid, c.hardened, c.rec.Range); err != nil {
		return err
	}
	st, err := readStatus(pid)
	if err != nil {
		return err
	}
	if err := st.exactly(c.hardened.Process); err != nil {
		return err
	}
	ns, err := os.Stat("/proc/" + strconv.Itoa(pid) + "/ns/user")
	if err != nil {
		return fmt.Errorf("read user namespace: %w", err)
	}
	own, err := os.Stat("/proc/self/ns/user")
	if err != nil {
		return fmt.Errorf("read user namespace: %w", err)
	}
	if os.SameFile(ns, own) {
		return fmt.Errorf("process %d is in the host's user namespace", pid)
	}
	c.rec.UserNamespace = statInode(ns)
	c.rec.AppArmor = wantedAppArmor(c.hardened.Process, c.policy.Facts.Kernel)
	c.rec.SELinux = wantedSELinux(c.hardened.Process, c.policy.Facts.Kernel)
	// A kernel that does not show what is pending has at least taken it: libcontainer would have failed. See [Holding.begin].
	if err := verifyLSM(pid, c.hardened.Process, c.policy.Facts.Kernel); !errors.Is(err, errPending) {
		return err
	}
	return nil
}

// verifyMapping compares uid_map and gid_map with the range, or with the caller's own mapping (user_namespaces(7)).
func verifyMapping(pid int, s *specs.Spec, r userns.Range) error {
	for _, m := range []struct {
		file   string
		wanted []specs.LinuxIDMapping
	}{{"uid_map", s.Linux.UIDMappings}, {"gid_map", s.Linux.GIDMappings}} {
		want := m.wanted
		if r.Size > 0 {
			want = []specs.LinuxIDMapping{{ContainerID: 0, HostID: r.Start, Size: r.Size}}
		}
		if len(want) == 0 && r.Size == 0 {
			continue // a caller's namespace by path: its mapping was read from the kernel and judged
		}
		b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/" + m.file)
		if err != nil {
			return fmt.Errorf("read %s: %w", m.file, err)
		}
		got := strings.Join(strings.Fields(string(b)), " ")
		if w := mappingText(want); got != w {
			return fmt.Errorf("%s is %q, want %q", m.file, got, w)
		}
	}
	return nil
}

func mappingText(maps []specs.LinuxIDMapping) string {
	var f []string
	for _, m := range maps {
		f = append(f, fmt.Sprint(m.ContainerID), fmt.Sprint(m.HostID), fmt.Sprint(m.Size))
	}
	return strings.Join(f, " ")
}

// A procStatus has what proc_pid_status(5) tells of a process's rights.
type procStatus struct {
	inh, prm, eff, bnd, amb uint64
	noNewPrivs              bool
	seccomp                 string
}

func readStatus(pid int) (*procStatus, error) {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	defer f.Close()
	st := &procStatus{}
	sets := map[string]*uint64{"CapInh": &st.inh, "CapPrm": &st.prm, "CapEff": &st.eff, "CapBnd": &st.bnd, "CapAmb": &st.amb}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		if set, ok := sets[key]; ok {
			if *set, err = strconv.ParseUint(value, 16, 64); err != nil {
				return nil, fmt.Errorf("read status: %s is %q", key, value)
			}
			delete(sets, key)
		}
		switch key {
		case "NoNewPrivs":
			st.noNewPrivs = value == "1"
		case "Seccomp":
			st.seccomp = value
		}
	}
	if len(sets) > 0 {
		return nil, fmt.Errorf("read status of process %d: it has ended", pid)
	}
	return st, nil
}

// seccompFilter is SECCOMP_MODE_FILTER in proc_pid_status(5).
const seccompFilter = "2"

// exactly compares a process that has not yet run its program.
func (st *procStatus) exactly(p *specs.Process) error {
	want := capabilitySets(p)
	for _, s := range []struct {
		name      string
		got, want uint64
	}{
		{"CapBnd", st.bnd, want.bnd},
		{"CapPrm", st.prm, want.prm}, {"CapEff", st.eff, want.eff}, {"CapInh", st.inh, want.inh}, {"CapAmb", st.amb, want.amb},
	} {
		if s.got&^s.want != 0 || s.name == "CapBnd" && s.got != s.want {
			return fmt.Errorf("%s is %016x, want %016x", s.name, s.got, s.want)
		}
	}
	return st.confined(p)
}

// within compares a process that may have run its program already: a program with file capabilities or set-user-ID
// changes the other sets, but nothing gets beyond the bounding set.
func (st *procStatus) within(p *specs.Process) error {
	want := capabilitySets(p)
	if st.bnd&^want.bnd != 0 {
		return fmt.Errorf("CapBnd is %016x, want %016x", st.bnd, want.bnd)
	}
	if more := (st.prm | st.eff | st.amb) &^ want.bnd; more != 0 {
		return fmt.Errorf("CapPrm is %016x, beyond the bounding set %016x", st.prm, want.bnd)
	}
	return st.confined(p)
}

func (st *procStatus) confined(p *specs.Process) error {
	if p.NoNewPrivileges && !st.noNewPrivs {
		return errors.New("status field NoNewPrivs is 0, want 1")
	}
	if st.seccomp != seccompFilter {
		return fmt.Errorf("status field Seccomp is %q, want %q (a filter)", st.seccomp, seccompFilter)
	}
	return nil
}

// capabilitySets are the sets of process.capabilities as the kernel's masks.
func capabilitySets(p *specs.Process) procStatus {
	if p.Capabilities == nil {
		return procStatus{}
	}
	bits := map[string]uint{}
	for _, k := range capability.ListKnown() {
		bits["CAP_"+strings.ToUpper(k.String())] = uint(k)
	}
	mask := func(names []string) (m uint64) {
		for _, n := range names {
			if b, ok := bits[n]; ok {
				m |= 1 << b
			}
		}
		return m
	}
	k := p.Capabilities
	return procStatus{inh: mask(k.Inheritable), prm: mask(k.Permitted), eff: mask(k.Effective), bnd: mask(k.Bounding), amb: mask(k.Ambient)}
}

// verifyExec reads an exec'd process back. It runs already: there is no fifo to wait at. One that has ended in the
// meantime cannot be read and needs no more.
func verifyExec(pid int, rec *Record, hardened *specs.Spec) error {
	start := startTime(pid)
	if start == 0 {
		return nil
	}
	err := verifyMapping(pid, hardened, rec.Range)
	if err == nil {
		var st *procStatus
		if st, err = readStatus(pid); err == nil {
			err = st.within(hardened.Process)
		}
	}
	if err == nil {
		err = verifyExecLSM(pid, hardened.Process, rec.Policy.Facts.Kernel)
	}
	if err == nil {
		var info os.FileInfo
		info, err = os.Stat("/proc/" + strconv.Itoa(pid) + "/ns/user")
		if err == nil && statInode(info) != rec.UserNamespace {
			err = fmt.Errorf("process %d is not in the container's user namespace", pid)
		}
	}
	if err != nil && !alive(pid, start) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("verify exec in %q: %w", rec.ID, err)
	}
	return nil
}

func statInode(info os.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}

func inode(f *os.File) uint64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return statInode(info)
}
