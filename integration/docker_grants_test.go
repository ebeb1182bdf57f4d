package integration

import (
	"strings"
	"testing"
)

// What widens a container under another runtime ends as an ordinary hardened container.
var grantScenarios = []scenario{
	{"grants/ignored", true, func(t *testing.T, d *docker) {
		for _, options := range [][]string{
			privileged(), {"--cap-add=ALL"}, {"--cap-add=SYS_ADMIN", "--cap-add=SYS_PTRACE", "--cap-add=NET_ADMIN"},
			{"--security-opt", "seccomp=unconfined"}, {"--security-opt", "no-new-privileges=false"}, {"--security-opt", "systempaths=unconfined"},
			{"--userns=host"}, {"--uts=host"}, {"--cgroupns=host"},
		} {
			t.Run(strings.Join(options, " "), func(t *testing.T) {
				id := d.container(t, append(options, "busybox", "sleep", "1000")...)
				checkHardened(t, d.pid(t, id))
				d.checkPowerless(t, id)
			})
		}
	}},
	{"grants/apparmor-unconfined", true, func(t *testing.T, d *docker) {
		for _, options := range [][]string{{"--security-opt", "apparmor=unconfined"}, {"--privileged"}} {
			if !appArmorActive() {
				checkHardened(t, d.pid(t, d.container(t, append(options, "busybox", "sleep", "1000")...)))
				continue
			}
			d.refusedRun(t, "rule lsm", options...)
			// It says what to do, and that works.
			refused(t, d.tryRun(t, append(options, "busybox", "true")...), "--security-opt apparmor=docker-default")
		}
		pid := d.pid(t, d.container(t, append(privileged(), "busybox", "sleep", "1000")...))
		checkHardened(t, pid)
		if appArmorActive() {
			equal(t, "profile", appArmorOf(t, pid), "docker-default (enforce)")
		}
	}},
	{"grants/cap-drop-holds", false, func(t *testing.T, d *docker) {
		s := parseStatus(d.run(t, "--cap-drop=ALL", "--cap-add=CHOWN", "busybox", "cat", "/proc/self/status"))
		equal(t, "CapBnd", s.caps(t, "CapBnd"), 1)
		equal(t, "CapEff", s.caps(t, "CapEff"), 1)
		s = parseStatus(d.run(t, "--cap-drop=ALL", "-u", "app", "busybox", "cat", "/proc/self/status"))
		equal(t, "CapBnd of a user", s.caps(t, "CapBnd"), 0)
		equal(t, "CapEff of a user", s.caps(t, "CapEff"), 0)
	}},
	{"grants/devices", true, func(t *testing.T, d *docker) {
		for _, options := range [][]string{{"--device", "/dev/kmsg"}, {"--device", "/dev/kmsg:/dev/other"}, privileged(), {"--device-cgroup-rule", "a *:* rwm"}} {
			id := d.container(t, append(options, "busybox", "sleep", "1000")...)
			r := d.try(t, "exec", id, "sh", "-c", "head -c1 /dev/kmsg || head -c1 /dev/other")
			refused(t, r)
			refused(t, d.try(t, "exec", id, "mknod", "/tmp/kmsg", "c", "1", "11"))
			if !unified() {
				if list := cgroupValue(t, d.pid(t, id), "devices", "devices.list"); strings.HasPrefix(list, "a ") || strings.Contains(list, "c 1:11 ") {
					t.Errorf("devices.list with %v is %q", options, list)
				}
			}
		}
	}},
	{"grants/device-of-a-site", true, func(t *testing.T, d *docker) {
		script := "test -c /dev/fuse && (: <>/dev/fuse) && echo opened"
		site := &docker{dockerd: d.dockerd, runtime: "bulkhead-device"}
		equal(t, "allowed and asked", site.run(t, "--device", "/dev/fuse", "busybox", "sh", "-c", script), "opened")
		refused(t, site.tryRun(t, "busybox", "sh", "-c", script))
		refused(t, d.tryRun(t, "--device", "/dev/fuse", "busybox", "sh", "-c", script))
	}},
	{"grants/cap-add", false, func(t *testing.T, d *docker) {
		s := parseStatus(d.run(t, "--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE", "--cap-add=SETUID", "busybox", "cat", "/proc/self/status"))
		equal(t, "CapBnd", s.caps(t, "CapBnd"), 1<<10|1<<7)
		equal(t, "CapEff", s.caps(t, "CapEff"), 1<<10|1<<7)
	}},
	{"grants/masks-hold", true, func(t *testing.T, d *docker) {
		for _, options := range [][]string{privileged(), {"--security-opt=systempaths=unconfined"}} {
			out := d.run(t, append(options, "busybox", "sh", "-c", "cat /proc/kcore 2>/dev/null | wc -c; ls /sys/firmware | wc -l; echo 1 2>/dev/null >/proc/sys/kernel/domainname || echo refused")...)
			equal(t, "masked and read-only paths with "+strings.Join(options, " "), out, "0\n0\nrefused")
		}
	}},
	{"profiles/restricted", true, func(t *testing.T, d *docker) {
		r := &docker{dockerd: d.dockerd, runtime: "bulkhead-restricted"}
		r.refusedRun(t, "rule user")
		dir := sharedDir(t)
		id := r.container(t, "-u", "app", "-v", dir+":/mnt", "busybox", "sleep", "1000")
		pid := r.pid(t, id)
		checkHardened(t, pid)
		equal(t, "CapBnd", statusOf(t, pid).caps(t, "CapBnd"), 1<<10)
		refused(t, r.try(t, "exec", id, "touch", "/home/app/x"), "Read-only file system")
		if options := mountOptions(r.do(t, "exec", id, "cat", "/proc/mounts"), "/mnt"); !strings.Contains(options, "noexec") {
			t.Errorf("options of a volume are %q, want noexec", options)
		}
		refused(t, r.try(t, "exec", "-u", "0", id, "true"), "rule user")
	}},
	{"profiles/compatible", true, func(t *testing.T, d *docker) {
		d.image(t, "services")
		script := "echo 'nobody ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/nobody && gosu nobody sudo -n id -u"
		c := &docker{dockerd: d.dockerd, runtime: "bulkhead-compatible"}
		equal(t, "sudo", c.run(t, "services", "sh", "-c", script), "0")
		refused(t, d.tryRun(t, "services", "sh", "-c", script))
	}},
}

// privileged are the options for all that Docker can grant. Where AppArmor is active Docker would also ask for no profile at
// all, which is refused (grants/apparmor-unconfined): its own profile is asked for beside, and Docker honours that.
func privileged() []string {
	if appArmorActive() {
		return []string{"--privileged", "--security-opt", "apparmor=docker-default"}
	}
	return []string{"--privileged"}
}

// checkPowerless tries from inside what only host power could do.
func (d *docker) checkPowerless(t *testing.T, id string) {
	t.Helper()
	for _, script := range []string{
		"mount -t tmpfs none /mnt", "mount -t proc none /proc", "umount -l /proc", "unshare -m true", "unshare -U true", "mknod /tmp/d b 8 0",
		"echo 1 >/proc/sys/kernel/printk", "hostname other", "ip link set lo down", "nsenter -t 1 -m true", "chroot /proc/1/root/proc/1/root mount -t tmpfs none /tmp",
		"ip link add d0 type dummy", "renice -n -20 1", "dmesg",
	} {
		if r := d.try(t, "exec", "--privileged", id, "sh", "-c", "mkdir -p /mnt; "+script); r.code == 0 {
			t.Errorf("a container could: %s", r)
		}
	}
}
