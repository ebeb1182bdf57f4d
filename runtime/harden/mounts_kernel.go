package harden

import (
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// kernel narrows the options of a file system that shows the kernel.
func (e *optionEdit) kernel(v mountView) {
	const why = "a view of the kernel holds no programs and no devices"
	switch v.mount.Type {
	case "devpts":
		e.force(why, "nosuid", "suid")
		e.force(why, "noexec", "exec")
	case "proc", "mqueue":
		e.hardened(why)
	case "sysfs", "cgroup", "cgroup2":
		e.hardened(why)
		e.force("the host's devices and limits are not the container's to change", "ro", "rw")
		// Options of the host's one cgroup2 (cgroups(7)), which containerd copies from the host's own mount.
		e.drop("the host's mount decides", "nsdelegate", "memory_recursiveprot", "memory_localevents", "memory_hugetlb_accounting", "favordynmods", "pids_localevents")
	default:
		return
	}
	e.drop("it gives rights back", "rrw", "rsuid", "rdev", "rexec")
	e.drop("only binds are mapped", "idmap", "ridmap")
}

func (e *optionEdit) hardened(why string) {
	e.force(why, "nosuid", "suid")
	e.force(why, "nodev", "dev")
	e.force(why, "noexec", "exec")
}

// kernelMount objects to a mount that is neither a bind nor a tmpfs.
func (o *protest) kernelMount(s *specs.Spec, v mountView, p Policy) {
	field, all := mountField(v.index, "options"), quoteOptions(v.mount.Options)
	kind, dest := v.mount.Type, v.mount.Destination
	places := map[string]string{"proc": "/proc", "sysfs": "/sys", "devpts": "/dev/pts"}
	switch kind {
	case "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2":
	default:
		o.object(mountField(v.index, "type"), quote(kind), "bind, tmpfs, proc, sysfs, cgroup, devpts or mqueue")
		return
	}
	if want := places[kind]; want != "" && dest != want {
		o.object(mountField(v.index, "destination"), quote(dest)+" for "+kind, want)
	}
	switch {
	case !v.opts.nosuid:
		o.object(field, all, "nosuid")
	case !v.opts.noexec:
		o.object(field, all, "noexec")
	case !v.opts.nodev && kind != "devpts":
		o.object(field, all, "nodev")
	case !v.opts.readonly && (kind == "sysfs" || kind == "cgroup" || kind == "cgroup2"):
		o.object(field, all, "ro")
	}
	for _, d := range v.opts.data {
		o.kernelData(s, kind, field, d, p)
	}
}

// kernelData objects to an option of the file system that is not known to be harmless.
func (o *protest) kernelData(s *specs.Spec, kind, field, data string, p Policy) {
	name, value, _ := strings.Cut(data, "=")
	switch kind + " " + name {
	case "proc hidepid":
	case "proc subset":
		if value != "pid" {
			o.object(field, quote(data), `"subset=pid"`)
		}
	case "devpts newinstance":
	case "devpts mode", "devpts ptmxmode":
		if n, err := strconv.ParseUint(value, 8, 32); err != nil || n > 0o777 {
			o.object(field, quote(data), "a mode of up to 777")
		}
	case "devpts uid", "devpts gid", "proc gid":
		o.ownerOption(s, field, data, p)
	case "devpts max":
		if _, err := strconv.ParseUint(value, 10, 31); err != nil {
			o.object(field, quote(data), "a number")
		}
	default:
		o.object(field, quote(data), "options of "+kind+" that give nothing away")
	}
}
