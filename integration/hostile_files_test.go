package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// TestHostileFiles has an image with the wrong kind of file wherever the runtime expects another one.
func TestHostileFiles(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	c := newCanary(t)
	shared := c.shared
	kinds := map[string]string{
		"file": `echo x >"$1"`, "directory": `mkdir "$1"`, "fifo": `mkfifo "$1"`, "device": `mknod "$1" c 1 1`, "block": `mknod "$1" b 7 0`,
		"full": `mkdir "$1"; touch "$1/a" "$1/b"`, "closed": `mkdir -m 0 "$1"; chown 12345 "$1"`,
	}
	for _, at := range []string{"/dev", "/dev/null", "/dev/console", "/dev/ptmx", "/proc", "/sys", "/etc", "/mnt", "/mnt/file", "/masked"} {
		for kind, script := range kinds {
			t.Run(strings.TrimPrefix(at, "/")+"/"+kind, func(t *testing.T) {
				b := newBundle(t, "bulkhead", bindMount(shared, "/mnt/dir"), bindMount(shared+"/file", "/mnt/file"), bindMount(shared+"/file", "/etc/hosts"),
					func(s *specs.Spec) {
						s.Linux.MaskedPaths = append(s.Linux.MaskedPaths, "/masked")
						if strings.HasPrefix(at, "/dev/") {
							withoutMounts("/dev")(s)
						}
					})
				b.replace(t, at, script)
				b.survive(t, c, kind+" at "+at)
			})
		}
	}
}

// TestHostileNames has names in the image and in the spec that break careless code.
func TestHostileNames(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	c := newCanary(t)
	shared := c.shared
	for what, at := range map[string]string{
		"newline": "/mnt/a\nb", "space": "/mnt/a b", "escape": `/mnt/a\040b`, "quote": `/mnt/"'$(id)`, "colon": "/mnt/a:b,c=d", "dots": "/mnt/../../../../x",
		"long": "/mnt/" + strings.Repeat("n", 255), "too-long": "/mnt/" + strings.Repeat("n", 256), "path-max": "/mnt" + strings.Repeat("/d", 2040),
		"beyond-path-max": "/mnt" + strings.Repeat("/d", 2100), "octal": "/mnt/\\134", "root": "/", "dot": "/.", "empty": "", "relative": "mnt/x",
	} {
		t.Run(what, func(t *testing.T) {
			b := newBundle(t, "bulkhead", bindMount(shared, at))
			b.survive(t, c, fmt.Sprintf("mount at %.40q", at))
		})
	}
	t.Run("deep-directory", func(t *testing.T) {
		b := newBundle(t, "bulkhead")
		dir, err := unix.Open(b.dir+"/rootfs", unix.O_PATH|unix.O_DIRECTORY, 0)
		for range 4096 {
			if err == nil {
				err = unix.Mkdirat(dir, "d", 0o755)
			}
			next, err2 := unix.Openat(dir, "d", unix.O_PATH|unix.O_DIRECTORY, 0)
			if err = errors.Join(err, err2, unix.Close(dir)); err != nil {
				t.Fatal(err)
			}
			dir = next
		}
		_ = unix.Close(dir)
		equal(t, "runs", b.survive(t, c, "a directory 4096 deep"), true)
	})
}

// TestHostilePrograms has an image with files that give rights on the host: in the container they give none.
func TestHostilePrograms(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "busybox")
	b := newBundle(t, "bulkhead")
	b.replace(t, "/setuid", `mkdir "$1"; cp "$1/../bin/busybox" "$1"; chmod 6755 "$1/busybox"`)
	b.replace(t, "/capable", `mkdir "$1"; cp "$1/../bin/busybox" "$1"`)
	// Version 2 of struct vfs_cap_data with every capability permitted and effective (capabilities(7)).
	everything := "\x01\x00\x00\x02" + "\xff\xff\xff\xff" + "\x00\x00\x00\x00" + "\xff\x01\x00\x00" + "\x00\x00\x00\x00"
	if err := unix.Setxattr(b.dir+"/rootfs/capable/busybox", "security.capability", []byte(everything), 0); err != nil {
		t.Fatal(err)
	}
	var disk unix.Stat_t
	if err := unix.Stat(b.dir, &disk); err != nil {
		t.Fatal(err)
	}
	for name, dev := range map[string][2]uint64{"mem": {unix.S_IFCHR, unix.Mkdev(1, 1)}, "disk": {unix.S_IFBLK, disk.Dev}, "kmsg": {unix.S_IFCHR, unix.Mkdev(1, 11)}} {
		if err := unix.Mknod(b.dir+"/rootfs/"+name, uint32(dev[0])|0o666, int(dev[1])); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(b.dir+"/rootfs/"+name, 0o666); err != nil { //nolint:gosec // an attacker's
			t.Fatal(err)
		}
	}
	b.running(t)
	for _, program := range []string{"setuid", "capable"} {
		s := parseStatus(b.do(t, "exec", "--user", "1000:1000", b.id, "/"+program+"/busybox", "cat", "/proc/self/status"))
		equal(t, program+": Uid", s["Uid"], "1000 1000 1000 1000")
		equal(t, program+": CapEff", s.caps(t, "CapEff"), 0)
	}
	for _, device := range []string{"mem", "disk", "kmsg"} {
		refused(t, b.try(t, "exec", b.id, "head", "-c", "1", "/"+device))
		refused(t, b.try(t, "exec", b.id, "sh", "-c", "exec 3>/"+device))
	}
}
