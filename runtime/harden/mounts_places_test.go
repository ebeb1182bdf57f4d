package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestMountsDestinations(t *testing.T) {
	runRule(t, mounts, []ruleCase{
		{
			name:    "not clean",
			edit:    bindTo("data/../../v/", onDisk("/srv/shop"), finished...),
			changes: []string{`mounts[0].destination: "data/../../v/" -> "/v" (a destination is a path from the container's root)`},
		},
		{name: "the root", edit: bindTo("/", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/", want a path below the container's root (rule mounts)`}},
		{name: "none", edit: bindTo("", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "", want an absolute path without ".." (rule mounts)`}},
		{name: "a false proc", edit: bindTo("/proc", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/proc", want only proc there (rule mounts)`}},
		{name: "a tmpfs for proc", edit: mountOf("/proc", "tmpfs", "nosuid", "nodev", "size=4096"), refused: []string{`mounts[0].destination is "/proc", want only proc there (rule mounts)`}},
		{name: "in proc", edit: bindTo("/proc/self/attr", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/proc/self/attr", want a path outside /proc (rule mounts)`}},
		{name: "proc elsewhere", edit: mountOf("/p", "proc", "nosuid", "nodev", "noexec"), refused: []string{`mounts[0].destination is "/p" for proc, want /proc (rule mounts)`}},
		{name: "a false sys", edit: bindTo("/sys", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/sys", want only sysfs there (rule mounts)`}},
		{name: "a false dev", edit: bindTo("/dev", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/dev", want only tmpfs there (rule mounts)`}},
		{name: "a false null", edit: bindTo("/dev/null", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/dev/null", want a path that the runtime does not make itself (rule mounts)`}},
		{name: "a false terminal", edit: bindTo("/dev/pts/0", onDisk("/srv/shop"), finished...), refused: []string{`mounts[0].destination is "/dev/pts/0", want only devpts at /dev/pts (rule mounts)`}},
		{name: "shm", edit: bindTo("/dev/shm", onDisk("/srv/shop"), finished...)},
	})
}

func TestMountsOfKernelFilesystems(t *testing.T) {
	const view = "a view of the kernel holds no programs and no devices"
	runRule(t, mounts, []ruleCase{
		{name: "proc", edit: mountOf("/proc", "proc", "nosuid", "noexec", "nodev")},
		{name: "devpts", edit: mountOf("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")},
		{name: "cgroup", edit: mountOf("/sys/fs/cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev")},
		{name: "mqueue", edit: mountOf("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev")},
		{
			name:    "privileged sysfs",
			edit:    mountOf("/sys", "sysfs", "nosuid", "noexec", "nodev"),
			changes: []string{`mounts[0].options: "nosuid,noexec,nodev" -> "nosuid,noexec,nodev,ro" (for "/sys": the host's devices and limits are not the container's to change)`},
		},
		{
			name:    "privileged cgroup",
			edit:    mountOf("/sys/fs/cgroup", "cgroup2", "nosuid", "noexec", "nodev", "rw"),
			changes: []string{`mounts[0].options: "nosuid,noexec,nodev,rw" -> "nosuid,noexec,nodev,ro" (for "/sys/fs/cgroup": the host's devices and limits are not the container's to change)`},
		},
		{
			name:    "bare proc",
			edit:    mountOf("/proc", "proc"),
			changes: []string{`mounts[0].options: none -> "nosuid,nodev,noexec" (for "/proc": ` + view + ")"},
		},
		{name: "hidepid", edit: mountOf("/proc", "proc", "nosuid", "noexec", "nodev", "hidepid=2")},
		{
			name:    "the host's options of cgroup2",
			edit:    mountOf("/sys/fs/cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev", "nsdelegate", "memory_recursiveprot"),
			changes: []string{`mounts[0].options: "ro,nosuid,noexec,nodev,nsdelegate,memory_recursiveprot" -> "ro,nosuid,noexec,nodev" (for "/sys/fs/cgroup": the host's mount decides)`},
		},
		{name: "a cgroup option", edit: mountOf("/sys/fs/cgroup", "cgroup", "ro", "nosuid", "noexec", "nodev", "release_agent=/x"), refused: []string{`mounts[0].options is "release_agent=/x", want options of cgroup that give nothing away (rule mounts)`}},
		{name: "a terminal group outside", edit: mountOf("/dev/pts", "devpts", "nosuid", "noexec", "gid=70000"), refused: []string{`mounts[0].options is "gid=70000", want an ID that the container has (rule mounts)`}},
		{name: "overlay", edit: mountOf("/o", "overlay", "lowerdir=/etc"), refused: []string{`mounts[0].type is "overlay", want bind, tmpfs, proc, sysfs, cgroup, devpts or mqueue (rule mounts)`}},
		{name: "debugfs", edit: mountOf("/o", "debugfs"), refused: []string{`mounts[0].type is "debugfs", want bind, tmpfs, proc, sysfs, cgroup, devpts or mqueue (rule mounts)`}},
	})
}

func TestMountsOfTmpfs(t *testing.T) {
	reason := ": 64 MiB is what Docker gives; asked for more, the memory limit is the bound, as tmpfs pages are charged to it (tmpfs(5)))"
	runRule(t, mounts, []ruleCase{
		{name: "shm", edit: mountOf("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864")},
		{name: "dev", edit: mountOf("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")},
		{
			name:    "without a size",
			edit:    mountOf("/t", "tmpfs", "noexec", "nosuid", "nodev", "rprivate"),
			changes: []string{`mounts[0].options: "noexec,nosuid,nodev,rprivate" -> "noexec,nosuid,nodev,rprivate,size=4294967296" (for "/t": a tmpfs without a size takes half of the host's memory` + reason},
		},
		{
			name:    "without a limit",
			edit:    mountOf("/t", "tmpfs", "nosuid", "nodev", "size=0"),
			changes: []string{`mounts[0].options: "nosuid,nodev,size=0" -> "nosuid,nodev,size=4294967296" (for "/t": a tmpfs of size 0 has no limit` + reason},
		},
		{
			name:    "above the default memory limit",
			edit:    mountOf("/t", "tmpfs", "nosuid", "nodev", "size=100%"),
			changes: []string{`mounts[0].options: "nosuid,nodev,size=100%" -> "nosuid,nodev,size=4294967296" (for "/t": its size lies within the memory limit` + reason},
		},
		{
			name: "above the asked memory limit",
			edit: func(s *specs.Spec, p *Policy) {
				mountOf("/dev/shm", "tmpfs", "nosuid", "nodev", "size=64m")(s, p)
				s.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: new(int64(32 << 20))}}
			},
			changes: []string{`mounts[0].options: "nosuid,nodev,size=64m" -> "nosuid,nodev,size=33554432" (for "/dev/shm": its size lies within the memory limit` + reason},
		},
		{
			name:    "two sizes",
			edit:    mountOf("/t", "tmpfs", "nosuid", "nodev", "size=1m", "size=2m"),
			changes: []string{`mounts[0].options: "nosuid,nodev,size=1m,size=2m" -> "nosuid,nodev,size=2m" (for "/t": the last size counts)`},
		},
		{name: "no size", edit: mountOf("/t", "tmpfs", "nosuid", "nodev", "size=huge"), refused: []string{`mounts[0].options is "size=huge", want a size of 1 to 8160436224 bytes (rule mounts)`}},
		{name: "an owner", edit: mountOf("/t", "tmpfs", "nosuid", "nodev", "size=1m", "uid=1000", "gid=1000", "mode=0700")},
		{name: "an owner outside", edit: mountOf("/t", "tmpfs", "nosuid", "nodev", "size=1m", "uid=70000"), refused: []string{`mounts[0].options is "uid=70000", want an ID that the container has (rule mounts)`}},
		{name: "unknown", edit: mountOf("/t", "tmpfs", "nosuid", "nodev", "size=1m", "huge=always"), refused: []string{`mounts[0].options is "huge=always", want size, mode, uid, gid or nr_inodes (rule mounts)`}},
	})
}
