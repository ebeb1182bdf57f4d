package integration

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// podNumber makes the names of pods unique.
var podNumber atomic.Int64

func podScenarios() []podScenario {
	return slices.Concat(sharingScenarios, podLifeScenarios, podFileScenarios, podUserScenarios)
}

var sleep = []string{"sleep", "1000"}

// What the containers of a pod share.
var sharingScenarios = []podScenario{
	{"containers of a pod share network, IPC and host name", false, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a, b := p.start(t, "a", sleep), p.start(t, "b", sleep)
		equal(t, "host name", c.sh(t, a, "hostname"), "pod")
		for _, ns := range []string{"net", "ipc", "uts"} {
			equal(t, ns+" namespace", c.sh(t, a, "readlink /proc/self/ns/"+ns), c.sh(t, b, "readlink /proc/self/ns/"+ns))
		}
		c.sh(t, a, "echo from a >/dev/shm/x")
		equal(t, "shared memory", c.sh(t, b, "cat /dev/shm/x"), "from a")
		c.sh(t, a, "echo hello from a >index.html; httpd -p 127.0.0.1:80 -h /")
		equal(t, "over localhost", c.sh(t, b, "wget -q -O - http://127.0.0.1/index.html"), "hello from a")
		equal(t, "address", c.sh(t, b, "ip -4 -o addr show eth0 | awk '{print $4}'"), p.address(t)+"/24")
		equal(t, "processes of the other container", c.sh(t, b, "ps | grep -c '[h]ttpd' || true"), "0")
	}},
	{"shared processes", false, func(t *testing.T, c *cri) {
		p := c.pod(t, set("linux.securityContext.namespaceOptions.pid", "POD"))
		a := p.start(t, "a", []string{"sleep", "1234"})
		b := p.start(t, "b", sleep)
		equal(t, "the pod's first process", c.sh(t, b, "tr '\\0' ' ' </proc/1/cmdline"), "/pause ")
		c.sh(t, b, "kill $(ps -o pid,args | awk '/[s]leep 1234/ {print $1}')")
		equal(t, "exit code of the killed one", c.ended(t, a).ExitCode, 143)
	}},
	{"pods reach each other, ports below 1024 and ping", false, func(t *testing.T, c *cri) {
		p, q := c.pod(t), c.pod(t)
		web := p.start(t, "web", []string{"sh", "-c", "echo page >/tmp/i; cd /tmp; exec httpd -f -p 80"}, set("linux.securityContext.runAsUser", object{"value": "1000"}))
		client := q.start(t, "client", sleep)
		eventually(t, "the server", func() error {
			if r := c.exec(t, client, "wget", "-q", "-O", "-", "http://"+p.address(t)+"/i"); r.stdout != "page\n" {
				return fmt.Errorf("%s", r)
			}
			return nil
		})
		ping := q.start(t, "ping", []string{"/ping", p.address(t)}, set("image.image", "docker.io/library/pause:1"))
		equal(t, "exit code of ping without any capability", c.ended(t, ping).ExitCode, 0)
		equal(t, "sysfs of the pod's network", c.sh(t, web, "ls /sys/class/net | tr '\\n' ' '"), "eth0 lo ")
	}},
	{"network parameters of a pod", false, func(t *testing.T, c *cri) {
		p := c.pod(t, set("linux.sysctls", object{"net.ipv4.ip_local_port_range": "20000 30000", "kernel.shm_rmid_forced": "1"}))
		a := p.start(t, "a", sleep)
		equal(t, "parameters", c.sh(t, a, "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced | tr '\\t\\n' '  '"), "20000 30000 1 ")
	}},
	{"one lease for a pod, released with it", true, func(t *testing.T, c *cri) {
		p := c.pod(t)
		a, b := p.start(t, "a", sleep), p.start(t, "b", sleep)
		checkHardened(t, p.sandboxPid(t))
		base := ""
		for _, pid := range []int{p.sandboxPid(t), c.containerPid(t, a), c.containerPid(t, b)} {
			checkHardened(t, pid)
			mapping := strings.Join(strings.Fields(procFile(t, pid, "uid_map")), " ")
			if base == "" {
				base = mapping
			}
			equal(t, "mapping", mapping, base)
		}
		start := strings.Fields(base)[1]
		equal(t, "holders of the range", strconv.Itoa(len(c.holders(t, start))), "3")
		other := c.pod(t)
		if m := strings.Fields(procFile(t, other.sandboxPid(t), "uid_map")); m[1] == start {
			t.Errorf("two pods have the range that begins with %s", start)
		}
		p.remove(t)
		if left := c.holders(t, start); slices.ContainsFunc(left, func(h string) bool { return h == p.id || h == a || h == b }) {
			t.Errorf("the pod is gone and still holds its range: %q", left)
		}
	}},
	{"the host's network", true, func(t *testing.T, c *cri) {
		host := set("linux.securityContext.namespaceOptions.network", "NODE")
		refused(t, c.tryPod(t, c.podConfig(t, host)), "rule namespaces", "linux.namespaces[network]")
		site := &cri{containerd: c.containerd, client: c.client, runtime: "bulkhead-site"}
		p := site.pod(t, host)
		a := p.start(t, "agent", sleep)
		own := must(t, run(t, c.inside("readlink", "/proc/self/ns/net")))
		equal(t, "network namespace", c.sh(t, a, "readlink /proc/self/ns/net"), own)
		equal(t, "mapping is a range", strconv.FormatBool(strings.Fields(procFile(t, c.containerPid(t, a), "uid_map"))[1] != "0"), "true")
		r := c.exec(t, a, "ip", "link", "set", "lo", "down")
		if r.code == 0 {
			t.Error("a container changed the host's network")
		}
	}},
	{"the host's processes and IPC", true, func(t *testing.T, c *cri) {
		refused(t, c.tryPod(t, c.podConfig(t, set("linux.securityContext.namespaceOptions.pid", "NODE"))), "rule namespaces", "linux.namespaces[pid]")
		refused(t, c.tryPod(t, c.podConfig(t, set("linux.securityContext.namespaceOptions.ipc", "NODE"))), "rule namespaces", "linux.namespaces[ipc]")
	}},
}

// holders are the IDs of the containers that hold the range that begins with an ID, as bulkheadctl lists them.
func (c *cri) holders(t testing.TB, start string) []string {
	t.Helper()
	ctl := filepath.Join(filepath.Dir(bulkheadBin(t)), "bulkheadctl")
	var list struct {
		Leases []struct {
			Range   struct{ Start int }
			Holders []struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(must(t, run(t, c.inside(ctl, "leases", "--json")))), &list); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, l := range list.Leases {
		if strconv.Itoa(l.Range.Start) != start {
			continue
		}
		for _, h := range l.Holders {
			ids = append(ids, h.ID)
		}
	}
	return ids
}
