package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// corpus are the images. Their programs come from Debian; their options are those of users and of official images.
var corpus = slices.Concat(corpusServers, corpusStores, corpusLanguages, corpusTools)

// sh runs a command in the container and gives its output.
func (d *docker) sh(t testing.TB, id, command string) string {
	t.Helper()
	return d.do(t, "exec", id, "sh", "-c", command)
}

// waitSh runs a command in the container until it succeeds and its output has a word.
func (d *docker) waitSh(t testing.TB, id, command, want string) {
	t.Helper()
	eventually(t, command, func() error {
		out, err := d.command("exec", id, "sh", "-c", command).CombinedOutput()
		if err == nil && !strings.Contains(string(out), want) {
			err = fmt.Errorf("want %q", want)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}

// finishes waits for a container that does its work and ends.
func finishes(t *testing.T, d *docker, id string) {
	code := d.do(t, "wait", id)
	if r := d.try(t, "logs", id); code != "0" || !strings.Contains(r.stdout, "all done") {
		t.Errorf("exit status %s: %s%s", code, r.stdout, r.stderr)
	}
}

// as are options for a user with writable memory file systems, for the profile restricted. Without a mode they would take that
// of the image's directory.
func as(user string, tmpfs ...string) []string {
	options := []string{"--user", user}
	for _, dir := range tmpfs {
		options = append(options, "--tmpfs", dir+":mode=1777")
	}
	return options
}

var corpusServers = []corpusImage{
	{name: "nginx", small: true, base: "nginx", what: "requests, log reopen, reload",
		options: []string{"-p", "127.0.0.1::80"}, restricted: as("www-data", "/var/lib/nginx", "/run"),
		load: func(t *testing.T, d *docker, id string) {
			_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
			for _, signal := range []string{"", "reopen", "reload"} {
				if signal != "" {
					d.do(t, "exec", id, "nginx", "-s", signal)
				}
				if page := d.get(t, "http://127.0.0.1:"+port+"/"); !strings.Contains(page, "Welcome to nginx") {
					t.Errorf("page is %q", page)
				}
			}
			d.waitLog(t, id, `"GET / HTTP/1.1" 200`)
		}},
	{name: "apache2", base: "servers", what: "requests, graceful reload",
		command:    []string{"sh", "-c", "mkdir -p /run/lock && . /etc/apache2/envvars && mkdir -p $APACHE_RUN_DIR $APACHE_LOCK_DIR && exec apache2 -D FOREGROUND"},
		restricted: as("www-data", "/run", "/var/log/apache2", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "curl -fsS http://127.0.0.1/", "Apache2 Debian Default Page")
			d.sh(t, id, "apache2ctl graceful")
			d.waitSh(t, id, "for i in 1 2 3 4 5 6 7 8; do curl -fsS http://127.0.0.1/ || exit 1; done", "Apache2 Debian Default Page")
		}},
	{name: "haproxy", base: "servers", what: "proxied requests, health checks, reload", restricted: as("haproxy", "/tmp", "/run"),
		command: []string{"sh", "-c", `cd /corpus; if [ "$(id -u)" = 0 ]; then exec haproxy -W -db -f haproxy-root.cfg -f haproxy.cfg; else exec haproxy -W -db -f haproxy.cfg; fi`},
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "curl -fsS http://127.0.0.1:8080/", "proxied")
			d.do(t, "kill", "-s", "USR2", id)
			d.waitSh(t, id, "for i in 1 2 3 4 5 6 7 8; do curl -fsS http://127.0.0.1:8080/ || exit 1; done", "proxied")
		}},
	{name: "php-fpm", base: "servers", what: "FastCGI requests, reload", restricted: as("www-data", "/tmp", "/run"),
		command: []string{"php-fpm8.2", "-F", "-y", "/corpus/fpm.conf"},
		load: func(t *testing.T, d *docker, id string) {
			const request = "REQUEST_METHOD=GET SCRIPT_FILENAME=/corpus/page.php cgi-fcgi -bind -connect 127.0.0.1:9000"
			d.waitSh(t, id, request, "says hello 127.0.0.1")
			d.do(t, "kill", "-s", "USR2", id)
			d.waitSh(t, id, request, "says hello 127.0.0.1")
		}},
	{name: "go-service", base: "busybox", what: "50 parallel requests", command: []string{"/corpus/go-server"}, restricted: as("app", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "wget -q -O - http://127.0.0.1:8080/", "content <nil>")
			equal(t, "answers", strings.Count(d.sh(t, id, "/corpus/go-server get"), "content <nil>"), 50)
		}},
	{name: "rust-service", base: "busybox", what: "requests", options: []string{"--init"}, command: []string{"/corpus/rust-server"}, restricted: as("app", "/tmp"), missing: noRust,
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "for i in 1 2 3 4 5 6 7 8; do wget -q -O - http://127.0.0.1:8080/ || exit 1; done", "content true")
		}},
}

