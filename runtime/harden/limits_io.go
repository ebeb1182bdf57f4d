package harden

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// network notes what has a meaning only to the host's own rules: a net_cls class and net_prio priorities. They limit
// nothing, and they open nothing.
func (t *tally) network(r *specs.LinuxResources) {
	if r.Network == nil {
		return
	}
	if id := r.Network.ClassID; id != nil && *id != 0 {
		t.note("linux.resources.network.classID", fmt.Sprintf("%#x", *id), "the host's traffic rules give a class its meaning")
	}
	if len(r.Network.Priorities) > 0 {
		t.note("linux.resources.network.priorities", fmt.Sprintf("%d interfaces", len(r.Network.Priorities)), "they order this container's packets only")
	}
}

// network objects to names that no interface has (net_prio.ifpriomap takes one line each).
func (o *protest) network(n *specs.LinuxNetwork) {
	if n == nil {
		return
	}
	for i, p := range n.Priorities {
		if len(p.Name) > 15 || !printable(p.Name) || p.Name == "" || strings.ContainsAny(p.Name, " /") {
			o.object(fmt.Sprintf("linux.resources.network.priorities[%d].name", i), quote(p.Name), "the name of an interface")
		}
	}
}

// blockIO objects to weights that the kernel does not take. Throttles only ever take away.
func (o *protest) blockIO(b *specs.LinuxBlockIO) {
	if b == nil {
		return
	}
	o.weight("linux.resources.blockIO.weight", b.Weight)
	o.weight("linux.resources.blockIO.leafWeight", b.LeafWeight)
	for i, d := range b.WeightDevice {
		field := fmt.Sprintf("linux.resources.blockIO.weightDevice[%d]", i)
		o.weight(field+".weight", d.Weight)
		o.weight(field+".leafWeight", d.LeafWeight)
		o.blockDevice(field, d.LinuxBlockIODevice)
	}
	throttles := []struct {
		name string
		list []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", b.ThrottleReadBpsDevice}, {"throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", b.ThrottleReadIOPSDevice}, {"throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	}
	for _, t := range throttles {
		for i, d := range t.list {
			o.blockDevice(fmt.Sprintf("linux.resources.blockIO.%s[%d]", t.name, i), d.LinuxBlockIODevice)
		}
	}
}

// weight takes 0 for not set, as engines write it.
func (o *protest) weight(field string, w *uint16) {
	if w != nil && *w != 0 && (*w < 10 || *w > 1000) {
		o.object(field, strconv.Itoa(int(*w)), "10 to 1000")
	}
}

func (o *protest) blockDevice(field string, d specs.LinuxBlockIODevice) {
	if d.Major < 0 || d.Minor < 0 {
		o.object(field, fmt.Sprintf("%d:%d", d.Major, d.Minor), "the numbers of a block device")
	}
}

func (o *protest) hugepages(list []specs.LinuxHugepageLimit) {
	var seen []string
	for i, h := range list {
		field := fmt.Sprintf("linux.resources.hugepageLimits[%d].pageSize", i)
		if !isPageSize(h.Pagesize) {
			o.object(field, quote(h.Pagesize), "a size such as \"2MB\"")
		} else if slices.Contains(seen, h.Pagesize) {
			o.object(field, quote(h.Pagesize), "each size once")
		}
		seen = append(seen, h.Pagesize)
	}
}

// isPageSize tells whether s names a huge page size as files of the hugetlb controller do: 64KB, 2MB, 1GB.
func isPageSize(s string) bool {
	for _, unit := range []string{"KB", "MB", "GB"} {
		if n, ok := strings.CutSuffix(s, unit); ok {
			v, err := strconv.ParseUint(n, 10, 32)
			return err == nil && v > 0 && n[0] != '0'
		}
	}
	return false
}

func (o *protest) rdma(devices map[string]specs.LinuxRdma) {
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if len(name) > 64 || !only(name, "_-.") {
			o.object("linux.resources.rdma", quote(name), "the name of a device")
		}
	}
}
