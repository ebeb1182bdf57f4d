package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A guestImage is what a virtual machine boots from: a kernel, an initial RAM disk that knows just enough to mount the root,
// and the root's disk. All are made from a Debian tree and kept for later runs; nobody writes to them.
type guestImage struct{ kernel, initrd, disk string }

// newGuestImage makes the image of a suite, or finds the one that an earlier run made.
func newGuestImage(t testing.TB, suite string) guestImage {
	t.Helper()
	requireProgram(t, "mke2fs", "xz", "busybox")
	tree := engineTree(t, suite)
	sum := sha256.Sum256([]byte(tree + guestInitrd + guestRoot + guestInit))
	dir := filepath.Join(testCache(t), "guest-"+suite+"-"+hex.EncodeToString(sum[:6]))
	img := guestImage{kernel: dir + "/vmlinuz", initrd: dir + "/initrd", disk: dir + "/disk"}
	lock := lockFile(t, dir+".lock")
	defer lock.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return img
	}
	script := `rm -rf "$2"; mkdir -m 755 "$2"; cp "$(ls "$1"/boot/vmlinuz-* | tail -1)" "$2/vmlinuz"` + guestInitrd + guestRoot + `mv "$2" "$3"`
	cmd := exec.Command("sh", "-euc", script, "sh", tree, dir+".part", dir)
	cmd.Env = append(os.Environ(), "init="+guestInit, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a guest of %s: %v\n%s", suite, err, out)
	}
	return img
}

// guestInitrd packs busybox, the modules of a virtio disk with ext4 and what they need, and init, into $2/initrd.
const guestInitrd = `
ram=$2/ram
mkdir -p "$ram/bin" "$ram/proc" "$ram/sys" "$ram/dev" "$ram/root" "$ram/modules"
cp "$(command -v busybox)" "$ram/bin/busybox"
ln -s busybox "$ram/bin/sh"
modules=$(ls -d "$1"/lib/modules/* | tail -1)
: >"$ram/modules/order"
add() { # a path from modules.dep: first what it needs, in the order of insmod
	name=$(basename "$1" .xz); name=$(basename "$name" .ko)
	if grep -qx "$name" "$ram/modules/order"; then return; fi
	for need in $(sed -n "s|^$1: ||p" "$modules/modules.dep" | tr ' ' '\n' | tac); do add "$need"; done
	name=$(basename "$1" .xz); name=$(basename "$name" .ko)
	if grep -qx "$name" "$ram/modules/order"; then return; fi
	case $1 in
	*.xz) xz -dc "$modules/$1" >"$ram/modules/$name" ;;
	*) cp "$modules/$1" "$ram/modules/$name" ;;
	esac
	echo "$name" >>"$ram/modules/order"
}
for want in virtio_pci virtio_blk crc32c_generic ext4; do
	path=$(sed -n "s|^\([^:]*/$want\.ko[^:]*\):.*|\1|p" "$modules/modules.dep")
	if [ -n "$path" ]; then add "$path"; fi # else it is built in
done
printf '%s' "$init" >"$ram/init"
chmod 755 "$ram/init"
(cd "$ram"; find . | busybox cpio -o -H newc --quiet) >"$2/initrd"
rm -r "$ram"
`

// guestInit is the first program of the guest.
const guestInit = `#!/bin/sh
export PATH=/bin
/bin/busybox --install /bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
for m in $(cat /modules/order); do insmod /modules/$m; done
for i in $(seq 100); do [ -b /dev/vda ] && break; sleep 0.1; done
mount -t ext4 /dev/vda /root
mount --move /dev /root/dev; mount --move /proc /root/proc; mount --move /sys /root/sys
exec switch_root /root /usr/lib/systemd/systemd
`

// guestRoot writes $2/disk: the tree with a system on top that has one service, which runs what the second disk says,
// and then turns the machine off. Units that wait for hardware, for a network or for hours of the day are masked, and the
// profiles of AppArmor that come with programs, which take the emulated processor a minute to compile; engines bring their own.
const guestRoot = `
mkdir -p "$2/up" "$2/wk" "$2/merged"
mount -t overlay -o "lowerdir=$1,upperdir=$2/up,workdir=$2/wk" overlay "$2/merged"
(
	cd "$2/merged"
	echo guest >etc/hostname
	echo '127.0.0.1 localhost guest' >etc/hosts
	echo 0123456789abcdef0123456789abcdef >etc/machine-id
	: >etc/fstab
	grep -q ^user: etc/passwd || echo 'user:x:1000:1000::/home/user:/bin/bash' >>etc/passwd
	grep -q ^user: etc/group || echo 'user:x:1000:' >>etc/group
	echo 'user:100000:65536' >etc/subuid
	echo 'user:100000:65536' >etc/subgid
	mkdir -p home/user; chown 1000:1000 home/user
	find etc/apparmor.d -maxdepth 1 -type f -delete
	# A busy host must not make the emulated one give up.
	mkdir -p etc/systemd/system.conf.d
	printf '[Manager]\nDefaultTimeoutStartSec=30min\nDefaultTimeoutStopSec=30min\nDefaultDeviceTimeoutSec=30min\n' >etc/systemd/system.conf.d/timeouts.conf
	units=etc/systemd/system
	for unit in apparmor docker.service docker.socket containerd podman.socket podman.service podman-restart podman-auto-update.timer \
		getty@tty1 serial-getty@ttyS0 console-getty apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer man-db.timer systemd-networkd systemd-resolved systemd-timesyncd systemd-firstboot systemd-update-utmp systemd-pcrlock \
		systemd-tpm2-setup systemd-tpm2-setup-early tpm2.target systemd-hwdb-update systemd-journal-catalog-update systemd-machine-id-commit \
		systemd-journal-flush systemd-random-seed systemd-pstore systemd-binfmt systemd-udev-settle ldconfig nftables networking e2scrub_reap \
		systemd-boot-random-seed modprobe@drm systemd-rfkill netavark-dhcp-proxy.socket; do
		case $unit in *.*) ;; *) unit=$unit.service ;; esac
		ln -sf /dev/null "$units/$unit"
	done
	cat >"$units/bulkhead-test.target" <<-'END'
		[Unit]
		Requires=basic.target dbus.socket bulkhead-test.service
		After=basic.target dbus.socket
		AllowIsolate=yes
	END
	cat >"$units/bulkhead-test.service" <<-'END'
		[Unit]
		After=basic.target dbus.socket
		DefaultDependencies=no
		[Service]
		Type=oneshot
		TimeoutStartSec=infinity
		Environment=HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
		Delegate=yes
		StandardOutput=journal+console
		ExecStart=/bin/sh -c 'mkdir -p /job; mount -o ro /dev/vdb /job; exec /bin/sh /job/run'
		ExecStopPost=/bin/sh -c 'echo o >/proc/sysrq-trigger; sleep 1000'
	END
	ln -sf bulkhead-test.target "$units/default.target"
)
truncate -s 12G "$2/disk"
mke2fs -q -F -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -d "$2/merged" "$2/disk"
umount "$2/merged"
rm -rf "$2/up" "$2/wk" "$2/merged"
`

// guestJob writes a disk with the files of a job. Their names may have slashes.
func guestJob(t testing.TB, disk string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, source := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		must(t, run(t, exec.Command("cp", "-a", source, path)))
	}
	must(t, run(t, exec.Command("sh", "-c", `truncate -s $(($(du -sm "$1" | cut -f1) * 5 / 4 + 64))M "$2"; mke2fs -q -F -t ext4 -O ^has_journal -d "$1" "$2"`,
		"sh", dir, disk)))
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
