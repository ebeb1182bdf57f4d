package integration

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A studied is a program of the corpus with its life: what is done to it, step by step.
type studied struct {
	name, base       string
	options, command []string
	// most is how many calls the generated profile may leave.
	most int
	// small is what every test run has.
	small bool
	// steps by name. A variant above 0 asks for the same in another way: recordings have variant 0, the held-out run has 1.
	steps map[string]func(t *testing.T, d *docker, id string, variant int)
}

// runsOf are the orders of the steps, in four runs: three are recorded, the last is held out. Each has every step at least once.
var runsOf = [][]string{
	{"serve", "reload", "rotate", "crash", "serve", "rotate", "shell"},
	{"shell", "rotate", "serve", "rotate", "serve", "reload", "crash", "serve"},
	{"serve", "crash", "rotate", "serve", "shell", "reload", "serve", "rotate", "reload"},
	{"rotate", "serve", "crash", "reload", "serve", "rotate", "shell", "reload", "serve"},
}

// url is that of a container's published port.
func (d *docker) url(t testing.TB, id, port string) string {
	t.Helper()
	_, published, _ := strings.Cut(d.do(t, "port", id, port+"/tcp"), ":")
	return "http://127.0.0.1:" + published
}

// page fetches a page until it has a word. Variants are other pages of the same server.
func (d *docker) page(t testing.TB, id, port, want string, paths ...string) {
	t.Helper()
	at := d.url(t, id, port)
	for range 8 {
		eventually(t, "the page", func() error {
			if got := d.get(t, at+"/"); !strings.Contains(got, want) {
				return fmt.Errorf("page is %q", got)
			}
			return nil
		})
	}
	for _, path := range paths {
		d.get(t, at+path)
	}
}

