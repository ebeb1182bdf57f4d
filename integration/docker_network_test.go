package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var networkScenarios = []scenario{
	{"network/own-devices", false, func(t *testing.T, d *docker) {
		equal(t, "devices", d.run(t, "busybox", "sh", "-c", "ls /sys/class/net | sort | xargs"), "eth0 lo")
		equal(t, "devices without a network", d.run(t, "--network", "none", "busybox", "sh", "-c", "ls /sys/class/net"), "lo")
		equal(t, "loopback is up", d.run(t, "--network", "none", "busybox", "sh", "-c", "httpd -p 127.0.0.1:80 -h /data; wget -q -O - http://127.0.0.1/seed"), "seed")
	}},
	{"network/published-port", false, func(t *testing.T, d *docker) {
		id := d.container(t, "-p", "127.0.0.1::80", "busybox", "sh", "-c", "mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www")
		_, port, _ := strings.Cut(d.do(t, "port", id, "80/tcp"), ":")
		equal(t, "page", d.get(t, "http://127.0.0.1:"+port+"/"), "served")
	}},
	{"network/user-defined", false, func(t *testing.T, d *docker) {
		name := "net-" + d.runtime
		d.do(t, "network", "create", name)
		t.Cleanup(func() { d.do(t, "network", "rm", name) })
		server := d.container(t, "--network", name, "--network-alias", "web", "busybox", "sh", "-c",
			"mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www")
		equal(t, "page by name", d.run(t, "--network", name, "busybox", "sh", "-c",
			"until wget -q -O - http://web/; do sleep 0.2; done"), "served")
		d.do(t, "network", "connect", "bridge", server)
		equal(t, "devices after connect", d.do(t, "exec", server, "sh", "-c", "ls /sys/class/net | sort | xargs"), "eth0 eth1 lo")
		d.do(t, "rm", "-f", server)
	}},
	{"network/of-a-container", false, func(t *testing.T, d *docker) {
		server := d.container(t, "busybox", "sh", "-c", "mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www")
		other := d.container(t, "--network", "container:"+server, "busybox", "sleep", "1000")
		equal(t, "page at localhost", d.do(t, "exec", other, "sh", "-c", "until wget -q -O - http://127.0.0.1/; do sleep 0.2; done"), "served")
		equal(t, "network namespace", namespaceOf(t, strconv.Itoa(d.pid(t, other)), "net"), namespaceOf(t, strconv.Itoa(d.pid(t, server)), "net"))
		equal(t, "user namespace", namespaceOf(t, strconv.Itoa(d.pid(t, other)), "user"), namespaceOf(t, strconv.Itoa(d.pid(t, server)), "user"))
	}},
	{"network/low-port-as-a-user", false, func(t *testing.T, d *docker) {
		out := d.run(t, "-u", "app", "busybox", "sh", "-c", "httpd -p 127.0.0.1:80 -h /data; wget -q -O - http://127.0.0.1/seed")
		equal(t, "page of port 80", out, "seed")
	}},
	{"namespaces/of-a-container", false, func(t *testing.T, d *docker) {
		first := d.container(t, "--ipc", "shareable", "--name", "first-"+d.runtime, "busybox", "sh", "-c", "echo x >/dev/shm/x; sleep 1000")
		eventually(t, "the file", func() error { return d.command("exec", first, "test", "-s", "/dev/shm/x").Run() })
		for _, c := range []struct{ option, ns, script, want string }{
			{"--ipc", "ipc", "cat /dev/shm/x", "x"},
			{"--pid", "pid", "cat /proc/1/comm", "sleep"},
		} {
			id := d.container(t, c.option, "container:"+first, "busybox", "sleep", "1000")
			equal(t, c.ns+" namespace", namespaceOf(t, strconv.Itoa(d.pid(t, id)), c.ns), namespaceOf(t, strconv.Itoa(d.pid(t, first)), c.ns))
			equal(t, "seen with "+c.option, d.do(t, "exec", id, "sh", "-c", c.script), c.want)
		}
	}},
	{"network/member-is-hardened", true, func(t *testing.T, d *docker) {
		first := d.container(t, "busybox", "sleep", "1000")
		second := d.container(t, "--network", "container:"+first, "busybox", "sleep", "1000")
		checkHardened(t, d.pid(t, second))
		equal(t, "mapping", procFile(t, d.pid(t, second), "uid_map"), procFile(t, d.pid(t, first), "uid_map"))
		d.do(t, "rm", "-f", first)
		third := d.container(t, "busybox", "sleep", "1000")
		if procFile(t, d.pid(t, third), "uid_map") == procFile(t, d.pid(t, second), "uid_map") {
			t.Error("a range that a member still uses was leased again")
		}
	}},
}

// get fetches a page from inside the daemon's network namespace, where published ports are.
func (d *dockerd) get(t testing.TB, url string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, address string) (net.Conn, error) { return d.dial(network, address) }}}
	var page string
	eventually(t, url, func() error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		data, err := io.ReadAll(resp.Body)
		page = strings.TrimSpace(string(data))
		return err
	})
	return page
}

// dial connects from a thread that joins the daemon's network namespace and ends with it: its goroutine never unlocks.
func (d *daemon) dial(network, address string) (net.Conn, error) {
	type dialed struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialed)
	go func() {
		runtime.LockOSThread()
		ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", d.cmd.Process.Pid))
		if err != nil {
			done <- dialed{nil, err}
			return
		}
		defer ns.Close()
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- dialed{nil, err}
			return
		}
		conn, err := net.DialTimeout(network, address, 10*time.Second)
		done <- dialed{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}
