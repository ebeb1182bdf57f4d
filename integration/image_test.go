package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A recipe makes the root file system of an image from this host's Debian packages: no registry is asked.
type recipe struct {
	name string
	// from is the recipe whose result the script starts with. Empty: an empty directory.
	from string
	// script is run by sh with the root's path in $1, in a mount namespace of its own. $mirror and $suite are apt's own.
	script string
}

// The applets of busybox at their usual paths, and one user that is not root.
var busybox = recipe{name: "busybox", script: `
cd "$1"
mkdir -p bin sbin usr/bin usr/sbin etc proc sys dev tmp root home/app var/lib var/run data
chmod 1777 tmp; chmod 700 root
install -m 755 "$(command -v busybox)" bin/busybox
for applet in $(bin/busybox --list); do [ "$applet" = busybox ] || ln -s /bin/busybox "bin/$applet"; done
printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\napp:x:1000:1000:app:/home/app:/bin/sh\n' >etc/passwd
printf 'root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:2000:app\n' >etc/group
chown 1000:1000 home/app data
echo seed >data/seed; chown 1000:1000 data/seed
`}

var debian = recipe{name: "debian", script: `
debootstrap --variant=minbase "$suite" "$1" "$mirror"
rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
: >"$1/etc/resolv.conf"
`}

// What popular images contain, as their Dockerfiles would install it.
var services = recipe{name: "services", from: "debian", script: installing(
	`mkdir -p "$root/etc/postgresql-common"; echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"`,
	"nginx-light redis-server postgresql gosu sudo iputils-ping",
	`ln -sf /dev/stdout "$root/var/log/nginx/access.log"; ln -sf /dev/stderr "$root/var/log/nginx/error.log"`)}

// installing is the script of a recipe that adds Debian packages: commands before and after see the root as $root.
func installing(before, packages, after string) string {
	return `
root=$1
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
` + before + `
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
chroot "$root" apt-get -qq update
chroot "$root" apt-get -qq -y --no-install-recommends install ` + packages + `
chroot "$root" apt-get clean
umount "$root/proc"; umount -l "$root/dev"
rm -rf "$root"/var/lib/apt/lists/* "$root/usr/sbin/policy-rc.d"
: >"$root/etc/resolv.conf"
` + after + `
`
}

var recipes = map[string]recipe{"busybox": busybox, "debian": debian, "services": services,
	"servers": servers, "node": node, "languages": languages,
	"suite-busybox": suiteBusybox, "suite-debian": suiteDebian}

// imageTar is the path of a tar file with a recipe's result. It is made once and kept for later runs. A guest gets it from
// the host, as NAME.tar in the directory BULKHEAD_TEST_IMAGES.
func imageTar(t testing.TB, name string) string {
	t.Helper()
	r, ok := recipes[name]
	if !ok {
		t.Fatalf("no recipe %q", name)
	}
	if dir := os.Getenv("BULKHEAD_TEST_IMAGES"); dir != "" {
		return filepath.Join(dir, name+".tar") // in a guest, which has no network to make it from
	}
	cache := testCache(t)
	suite, mirror := debianMirror(t)
	sum := sha256.Sum256([]byte(recipes[r.from].script + r.script + suite))
	tar := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:6])+".tar")
	if _, err := os.Stat(tar); err == nil {
		return tar
	}
	base := ""
	if r.from != "" {
		base = imageTar(t, r.from)
	}
	lock := lockFile(t, tar+".lock")
	defer lock.Close()
	if _, err := os.Stat(tar); errors.Is(err, os.ErrNotExist) {
		cook(t, r, base, tar, "suite="+suite, "mirror="+mirror)
	}
	return tar
}

// testCache is the directory of what is made once for all runs.
func testCache(t testing.TB) string {
	t.Helper()
	cache := os.Getenv("BULKHEAD_TEST_CACHE")
	if cache == "" {
		cache = "/var/cache/bulkhead-test"
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	return cache
}

// cook runs a recipe in a directory beside the result, and moves the result to its place last.
func cook(t testing.TB, r recipe, base, tar string, env ...string) {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(tar), "cook-") //nolint:usetesting // on the file system of the cache, so that the last step is a rename
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	script := `set -eu; root=$1/root; mkdir "$root"; chmod 755 "$root"; [ -z "$2" ] || tar -xf "$2" -C "$root" --numeric-owner
	sh -euc "$3" sh "$root" >"$1/log" 2>&1 || { tail -30 "$1/log" >&2; exit 1; }
	tar -cf "$1/tar" -C "$root" --numeric-owner --one-file-system --exclude='./dev/*' . && mv "$1/tar" "$4"`
	cmd := exec.Command("sh", "-c", script, "sh", dir, base, r.script, tar)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make image %q: %v\n%s", r.name, err, out)
	}
}

// debianMirror is the suite and the package mirror that this host's apt already uses.
func debianMirror(t testing.TB) (suite, mirror string) {
	t.Helper()
	for _, line := range strings.Split(aptTargets(), "\n") {
		f := strings.Fields(line)
		if len(f) == 3 && f[2] == "main" && !strings.ContainsAny(f[1], "-/") {
			return f[1], f[0]
		}
	}
	t.Fatalf("apt knows no package mirror of this host's release: %s", aptTargets())
	return "", ""
}

var aptTargets = sync.OnceValue(func() string {
	out, _ := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Identifier: Packages").CombinedOutput()
	return string(out)
})

func lockFile(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// image makes sure that the daemon has an image and gives its name.
func (d *dockerd) image(t testing.TB, name string) string {
	t.Helper()
	d.images.Lock()
	defer d.images.Unlock()
	if d.loaded[name] {
		return name
	}
	if build, ok := builds[name]; ok {
		d.build(t, name, build)
	} else {
		d.do(t, "import", "--change", "CMD [\"/bin/sh\"]", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
			imageTar(t, name), name)
	}
	d.loaded[name] = true
	return name
}

// A build is an image made with `docker build` from another one: metadata and files only, for RUN would not use the
// runtime under test.
type build struct {
	from  string
	lines string
	files map[string]string
}

func (d *dockerd) build(t testing.TB, name string, b build) {
	t.Helper()
	if !d.loaded[b.from] {
		d.do(t, "import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", imageTar(t, b.from), b.from)
		d.loaded[b.from] = true
	}
	dir := t.TempDir()
	dockerfile := fmt.Sprintf("FROM %s\n%s", b.from, b.lines)
	files := map[string]string{"Dockerfile": dockerfile}
	for path, content := range b.files {
		files[path] = content
	}
	for path, content := range files {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o755); err != nil { //nolint:gosec // programs of the image
			t.Fatal(err)
		}
	}
	d.do(t, "build", "-q", "-t", name, dir)
}
