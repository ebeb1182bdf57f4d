package cgroups

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	const gib = 1 << 30
	c1 := []string{"cpu", "cpuacct", "devices", "hugetlb", "memory", "pids"}
	c2 := []string{"cpu", "cpuset", "devices", "hugetlb", "io", "memory", "misc", "pids", "rdma"}
	const all = 16384000 * 1024
	for _, c := range []struct {
		name    string
		tree    map[string]string
		path    string
		systemd bool
		want    Capacity
		err     string
	}{
		{"v1 absolute", hybrid1, "/docker/ab", false, Capacity{1, 4 * gib, 5, 250, 0, true, c1}, ""},
		{"v1 not there yet", hybrid1, "/new/ab", false, Capacity{1, all, 5, 0, 0, true, c1}, ""},
		{"v1 relative is below the caller", hybrid1, "pods/ab", false, Capacity{1, 2 * gib, 5, 0, 0, true, c1}, ""},
		{"v1 empty", hybrid1, "", false, Capacity{1, 2 * gib, 5, 0, 0, true, c1}, ""},
		{"v1 dots stay below the caller", hybrid1, "../../x", false, Capacity{1, 2 * gib, 5, 0, 0, true, c1}, ""},
		{"v1 slice", hybrid1, "a-b.slice:docker:ab", true, Capacity{1, gib, 5, 0, 77, true, c1}, ""},
		{"v2 slice", pure2, "system.slice:docker:ab", true, Capacity{2, all, 5, 150, 4000, true, c2}, ""},
		{"v2 default slice", pure2, "", true, Capacity{2, all, 5, 150, 4000, true, c2}, ""},
		{"v2 pod", pure2, "kubepods-pod1.slice:cri:ab", true, Capacity{2, 128 << 20, 5, 1, 1, true, c2}, ""},
		{"v2 absolute", pure2, "/kubepods.slice/ab", false, Capacity{2, 8 * gib, 5, 0, 0, true, c2}, ""},
		{"v2 relative is beside the caller", pure2, "ab", false, Capacity{2, all, 5, 150, 4000, true, c2}, ""},
		{"root slice", pure2, "-.slice:x:y", true, Capacity{2, all, 5, 0, 0, true, c2}, ""},
		{"not a slice path", pure2, "/docker/ab", true, Capacity{},
			`read linux.cgroupsPath "/docker/ab": want slice:prefix:name for the systemd driver`},
		{"bad slice", pure2, "a--b.slice:x:y", true, Capacity{}, `read linux.cgroupsPath "a--b.slice:x:y": "a--b.slice" is no slice name`},
		{"no slice", pure2, "../x:x:y", true, Capacity{}, `read linux.cgroupsPath "../x:x:y": "../x" is no slice name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := files(t, machine, c.tree).probe(c.path, c.systemd)
			if text(err) != c.err || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v, %q\nwant %+v, %q", got, text(err), c.want, c.err)
			}
		})
	}
}

func TestProbeSwapAccounting(t *testing.T) {
	top := map[string]string{
		"/proc/thread-self/mountinfo":       pure2["/proc/thread-self/mountinfo"],
		"/sys/fs/cgroup/cgroup.controllers": "memory",
		"/proc/self/cgroup":                 "0::/",
	}
	for name, c := range map[string]struct {
		tree map[string]string
		want bool
	}{
		"v1 without":             {map[string]string{"/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": ""}, true},
		"v2 without a witness":   {top, true},
		"v2 own cgroup without":  {map[string]string{"/proc/self/cgroup": "0::/x", "/sys/fs/cgroup/x/memory.max": "max"}, false},
		"v2 own cgroup tells it": {map[string]string{"/proc/self/cgroup": "0::/x", "/sys/fs/cgroup/x/memory.swap.max": "max"}, true},
	} {
		base := top
		if strings.HasPrefix(name, "v1") {
			base = hybrid1
		}
		got, err := files(t, machine, base, c.tree).probe("/new/ab", false)
		if err != nil || got.SwapAccounting != c.want {
			t.Errorf("%s: got %v, %v; want %v", name, got.SwapAccounting, err, c.want)
		}
	}
}

func TestProbeErrors(t *testing.T) {
	for name, c := range map[string]struct {
		tree map[string]string
		err  string
	}{
		"meminfo": {map[string]string{"/proc/meminfo": "x"}, "read MemTotal: /proc/meminfo has none"},
		"online":  {map[string]string{"/sys/devices/system/cpu/online": "3-0"}, `count CPUs: "3-0" is no list of CPUs`},
		"limit": {map[string]string{"/sys/fs/cgroup/pids/docker/pids.max": "many"},
			`read "/sys/fs/cgroup/pids/docker/pids.max": strconv.ParseInt: parsing "many": invalid syntax`},
		"quota": {map[string]string{"/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us": "x"},
			`read CPU quota of "/sys/fs/cgroup/cpu,cpuacct/docker": "250000 x" is no quota and period`},
	} {
		if _, err := files(t, machine, hybrid1, c.tree).probe("/docker/ab", false); text(err) != c.err {
			t.Errorf("%s: got %q, want %q", name, text(err), c.err)
		}
	}
}

func TestParseMounts(t *testing.T) {
	trees, unified := parseMounts(`1 1 0:1 /sub /a\040b rw - cgroup cgroup rw,memory
2 1 0:1 / /whole rw - cgroup cgroup rw,memory
3 1 0:2 /pod /sys/fs/cgroup rw master:3 - cgroup2 cgroup2 rw
4 1 0:2 / /other rw - cgroup2 cgroup2 rw
short
5 1 0:3 / /x rw - tmpfs cgroup rw,memory
6 1 0:4 /s /only\134part rw - cgroup none rw,pids`)
	want := map[string]hierarchy{"memory": {1, "/whole", "/"}, "pids": {1, `/only\part`, "/s"}}
	if !reflect.DeepEqual(trees, want) || unified != (hierarchy{2, "/other", "/"}) {
		t.Errorf("got %v, %v", trees, unified)
	}
}

func TestParseMembership(t *testing.T) {
	got := parseMembership("12:cpu,cpuacct:/a:b\n1:name=systemd:/s\n0::/u\ngarbage\n")
	want := map[string]string{"cpu": "/a:b", "cpuacct": "/a:b", "name=systemd": "/s", "": "/u"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestDir(t *testing.T) {
	for _, c := range []struct {
		top, cgroup, want string
		ok                bool
	}{
		{"/", "/a/b", "/mnt/a/b", true},
		{"/", "/", "/mnt", true},
		{"/", "/../outside", "/outside", false},
		{"/a", "/a", "/mnt", true},
		{"/a", "/a/b", "/mnt/b", true},
		{"/a", "/ab", "", false},
		{"/a", "/", "", false},
	} {
		if got, ok := (hierarchy{1, "/mnt", c.top}).dir(c.cgroup); ok != c.ok || ok && got != c.want {
			t.Errorf("%s below %s: got %q, %v", c.cgroup, c.top, got, ok)
		}
	}
}

func FuzzParsePlace(f *testing.F) {
	for _, s := range []string{"", "/", "/a/b", "../../x", "a-b.slice:docker:x", ":p:n", "-.slice:a:b", "..slice:a:b"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, s string, systemd bool) {
		p, err := parsePlace(s, systemd)
		if err != nil {
			return
		}
		for _, version := range []int{1, 2} {
			dirs := p.above(hierarchy{version, "/sys/fs/cgroup", "/"}, "/own/cg", "/init.scope")
			if dirs[len(dirs)-1] != "/sys/fs/cgroup" || slices.ContainsFunc(dirs, func(d string) bool {
				return d != "/sys/fs/cgroup" && !strings.HasPrefix(d, "/sys/fs/cgroup/") || strings.Contains(d+"/", "/../")
			}) {
				t.Errorf("%q leaves the tree: %q", s, dirs)
			}
		}
	})
}

func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		if _, err := Probe("/docker/ab", false); err != nil {
			b.Fatal(err)
		}
	}
}
