package integration

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// Popular images, unchanged, as users run them.
var serviceScenarios = []scenario{
	{"services/nginx", false, func(t *testing.T, d *docker) {
		d.image(t, "nginx")
		id := d.container(t, "-p", "127.0.0.1::80", "nginx")
		_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
		url := "http://127.0.0.1:" + port + "/"
		if page := d.get(t, url); !strings.Contains(page, "Welcome to nginx") {
			t.Errorf("page is %q", page)
		}
		d.waitLog(t, id, `"GET / HTTP/1.1" 200`)
		d.do(t, "exec", id, "nginx", "-s", "reload")
		d.get(t, url)
		equal(t, "user of the workers", strings.Contains(d.do(t, "exec", id, "sh", "-c", "cat /proc/[0-9]*/status | grep ^Uid: | sort -u"), "33"), true)
		d.do(t, "stop", "-t", "60", id)
		equal(t, "exit status", d.inspect(t, id, "{{.State.ExitCode}}"), "0")
	}},
	{"services/nginx-with-content", false, func(t *testing.T, d *docker) {
		d.image(t, "nginx")
		dir := t.TempDir()
		if err := os.WriteFile(dir+"/index.html", []byte("my page"), 0o644); err != nil { //nolint:gosec // read by nginx's own user
			t.Fatal(err)
		}
		id := d.container(t, "-p", "127.0.0.1::80", "-v", dir+":/var/www/html:ro", "--read-only", "--tmpfs", "/var/lib/nginx", "--tmpfs", "/run", "nginx")
		_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
		equal(t, "page", d.get(t, "http://127.0.0.1:"+port+"/index.html"), "my page")
	}},
	{"services/redis", false, func(t *testing.T, d *docker) {
		d.image(t, "redis")
		id := d.container(t, "redis")
		d.waitHealth(t, id, "healthy")
		equal(t, "set", d.do(t, "exec", id, "redis-cli", "set", "k", "kept"), "OK")
		equal(t, "save", d.do(t, "exec", id, "redis-cli", "save"), "OK")
		equal(t, "owner of the data", d.do(t, "exec", id, "stat", "-c", "%U", "/data", "/data/dump.rdb"), "redis\nredis")
		d.do(t, "restart", id)
		d.waitHealth(t, id, "healthy")
		equal(t, "get after restart", d.do(t, "exec", id, "redis-cli", "get", "k"), "kept")
	}},
	{"services/postgres", false, func(t *testing.T, d *docker) {
		d.image(t, "postgres")
		name := "pg-" + d.runtime
		d.do(t, "network", "create", name)
		t.Cleanup(func() { d.do(t, "network", "rm", name) })
		id := d.container(t, "--network", name, "--network-alias", "db", "--shm-size", "128m", "postgres")
		d.waitQuery(t, id, "create table t(x int); insert into t values (41); update t set x = x + 1", "UPDATE 1")
		d.do(t, "restart", "-t", "60", id)
		d.waitQuery(t, id, "select x from t", "42")
		out := d.run(t, "--network", name, "-u", "postgres", "postgres", "psql", "-h", "db", "-U", "postgres", "-Atc", "select x from t")
		equal(t, "from another container", out, "42")
		equal(t, "user of the server", d.do(t, "exec", id, "stat", "-c", "%U", "/proc/1", "/var/lib/postgresql/data"), "postgres\npostgres")
		d.do(t, "rm", "-f", "-v", id)
	}},
	{"services/debian-packages", false, func(t *testing.T, d *docker) {
		d.image(t, "services")
		out := d.run(t, "services", "sh", "-c", "useradd -m someone && su someone -c 'id -un' && dpkg --verify passwd && echo verified")
		equal(t, "tools of the distribution", out, "someone\nverified")
	}},
}

// waitQuery runs SQL when the server is there. A statement that fails for another reason is shown at the end.
func (d *dockerd) waitQuery(t testing.TB, id, sql, want string) {
	t.Helper()
	eventually(t, "postgres to answer "+want, func() error {
		out, err := d.command("exec", "-u", "postgres", id, "psql", "-h", "127.0.0.1", "-U", "postgres", "-Atc", sql).CombinedOutput()
		if lines := strings.Split(strings.TrimSpace(string(out)), "\n"); err == nil && lines[len(lines)-1] != want {
			err = errors.New("not what was wanted")
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}
