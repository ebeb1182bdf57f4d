package cgroups

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

// Verify reads the limits of the cgroups that the process is in, and returns an error that names the first file that
// differs from want. Memory limits are compared as the kernel keeps them, in whole pages.
//
// Verify reads after the process exists and before it runs the workload. It cannot see a later change by somebody who may write
// the cgroup, and it does not look at the cgroups above, which may be tighter.
func Verify(pid int, want Limits) error { return host("/").verify(strconv.Itoa(pid), want) }

func (h host) verify(process string, want Limits) error {
	trees, err := h.hierarchies()
	if err != nil {
		return fmt.Errorf("verify cgroups of process %s: %w", process, err)
	}
	cgroups, err := h.membership(process)
	if err != nil {
		return fmt.Errorf("verify cgroups of process %s: %w", process, err)
	}
	for _, c := range want.checks() {
		tree, ok := trees[c.controller]
		cgroup, member := member(cgroups, tree, c.controller)
		if !ok || !member {
			if c.text(want, 1) != "" || c.text(want, 2) != "" {
				return fmt.Errorf("verify cgroups of process %s: no cgroup with the controller %q", process, c.controller)
			}
			continue
		}
		dir, ok := tree.dir(cgroup)
		if !ok {
			return fmt.Errorf("verify cgroup %q: it is not below the mount at %q", cgroup, tree.point)
		}
		if err := h.check(c, tree.version, dir, want); err != nil {
			return fmt.Errorf("verify cgroup %q: %w", cgroup, err)
		}
	}
	return nil
}

// A check is one limit: the file that has it in each version, and what the file must say.
type check struct {
	controller string
	files      [2]string
	want       [2]string
	// same compares what the file says with what was asked, as the kernel and libcontainer understand both.
	same func(got, want string) bool
}

func (c check) file(version int) string { return c.files[version-1] }

// text is what the file must say, or "" when nothing was asked. A unified key of the spec goes before its other fields.
func (c check) text(l Limits, version int) string {
	if v, ok := l.Unified[c.file(version)]; ok && version == 2 {
		return strings.TrimSpace(v)
	}
	return c.want[version-1]
}

// checks lists the limits in the order in which they are verified.
func (l Limits) checks() []check {
	pids, memory := number(l.Pids), number(l.Memory)
	swap1, swap2 := number(l.Swap), ""
	if l.Swap > 0 && l.Memory > 0 {
		swap2 = strconv.FormatInt(max(l.Swap-l.Memory, 0), 10)
	}
	cpu, period := "", l.CPUPeriod
	if l.CPUQuota > 0 {
		if period == 0 {
			period = defaultPeriod
		}
		cpu = fmt.Sprintf("%d %d", l.CPUQuota, period)
	}
	shares1, weight := "", ""
	if l.CPUShares > 0 {
		// The kernel keeps shares within these bounds (MIN_SHARES and MAX_SHARES of kernel/sched/core.c).
		shares1 = strconv.FormatUint(min(max(l.CPUShares, 2), 262144), 10)
		weight = strconv.FormatUint(CPUWeight(l.CPUShares), 10)
	}
	return []check{
		{"pids", [2]string{"pids.max", "pids.max"}, [2]string{pids, pids}, sameText},
		{"memory", [2]string{memoryFile(1), memoryFile(2)}, [2]string{memory, memory}, sameBytes},
		{"memory", [2]string{swapFile(1), swapFile(2)}, [2]string{swap1, swap2}, sameBytes},
		{"cpu", [2]string{"cpu.cfs_quota_us", "cpu.max"}, [2]string{cpu, cpu}, sameQuota},
		{"cpu", [2]string{"cpu.shares", "cpu.weight"}, [2]string{shares1, weight}, sameText},
	}
}

func number(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// check compares one file. A missing file is a limit that the kernel does not keep.
func (h host) check(c check, version int, dir string, l Limits) error {
	want := c.text(l, version)
	if want == "" {
		return nil
	}
	file := c.file(version)
	got, err := h.read(path.Join(dir, file))
	if err == nil && file == "cpu.cfs_quota_us" {
		got, err = h.cpuMax(version, dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if file == swapFile(2) && want == "0" && !h.hasSwap() {
			return nil
		}
		return fmt.Errorf("%s is missing, want %q", file, want)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if !c.same(got, want) {
		return fmt.Errorf("%s is %q, want %q", file, got, want)
	}
	return nil
}

// hasSwap tells whether the host swaps at all: the first line of proc_swaps is a heading.
func (h host) hasSwap() bool {
	text, err := h.read("/proc/swaps")
	return err == nil && strings.Contains(text, "\n")
}

func sameText(got, want string) bool { return got == want }

// sameBytes rounds down to pages, as the kernel's page counters do.
func sameBytes(got, want string) bool {
	n, err := strconv.ParseInt(want, 10, 64)
	if err != nil {
		return got == want
	}
	page := int64(os.Getpagesize())
	return got == strconv.FormatInt(n/page*page, 10)
}

// sameQuota also takes what the systemd driver makes of a quota: it rounds up to whole percents of a CPU, because
// systemd counts in those, and writes the result to the cgroup. A quota without a period says nothing about the period.
func sameQuota(got, want string) bool {
	if first, _, _ := strings.Cut(got, " "); got == want || first == want {
		return true
	}
	quota, period, ok := twoNumbers(want)
	if !ok || period <= 0 || quota <= 0 || quota > 1<<40 {
		return false
	}
	const percent = 10000
	perSecond := (quota*1000000/period + percent - 1) / percent * percent
	return got == fmt.Sprintf("%d %d", perSecond*period/1000000, period)
}