// killProcess kills a process of a container from the host: the newest whose command line has the words. Nothing is called inside for it.
func (d *docker) killProcess(t testing.TB, id, words string) {
	t.Helper()
	eventually(t, "a process "+words, func() error {
		lines := strings.Split(d.do(t, "top", id, "-eo", "pid,args"), "\n")
		for i := len(lines) - 1; i > 0; i-- {
			number, args, _ := strings.Cut(strings.TrimSpace(lines[i]), " ")
			pid, err := strconv.Atoi(number)
			if err == nil && strings.Contains(args, words) {
				return syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		return fmt.Errorf("there is none in %q", lines)
	})
}

// lookAround is what people do in a container.
func lookAround(t *testing.T, d *docker, id string, variant int) {
	d.sh(t, id, []string{
		"ls /etc >/dev/null; head -1 /etc/hostname; ls /proc | head -3; pwd",
		"pwd; head -1 /etc/passwd; ls -a / | tail -2; head -2 /etc/os-release",
	}[variant])
}

var studiedServers = []studied{
	{name: "nginx", base: "nginx", options: []string{"-p", "127.0.0.1::80"}, most: 85, small: true, steps: map[string]func(*testing.T, *docker, string, int){
		"serve": func(t *testing.T, d *docker, id string, variant int) {
			d.page(t, id, "80", "Welcome to nginx", [][]string{{"/missing", "/index.nginx-debian.html"}, {"/?q=1", "/a/b/c", "/index.nginx-debian.html?x"}}[variant]...)
		},
		"reload": func(t *testing.T, d *docker, id string, _ int) { d.do(t, "exec", id, "nginx", "-s", "reload") },
		"rotate": func(t *testing.T, d *docker, id string, _ int) { d.do(t, "exec", id, "nginx", "-s", "reopen") },
		"crash":  func(t *testing.T, d *docker, id string, _ int) { d.killProcess(t, id, "nginx: worker") },
		"shell":  lookAround,
	}},
	{name: "httpd", base: "servers", options: []string{"-p", "127.0.0.1::80"}, most: 90,
		command: []string{"sh", "-c", "mkdir -p /run/lock && . /etc/apache2/envvars && mkdir -p $APACHE_RUN_DIR $APACHE_LOCK_DIR && exec apache2 -D FOREGROUND"},
		steps: map[string]func(*testing.T, *docker, string, int){
			"serve": func(t *testing.T, d *docker, id string, variant int) {
				d.page(t, id, "80", "Apache2 Debian Default Page", [][]string{{"/missing", "/icons/"}, {"/index.html?x", "/icons/blank.gif", "/.htaccess"}}[variant]...)
			},
			"reload": func(t *testing.T, d *docker, id string, _ int) { d.do(t, "kill", "-s", "USR1", id) },
			"rotate": func(t *testing.T, d *docker, id string, _ int) {
				d.sh(t, id, "mv /var/log/apache2/access.log /var/log/apache2/access.log.1")
				d.do(t, "kill", "-s", "USR1", id)
			},
			"crash": func(t *testing.T, d *docker, id string, _ int) { d.killProcess(t, id, "apache2") },
			"shell": lookAround,
		}},
	{name: "nodejs", base: "node", options: []string{"--init", "-p", "127.0.0.1::3000"}, command: []string{"node", "/corpus/server.js"}, most: 90,
		steps: map[string]func(*testing.T, *docker, string, int){
			"serve": func(t *testing.T, d *docker, id string, variant int) {
				d.page(t, id, "3000", "content 64 from the child", [][]string{{"/a"}, {"/b?c", "/d"}}[variant]...)
			},
			"reload": func(t *testing.T, d *docker, id string, _ int) {
				d.page(t, id, "3000", "content") // it has its handler by then
				d.do(t, "kill", "-s", "HUP", id)
			},
			"rotate": func(t *testing.T, d *docker, id string, _ int) {
				d.page(t, id, "3000", "content")
				d.do(t, "kill", "-s", "HUP", id)
			},
			// The server has no lasting workers: the child of an exec is killed.
			"crash": func(t *testing.T, d *docker, id string, _ int) {
				d.sh(t, id, "node -e 'process.abort()' 2>/dev/null || true")
			},
			"shell": lookAround,
		}},
	{name: "python3", base: "languages", options: []string{"-p", "127.0.0.1::8000", "--stop-signal", "INT"}, most: 110,
		command: []string{"sh", "-c", "python3 /corpus/python.py && exec python3 -m http.server 8000"},
		steps: map[string]func(*testing.T, *docker, string, int){
			"serve": func(t *testing.T, d *docker, id string, variant int) {
				d.page(t, id, "8000", "Directory listing", [][]string{{"/corpus/page.php", "/missing"}, {"/corpus/", "/etc/"}}[variant]...)
			},
			"reload": func(t *testing.T, d *docker, id string, _ int) { d.sh(t, id, "python3 /corpus/python.py") },
			"rotate": func(t *testing.T, d *docker, id string, _ int) { d.sh(t, id, "python3 /corpus/python.py") },
			"crash": func(t *testing.T, d *docker, id string, _ int) {
				d.sh(t, id, "python3 -c 'import os; os.abort()' 2>/dev/null || true")
			},
			"shell": lookAround,
		}},
}

var studiedStores = []studied{
	{name: "redis", base: "redis", most: 85, steps: map[string]func(*testing.T, *docker, string, int){
		"serve": func(t *testing.T, d *docker, id string, variant int) {
			d.waitHealth(t, id, "healthy")
			d.sh(t, id, []string{
				`redis-cli set k kept; redis-cli eval 'return redis.call("incr", "n")' 0; redis-cli lpush l a b c; redis-cli get k; redis-cli info`,
				`redis-cli hset h a 1 b 2; redis-cli zadd z 1 x 2 y; redis-cli expire h 100; redis-cli --scan; redis-cli zrange z 0 -1; redis-cli info`,
			}[variant])
		},
		"reload": func(t *testing.T, d *docker, id string, _ int) {
			d.sh(t, id, "redis-cli config set maxmemory 100mb; redis-cli config set appendonly yes")
			d.waitSh(t, id, "redis-cli info persistence", "aof_rewrite_in_progress:0")
		},
		"rotate": func(t *testing.T, d *docker, id string, _ int) {
			d.sh(t, id, "redis-cli bgrewriteaof; redis-cli bgsave; true")
			d.waitSh(t, id, "redis-cli info persistence", "rdb_bgsave_in_progress:0")
		},
		// The server is one process: a client is cut off in the middle.
		"crash": func(t *testing.T, d *docker, id string, _ int) {
			d.do(t, "exec", "-d", id, "redis-cli", "blpop", "nothing", "0")
			d.killProcess(t, id, "redis-cli blpop")
		},
		"shell": lookAround,
	}},
	{name: "postgresql", base: "postgres", most: 110, options: []string{"--shm-size", "128m", "-e", "PGDATA=/pg/data", "--tmpfs", "/pg"}, steps: map[string]func(*testing.T, *docker, string, int){
		"serve": func(t *testing.T, d *docker, id string, variant int) {
			table := []string{"a", "b"}[variant]
			d.waitQuery(t, id, "drop table if exists "+table+"; create table "+table+"(x int primary key, y text); begin; insert into "+table+" select generate_series(1, 20000); commit; update "+table+" set x = -x where x < 1000", "UPDATE 999")
			d.waitQuery(t, id, "vacuum analyze "+table, "VACUUM")
			d.waitQuery(t, id, "set max_parallel_workers_per_gather=2; set min_parallel_table_scan_size=0; set parallel_setup_cost=0; select count(*) from "+table+" where x % 2 = 0", "10000")
			d.do(t, "exec", "-u", "postgres", id, "pg_dump", "-h", "127.0.0.1", "-U", "postgres", "-t", table, "postgres")
		},
		"reload": func(t *testing.T, d *docker, id string, _ int) { d.waitQuery(t, id, "select pg_reload_conf()", "t") },
		"rotate": func(t *testing.T, d *docker, id string, _ int) {
			d.waitQuery(t, id, "checkpoint; select pg_switch_wal() is not null", "t")
		},
		// The postmaster ends all backends and recovers.
		"crash": func(t *testing.T, d *docker, id string, _ int) {
			d.waitQuery(t, id, "select 1", "1")
			d.killProcess(t, id, "postgres: walwriter")
			d.waitQuery(t, id, "select 1", "1")
		},
		"shell": lookAround,
	}},
}

// studyPrograms are those that this run is about: all with BULKHEAD_STUDY=full, or those that it names, else the small ones.
func studyPrograms() []studied {
	asked := os.Getenv("BULKHEAD_STUDY")
	var out []studied
	for _, s := range append(studiedServers[:len(studiedServers):len(studiedServers)], studiedStores...) {
		if asked == "full" || s.small && asked == "" || asked != "" && strings.Contains(","+asked+",", ","+s.name+",") {
			out = append(out, s)
		}
	}
	return out
}
