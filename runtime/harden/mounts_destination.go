package harden

import (
	"path/filepath"
	"slices"
	"strings"
)

// lxcfsFiles are the files of /proc that lxcfs shows a container in its own words. runc has the same list.
var lxcfsFiles = [...]string{
	"/proc/cpuinfo", "/proc/diskstats", "/proc/loadavg", "/proc/meminfo", "/proc/slabinfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
}

// devFixed are the names in /dev that the runtime makes itself. What is mounted there would be taken for the real
// one: /dev/null is what masked paths are covered with (CVE-2025-31133), /dev/console is bound from a terminal
// (CVE-2025-52565).
var devFixed = [...]string{"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "fd", "stdin", "stdout", "stderr"}

// destination objects to where a mount goes, and tells whether the rest of it is worth a look.
func (o *protest) destination(v mountView) bool {
	dest, field := v.mount.Destination, mountField(v.index, "destination")
	switch {
	case dest == "", !filepath.IsAbs(dest), filepath.Clean(dest) != dest, strings.ContainsRune(dest, 0):
		o.object(field, quote(dest), "an absolute path without \"..\"")
		return false
	case dest == "/":
		o.object(field, `"/"`, "a path below the container's root")
		return false
	case within(dest, "/proc"):
		return o.inProc(v, field)
	case dest == "/sys":
		if v.bind() || v.mount.Type != "sysfs" {
			o.object(field, `"/sys"`, "only sysfs there")
			return false
		}
	case within(dest, "/dev"):
		return o.inDev(v, field)
	}
	return true
}

// inProc objects to everything in /proc but proc itself and lxcfs's files: security modules write there
// (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881).
func (o *protest) inProc(v mountView, field string) bool {
	dest := v.mount.Destination
	if dest == "/proc" {
		if v.bind() || v.mount.Type != "proc" {
			o.object(field, `"/proc"`, "only proc there")
			return false
		}
		return true
	}
	if v.bind() && slices.Contains(lxcfsFiles[:], dest) {
		return true
	}
	o.object(field, quote(dest), "a path outside /proc")
	return false
}

func (o *protest) inDev(v mountView, field string) bool {
	dest := v.mount.Destination
	name := strings.TrimPrefix(dest, "/dev/")
	first, _, _ := strings.Cut(name, "/")
	switch {
	case dest == "/dev":
		if v.bind() || v.mount.Type != "tmpfs" {
			o.object(field, `"/dev"`, "only tmpfs there")
			return false
		}
	case first == "pts":
		if v.bind() || v.mount.Type != "devpts" || name != "pts" {
			o.object(field, quote(dest), "only devpts at /dev/pts")
			return false
		}
	case slices.Contains(devFixed[:], first):
		o.object(field, quote(dest), "a path that the runtime does not make itself")
		return false
	}
	return true
}

// within tells whether path is dir or below it. Both are clean. It is asked thousands of times in a create, so it makes
// no strings.
func within(path, dir string) bool {
	if !strings.HasPrefix(path, dir) {
		return false
	}
	return dir == "/" || len(path) == len(dir) || path[len(dir)] == '/'
}
