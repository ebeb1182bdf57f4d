package integration

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Flaws of how a runtime enters a container.
var programCVEs = []cve{
	{"2019-5736", func(t *testing.T) {
		// The image's program is "the interpreter /proc/self/exe", and a process in the container opens every program that it
		// sees for writing.
		b := newBundle(t, "bulkhead", args("sh", "-c", `while :; do for p in /proc/[0-9]*; do (echo overwritten >$p/exe) 2>/dev/null; done; done`))
		must(t, run(t, exec.Command("cp", b.program, b.dir+"/runtime")))
		b.program = b.dir + "/runtime"
		before := fileSum(t, b.program)
		b.replace(t, "/bin/evil", `printf '#!/proc/self/exe\n' >"$1"; chmod 755 "$1"`)
		b.running(t)
		for range 15 {
			_ = b.try(t, "exec", b.id, "/bin/evil")
			_ = b.try(t, "exec", b.id, "true")
		}
		b.do(t, "delete", "--force", b.id)
		equal(t, "the runtime's program", fileSum(t, b.program), before)
	}},
	{"2022-0492", func(t *testing.T) {
		b := newBundle(t, "bulkhead", func(s *specs.Spec) {
			s.Mounts = append(s.Mounts, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}})
		})
		b.running(t)
		for _, script := range []string{
			"mkdir /tmp/c; mount -t cgroup -o memory cgroup /tmp/c",
			"unshare -U -r -m -C true",
			"unshare -r true",
			"mount -o remount,rw /sys/fs/cgroup",
			"for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs); do echo 1 >$f && echo $f && mount | grep cgroup && exit 0; done; exit 1",
		} {
			refused(t, b.try(t, "exec", b.id, "sh", "-c", script))
		}
	}},
	{"2024-21626", func(t *testing.T) {
		c := newCanary(t)
		read := fmt.Sprintf("cat %s%s/secret; ls %s", strings.Repeat("../", 40), c.dir, strings.Repeat("../", 40))
		host := func(r result, what string) {
			if strings.Contains(r.stdout, secret) || strings.Contains(r.stdout, "lost+found") {
				t.Errorf("%s: the container reads the host's files: %s", what, r)
			}
		}
		running := newBundle(t, "bulkhead")
		running.replace(t, "/link", `ln -s /proc/self/fd/7 "$1"`)
		running.running(t)
		for fd := range 24 {
			cwd := fmt.Sprintf("/proc/self/fd/%d", fd)
			host(running.try(t, "exec", "--cwd", cwd, running.id, "sh", "-c", read), "exec in "+cwd)
			b := newBundle(t, "bulkhead", args("sh", "-c", read), func(s *specs.Spec) { s.Process.Cwd = cwd })
			host(b.try(t, "run", "--bundle", b.dir, b.id), "run in "+cwd)
		}
		host(running.try(t, "exec", "--cwd", "/link", running.id, "sh", "-c", read), "exec in a link")
		c.unchanged(t, "all working directories")
	}},
	{"2024-40635", func(t *testing.T) {
		for _, uid := range []string{"65536", "2147483648", "4294967295", "4294967296", "18446744073709551616", "-1"} {
			for _, id := range []string{`"uid":0`, `"gid":0`} {
				b := newBundle(t, "bulkhead")
				config := b.output(t, "config.json")
				config = strings.Replace(config, id, strings.TrimSuffix(id, "0")+uid, 1)
				if !strings.Contains(config, uid) {
					t.Fatalf("config.json has no %s", id)
				}
				if err := os.WriteFile(b.dir+"/config.json", []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
				refused(t, b.create(t))
			}
		}
		b := newBundle(t, "bulkhead")
		b.running(t)
		for _, user := range []string{"65536", "4294967295", "4294967296", "1000:4294967296", "-1"} {
			refused(t, b.try(t, "exec", "--user", user, b.id, "id"))
		}
	}},
}

func fileSum(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