var corpusStores = []corpusImage{
	{name: "redis", base: "redis", what: "set, script, background save and rewrite, get", restricted: as("redis", "/data"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitHealth(t, id, "healthy")
			d.sh(t, id, "redis-cli set k kept; redis-cli eval 'return redis.call(\"incr\", \"n\")' 0; redis-cli bgsave")
			d.waitSh(t, id, "redis-cli info persistence", "rdb_bgsave_in_progress:0")
			d.sh(t, id, "redis-cli config set appendonly yes; redis-cli set a b")
			d.waitSh(t, id, "redis-cli info persistence", "aof_rewrite_in_progress:0")
			equal(t, "get", d.sh(t, id, "redis-cli get k"), "kept")
			d.waitSh(t, id, "redis-cli info persistence", "rdb_last_bgsave_status:ok")
		}},
	{name: "postgresql", small: true, base: "postgres", what: "initdb, transactions, parallel query, vacuum, dump, reload", options: []string{"--shm-size", "128m", "-e", "PGDATA=/pg/data", "--tmpfs", "/pg"},
		restricted: as("postgres", "/run/postgresql", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitQuery(t, id, "create table if not exists t(x int primary key); begin; insert into t select generate_series(1, 100000); commit; update t set x = -x where x < 1000", "UPDATE 999")
			d.waitQuery(t, id, "vacuum analyze t", "VACUUM")
			d.waitQuery(t, id, "set max_parallel_workers_per_gather=2; set min_parallel_table_scan_size=0; set parallel_setup_cost=0; select count(*) from t where x % 2 = 0", "50000")
			d.waitQuery(t, id, "select pg_reload_conf(); checkpoint; select pg_switch_wal() is not null; select 'done'", "done")
			if out := d.do(t, "exec", "-u", "postgres", id, "pg_dump", "-h", "127.0.0.1", "-U", "postgres", "-t", "t", "postgres"); !strings.Contains(out, "-999\n") {
				t.Error("the dump lacks a row")
			}
		}},
	{name: "mariadb", base: "servers", what: "install, transactions, log rotation, dump", command: []string{"/corpus/mariadb.sh"},
		restricted: as("mysql", "/run/mysqld", "/var/lib/mysql", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "mariadb -u root -e 'create database if not exists d; select 1'", "1")
			out := d.sh(t, id, "mariadb -u root d -e 'create table t(x int primary key) engine=innodb; begin; insert into t values (41); update t set x = x + 1; commit; flush logs; optimize table t; select x from t'")
			if !strings.Contains(out, "42") {
				t.Errorf("answer is %q", out)
			}
			d.waitSh(t, id, "mariadb-dump -u root d", "42")
		}},
	{name: "memcached", base: "servers", what: "set and get", options: []string{"--user", "memcache"}, command: []string{"memcached", "-m", "32"},
		restricted: as("memcache"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, `bash -c 'exec 3<>/dev/tcp/127.0.0.1/11211; printf "set k 0 0 4\r\nkept\r\nget k\r\nstats\r\nquit\r\n" >&3; cat <&3'`, "kept")
		}},
	{name: "rabbitmq", base: "servers", what: "queue, durable message, HTTP interface (Erlang)", command: []string{"/corpus/rabbitmq.sh"},
		restricted: as("rabbitmq", "/var/lib/rabbitmq", "/var/log/rabbitmq", "/tmp"),
		load: func(t *testing.T, d *docker, id string) {
			d.waitSh(t, id, "curl -fsS -u guest:guest http://127.0.0.1:15672/api/overview", "rabbitmq_version")
			d.waitSh(t, id, "/corpus/rabbitmq-load.sh", "kept")
		}},
}
