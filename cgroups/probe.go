package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Probe reads what the host, and the cgroups above a container with this linux.cgroupsPath, have to give. systemd tells
// which driver makes the cgroup. Cgroups on the way that do not exist yet limit nothing.
//
// It is a snapshot: who may write the cgroups above can change them later.
func Probe(cgroupsPath string, systemd bool) (Capacity, error) {
	c, err := host("/").probe(cgroupsPath, systemd)
	if err != nil {
		return Capacity{}, fmt.Errorf("probe cgroups: %w", err)
	}
	return c, nil
}

func (h host) probe(cgroupsPath string, systemd bool) (Capacity, error) {
	where, err := parsePlace(cgroupsPath, systemd)
	if err != nil {
		return Capacity{}, err
	}
	trees, err := h.hierarchies()
	if err != nil {
		return Capacity{}, err
	}
	own, err := h.membership("self")
	if err != nil {
		return Capacity{}, err
	}
	first := map[string]string{}
	if systemd {
		if first, err = h.membership("1"); err != nil {
			return Capacity{}, err
		}
	}
	c := Capacity{Version: trees["memory"].version, Controllers: slices.Sorted(maps.Keys(trees))}
	if c.Memory, err = h.memory(); err != nil {
		return Capacity{}, err
	}
	if c.CPUs, err = h.cpus(); err != nil {
		return Capacity{}, err
	}
	up := func(controller string) []string {
		t, ok := trees[controller]
		if !ok {
			return nil
		}
		mine, _ := member(own, t, controller)
		init, _ := member(first, t, controller)
		return where.above(t, mine, init)
	}
	if err := h.tighten(&c, trees, up); err != nil {
		return Capacity{}, err
	}
	c.SwapAccounting = h.limitsSwap(trees["memory"], up("memory"), own)
	return c, nil
}

// tighten lowers the capacity to the tightest limit of the directories that up names for a controller.
func (h host) tighten(c *Capacity, trees map[string]hierarchy, up func(string) []string) error {
	for _, dir := range up("memory") {
		limit, err := h.limit(path.Join(dir, memoryFile(trees["memory"].version)))
		if err != nil {
			return err
		}
		c.Memory = min(c.Memory, limit)
	}
	tightest := func(old *int64, limit int64) {
		// 0 means none in a Capacity, so a limit of nothing becomes the least that is something.
		if limit = max(limit, 1); limit != math.MaxInt64 && (*old == 0 || limit < *old) {
			*old = limit
		}
	}
	for _, dir := range up("pids") {
		limit, err := h.limit(path.Join(dir, "pids.max"))
		if err != nil {
			return err
		}
		tightest(&c.ParentPids, limit)
	}
	for _, dir := range up("cpu") {
		quota, period, err := h.quota(trees["cpu"].version, dir)
		if err != nil {
			return err
		}
		if quota > 0 && period > 0 {
			tightest(&c.ParentQuota, quota*100/period)
		}
	}
	return nil
}

// limit reads a file with one number or "max". No file is no limit: the top of a tree has none, and neither has a cgroup
// whose controller is off.
func (h host) limit(name string) (int64, error) {
	text, err := h.read(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && text == "max" {
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %q: %w", name, err)
	}
	if n < 0 {
		return math.MaxInt64, nil
	}
	return n, nil
}

// quota reads the CPU quota and its period, both in microseconds. A quota of -1 is none.
func (h host) quota(version int, dir string) (quota, period int64, err error) {
	text, err := h.cpuMax(version, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if period, ok := strings.CutPrefix(text, "max "); ok {
		text = "-1 " + period
	}
	quota, period, ok := twoNumbers(text)
	if !ok {
		return 0, 0, fmt.Errorf("read CPU quota of %q: %q is no quota and period", dir, text)
	}
	return max(quota, -1), period, nil
}

func twoNumbers(text string) (a, b int64, ok bool) {
	first, second, _ := strings.Cut(text, " ")
	a, err := strconv.ParseInt(first, 10, 64)
	if err == nil {
		b, err = strconv.ParseInt(second, 10, 64)
	}
	return a, b, err == nil
}

// CPUQuota reads the CPU quota and its period, in microseconds, of the cgroup that a process is in. A quota of 0 is none.
func CPUQuota(pid int) (quota, period int64, err error) {
	quota, period, err = host("/").cpuQuota(strconv.Itoa(pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read CPU quota of process %d: %w", pid, err)
	}
	return max(quota, 0), period, nil
}

func (h host) cpuQuota(process string) (quota, period int64, err error) {
	trees, err := h.hierarchies()
	if err != nil {
		return 0, 0, err
	}
	in, err := h.membership(process)
	if err != nil {
		return 0, 0, err
	}
	tree := trees["cpu"]
	cgroup, ok := member(in, tree, "cpu")
	dir, seen := tree.dir(cgroup)
	if !ok || !seen || tree.version == 0 {
		return 0, 0, nil
	}
	return h.quota(tree.version, dir)
}

// cpuMax is "quota period", which version 1 has in two files.
func (h host) cpuMax(version int, dir string) (string, error) {
	if version == 2 {
		return h.read(path.Join(dir, "cpu.max"))
	}
	quota, err := h.read(path.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return "", err
	}
	period, err := h.read(path.Join(dir, "cpu.cfs_period_us"))
	return quota + " " + period, err
}

func memoryFile(version int) string {
	if version == 2 {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

func swapFile(version int) string {
	if version == 2 {
		return "memory.swap.max"
	}
	return "memory.memsw.limit_in_bytes"
}

// limitsSwap looks for the swap file in a cgroup that has the memory controller on. In version 2 the top of the tree never
// has it; where no other cgroup can tell, a kernel with swap is taken to account it: newer kernels have
// no switch for that any more.
func (h host) limitsSwap(t hierarchy, above []string, own map[string]string) bool {
	if t.version == 0 {
		return false
	}
	if mine, ok := member(own, t, "memory"); ok {
		if dir, ok := t.dir(mine); ok {
			above = append(above, dir)
		}
	}
	told := t.version == 1
	for _, dir := range above {
		if h.exists(path.Join(dir, swapFile(t.version))) {
			return true
		}
		told = told || h.exists(path.Join(dir, memoryFile(t.version)))
	}
	return !told && h.exists("/proc/swaps")
}

// memory of the host in bytes: MemTotal of proc_meminfo(5).
func (h host) memory() (int64, error) {
	text, err := h.read("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "MemTotal:" {
			continue
		}
		kb, err := strconv.ParseInt(f[1], 10, 53)
		if err != nil {
			return 0, fmt.Errorf("read MemTotal: %w", err)
		}
		return kb * 1024, nil
	}
	return 0, errors.New("read MemTotal: /proc/meminfo has none")
}

// cpus that are online. Without sysfs, those that the caller may use.
func (h host) cpus() (int, error) {
	text, err := h.read("/sys/devices/system/cpu/online")
	if err == nil {
		return countList(text)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("count CPUs: %w", err)
	}
	return set.Count(), nil
}

// countList counts the members of a kernel list such as "0-3,8".
func countList(list string) (int, error) {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err := errors.Join(err, err2); err != nil || to < from {
			return 0, fmt.Errorf("count CPUs: %q is no list of CPUs", list)
		}
		n += int(to-from) + 1
	}
	return n, nil
}
