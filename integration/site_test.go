package integration

import (
	"os"
	"slices"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const siteProfile = `{
	"base": "default",
	"mounts": {"allowedSources": [{"path": "/etc/shadow", "writable": false, "reason": "the test's own need"}]},
	"namespaces": {"hostNetwork": {"on": true, "reason": "the test's own need"}},
	"widened": {"mounts": "a test opens one path", "namespaces": "a test opens the network"}
}`

// inSite is the bundle run with a site's profile, in a mount namespace whose /etc has it.
func (b *bundle) inSite(t *testing.T, profile, mode string) result {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/site.json", []byte(profile), 0o600); err != nil {
		t.Fatal(err)
	}
	script := `set -e; mkdir "$1/up" "$1/work"; mount -t overlay -o "lowerdir=/etc,upperdir=$1/up,workdir=$1/work" overlay /etc
		mkdir -p /etc/bulkhead/profiles.d; install -m "$2" "$1/site.json" /etc/bulkhead/profiles.d/site.json; shift 2; exec "$@"`
	cmd := b.command("--profile", "site", "run", b.id)
	cmd.Args = append([]string{"sh", "-c", script, "sh", dir, mode}, cmd.Args...)
	cmd.Path, cmd.Err = "/bin/sh", nil
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	return run(t, cmd)
}

// TestSiteProfile: a site's profile opens what it names and nothing else, and counts only when root alone can write it.
func TestSiteProfile(t *testing.T) {
	requireRoot(t)
	hostNetwork := func(s *specs.Spec) {
		s.Linux.Namespaces = slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.NetworkNamespace })
	}
	shadow := func(s *specs.Spec) {
		s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt/shadow", Type: "bind", Source: "/etc/shadow", Options: []string{"rbind", "ro"}})
	}
	own, err := os.Readlink("/proc/thread-self/ns/net") // another thread of the tests may be in a daemon's network
	if err != nil {
		t.Fatal(err)
	}
	t.Run("host network", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("sh", "-c", "readlink /proc/self/ns/net; test -d /sys/class/net/lo && echo sysfs; ip link set lo down 2>/dev/null || echo powerless"), hostNetwork)
		refused(t, run(t, b.command("run", b.id)), "rule namespaces")
		equal(t, "network", must(t, b.inSite(t, siteProfile, "600")), own+"\nsysfs\npowerless")
	})
	t.Run("an opened path", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("sh", "-c", "test -s /mnt/shadow && echo read; echo x 2>/dev/null >>/mnt/shadow || echo read-only"), shadow)
		refused(t, run(t, b.command("run", b.id)), "rule mounts")
		equal(t, "what the container can do", must(t, b.inSite(t, siteProfile, "600")), "read\nread-only")
	})
	t.Run("writable by others", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("true"))
		refused(t, b.inSite(t, siteProfile, "620"), "lets others than root write it")
	})
	t.Run("no such key", func(t *testing.T) {
		b := newBundle(t, "bulkhead", args("true"))
		refused(t, b.inSite(t, `{"base": "default", "userNamespace": {"off": true, "reason": "none"}}`, "600"), "unknown key", "off")
	})
}
