package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// engines are the packages of a tree that engines run in: on this kernel after pivot_root(2), or in a guest.
var engines = []string{"systemd-sysv", "dbus-user-session", "libpam-systemd", "udev", "kmod", "linux-image-cloud-amd64",
	"docker.io", "containerd", "runc", "crun", "podman", "conmon", "netavark", "aardvark-dns", "passt", "slirp4netns", "uidmap", "rootlesskit",
	"fuse-overlayfs", "apparmor", "apparmor-utils", "iptables", "nftables", "iproute2", "procps", "util-linux", "busybox-static", "tini",
	"jq", "ca-certificates", "docker-compose"}

// engineTree is a Debian tree with all engines of a suite. See debianTree for what a caller may do with it.
func engineTree(t testing.TB, suite string) string {
	t.Helper()
	packages := slices.Clone(engines)
	if suite == "bookworm" {
		// Not packages of their own before Debian 13.
		packages = slices.DeleteFunc(packages, func(p string) bool { return p == "passt" })
	} else {
		packages = append(packages, "docker-cli")
	}
	return debianTree(t, suite, packages...)
}

// debianTree is a directory with a Debian system of a suite and more packages, apt among them, made from the mirror that this
// host's apt uses. It is made once and kept for later runs. It is shared: nobody may write to it, start a program of it
// that does, or leave a mount in it. Put an overlay over it, or copy it.
func debianTree(t testing.TB, suite string, packages ...string) string {
	t.Helper()
	requireProgram(t, "debootstrap")
	_, mirror := debianMirror(t)
	script, base := treeBase, ""
	if len(packages) > 0 {
		script, base = treePackages, debianTree(t, suite)
	}
	packages = slices.Sorted(slices.Values(packages))
	sum := sha256.Sum256([]byte(script + strings.Join(packages, " ")))
	dir := filepath.Join(testCache(t), "tree-"+suite+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	lock := lockFile(t, dir+".lock")
	defer lock.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return dir
	}
	cmd := exec.Command("sh", "-euc", script, "sh", dir+".part", base)
	cmd.Args = append(cmd.Args, packages...)
	cmd.Env = append(os.Environ(), "suite="+suite, "mirror="+mirror, "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "INITRD=No")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err == nil {
		err = os.Rename(dir+".part", dir)
	}
	if err != nil {
		t.Fatalf("make a tree of %s: %v\n%s", suite, err, out[max(0, len(out)-4000):])
	}
	return dir
}

// treeBase makes $1. What an earlier run left there when it was killed is removed first: it holds no mount, because
// each run has a mount namespace of its own.
const treeBase = `
rm -rf "$1"
mkdir -m 755 "$1"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$1" "$mirror"
rm -rf "$1"/var/cache/apt/archives/*.deb
: >"$1/etc/resolv.conf"
`

// treePackages makes $1 from $2 and installs the other arguments, starting no service and making no initial RAM disk.
// The mirror may be a snapshot, whose Valid-Until is over; signatures are checked.
const treePackages = `
root=$1
rm -rf "$root"
cp -a "$2" "$root"
shift 2
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\n' >"$root/usr/local/sbin/update-initramfs"; chmod 755 "$root/usr/local/sbin/update-initramfs"
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
chroot "$root" apt-get -qq -o Acquire::Check-Valid-Until=false update
chroot "$root" apt-get -qq -y --no-install-recommends install "$@"
chroot "$root" apt-get clean
umount "$root/proc"; umount -l "$root/dev"
rm -f "$root/usr/sbin/policy-rc.d"
: >"$root/etc/resolv.conf"
`

// TestDebianTree makes the trees that later tests need, so that a failure to install packages is told apart from theirs.
func TestDebianTree(t *testing.T) {
	requireRoot(t)
	for _, suite := range []string{"sid", "bookworm"} {
		t.Run(suite, func(t *testing.T) {
			dir := engineTree(t, suite)
			for _, program := range []string{"sbin/dockerd", "bin/docker", "bin/podman", "sbin/runc", "bin/crun", "bin/apt-get"} {
				if _, err := os.Stat(filepath.Join(dir, "usr", program)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
