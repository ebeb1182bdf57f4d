package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// What a pod says of its users and rights.
var podUserScenarios = []podScenario{
	{"a pod with a user namespace of its own", false, func(t *testing.T, c *cri) {
		if c.line.name == "1.6" {
			t.Skip("containerd 1.6 knows no user namespaces and ignores the field")
		}
		const base = 1073741824 // 2 to the 30: kubelet's own, outside of every pool of bulkhead
		mapping := []object{{"containerId": 0, "hostId": base, "length": 65536}}
		own := set("linux.securityContext.namespaceOptions.usernsOptions", object{"mode": "POD", "uids": mapping, "gids": mapping})
		data := c.volume(t, "kubernetes.io~empty-dir", "data", 0o777)
		p := c.pod(t, own)
		mounts := set("mounts", []object{{"containerPath": "/vol", "hostPath": data, "uidMappings": mapping, "gidMappings": mapping}})
		if r := p.tryStart(t, "probe", sleep, mounts); strings.Contains(r.stderr, "idmap mounts not") && (c.runtime != "bulkhead" || strings.HasPrefix(c.line.name, "1.")) {
			t.Skip(r.stderr)
		}
		a, b := p.start(t, "a", sleep, mounts), p.start(t, "b", sleep, mounts, asUser("1000"))
		for _, pid := range []int{p.sandboxPid(t), c.containerPid(t, a), c.containerPid(t, b)} {
			equal(t, "mapping", strings.Join(strings.Fields(procFile(t, pid, "uid_map")), " "), fmt.Sprintf("0 %d 65536", base))
			if c.runtime == "bulkhead" {
				checkHardened(t, pid)
			}
		}
		equal(t, "owners in the root", c.sh(t, a, "stat -c %u:%g /bin/busybox /home/app | tr '\\n' ' '"), "0:0 1000:1000 ")
		c.sh(t, a, "touch /root/x /vol/of-a; chown 1000 /root/x; ping -c 1 127.0.0.1 >/dev/null 2>&1; httpd -p 80 -h /")
		c.sh(t, b, "touch /vol/of-b; wget -q -O /dev/null http://127.0.0.1:80/bin/busybox")
		equal(t, "owners of the volume on the host", ownersOnHost(t, data+"/of-a", data+"/of-b"), "0 1000")
		equal(t, "sysfs of the pod's network", c.sh(t, a, "ls /sys/class/net | tr '\\n' ' '"), "eth0 lo ")
		if c.runtime == "bulkhead" {
			equal(t, "leases of the pod", strconv.Itoa(len(c.holders(t, strconv.Itoa(base)))), "0")
		}
	}},
	{"capabilities and privilege", true, func(t *testing.T, c *cri) {
		p := c.pod(t)
		for _, e := range []edit{
			set("linux.securityContext.capabilities", object{"addCapabilities": []string{"ALL"}}),
			set("linux.securityContext.capabilities", object{"addCapabilities": []string{"SYS_ADMIN", "NET_RAW"}}),
			set("linux.securityContext.seccomp", object{"profileType": "Unconfined"}),
		} {
			a := p.start(t, fmt.Sprintf("a%d", podNumber.Add(1)), sleep, e)
			checkHardened(t, c.containerPid(t, a))
			checkConfined(t, "probe", parseStatus(c.sh(t, a, "cat /proc/self/status")))
		}
		q := c.pod(t, set("linux.securityContext.privileged", true))
		a, b := q.start(t, "ordinary", sleep), q.start(t, "privileged", sleep, set("linux.securityContext.privileged", true))
		checkHardened(t, c.containerPid(t, b))
		checkConfined(t, "probe", parseStatus(c.sh(t, b, "cat /proc/self/status")))
		equal(t, "devices of a privileged container", c.sh(t, b, "ls /dev"), c.sh(t, a, "ls /dev"))
	}},
	{"annotations tighten and never widen", true, func(t *testing.T, c *cri) {
		tight := c.pod(t, set("annotations", object{"dev.bulkhead.profile": "restricted", "org.systemd.property.CPUQuota": "1"}),
			set("linux.securityContext.runAsUser", object{"value": "65535"}))
		refused(t, tight.tryStart(t, "root", sleep), `refused by profile "restricted"`)
		a := tight.start(t, "a", sleep, asUser("1000"))
		if r := c.exec(t, a, "touch", "/home/app/x"); !strings.Contains(r.stderr, "Read-only file system") {
			t.Errorf("the profile restricted has a read-only root: %s", r)
		}
		wide := c.podConfig(t, set("annotations", object{"dev.bulkhead.profile": "compatible"}))
		refused(t, c.tryPod(t, wide), "it is not tighter than")
	}},
	{"what containerd tells kubelet of the handlers", true, func(t *testing.T, c *cri) {
		var answer struct {
			RuntimeHandlers []struct {
				Name     string
				Features struct{ UserNamespaces, RecursiveReadOnlyMounts bool }
			}
		}
		c.call(t, "Status", object{}, &answer)
		told := map[string]string{}
		for _, h := range answer.RuntimeHandlers {
			told[h.Name] = fmt.Sprintf("user namespaces %v, recursive read-only mounts %v", h.Features.UserNamespaces, h.Features.RecursiveReadOnlyMounts)
		}
		want := "user namespaces true, recursive read-only mounts true"
		if strings.HasPrefix(c.line.name, "1.") {
			want = "" // containerd 1 tells nothing of handlers
		}
		for _, name := range []string{"bulkhead", "bulkhead-restricted"} {
			equal(t, "what is told of "+name, told[name], want)
		}
	}},
	{"the handler bulkhead-restricted", true, func(t *testing.T, c *cri) {
		p := (&cri{containerd: c.containerd, client: c.client, runtime: "bulkhead-restricted"}).pod(t)
		refused(t, p.tryStart(t, "root", sleep), `refused by profile "restricted"`)
		a := p.start(t, "a", sleep, asUser("1000"))
		checkHardened(t, c.containerPid(t, a))
		equal(t, "capabilities", parseStatus(c.sh(t, a, "cat /proc/self/status"))["CapBnd"], "0000000000000400")
	}},
}

// tryStart creates and starts a container, and gives the first result that is an error.
func (p *pod) tryStart(t testing.TB, name string, command []string, edits ...edit) result {
	t.Helper()
	r := p.tryCreate(t, p.containerConfig(name, command, edits...))
	if r.code != 0 {
		return r
	}
	var made struct{ ContainerID string }
	decode(t, r.stdout, &made)
	return p.try(t, "StartContainer", object{"containerId": made.ContainerID})
}
