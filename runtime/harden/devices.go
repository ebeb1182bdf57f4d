package harden

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

// The container has no device of the host's.
//
//	Field:    linux.devices, linux.netDevices, linux.resources.devices
//	Allowed:  the default set (null, zero, full, random, urandom, tty, terminals) plus what the profile names
//	Else:     narrowed: other nodes and access rules are dropped; a network device of the host's is refused
//	Why:      a device node is a way into the kernel or to a disk. --privileged asks for all of them. CIS Docker 5.18
//
// A node counts by number and by path: a user namespace cannot make nodes, so a node of another path would be the
// host's file of that path.
var devices = Rule{
	ID:      "devices",
	Fields:  []string{"linux.devices", "linux.netDevices", "linux.resources.devices"},
	Summary: "The container has the default devices and those that the profile names, and no other.",
	narrow:  narrowDevices,
	judge:   judgeDevices,
}

// always are the devices that libcontainer gives every container.
var always = [...]profiles.Device{
	{Path: "/dev/null", Type: "c", Major: 1, Minor: 3, Access: "rwm"},
	{Path: "/dev/zero", Type: "c", Major: 1, Minor: 5, Access: "rwm"},
	{Path: "/dev/full", Type: "c", Major: 1, Minor: 7, Access: "rwm"},
	{Path: "/dev/random", Type: "c", Major: 1, Minor: 8, Access: "rwm"},
	{Path: "/dev/urandom", Type: "c", Major: 1, Minor: 9, Access: "rwm"},
	{Path: "/dev/tty", Type: "c", Major: 5, Minor: 0, Access: "rwm"},
}

// terminals are devices of the container's own devpts, which need an access rule and no node. 5:1 is what every
// engine's list has for /dev/console; the node there is a terminal of devpts.
var terminals = [...]profiles.Device{
	{Type: "c", Major: 5, Minor: 1, Access: "rwm"},
	{Type: "c", Major: 5, Minor: 2, Access: "rwm"},
	{Type: "c", Major: 136, Minor: -1, Access: "rwm"},
}

// terminal tells whether the device is one of the terminals, whose nodes are never the host's.
func terminal(d profiles.Device) bool {
	return slices.ContainsFunc(terminals[:], func(t profiles.Device) bool {
		return t.Type == d.Type && t.Major == d.Major && (t.Minor == -1 || t.Minor == d.Minor)
	})
}

// maxNamed is how many dropped devices a report names.
const maxNamed = 5

func narrowDevices(s *specs.Spec, p Policy) []Change {
	t := tally{rule: "devices"}
	var dropped []string
	s.Linux.Devices = slices.DeleteFunc(s.Linux.Devices, func(d specs.LinuxDevice) bool {
		if deviceAllowed(d, p) && !givenAnyway(d) {
			return false
		}
		dropped = append(dropped, showDevice(d))
		return true
	})
	if len(s.Linux.Devices) == 0 {
		s.Linux.Devices = nil
	}
	if len(dropped) > 0 {
		t.narrow("linux.devices", "with "+showSome(dropped), "the default set", "a device of the host's is a way to the host")
	}
	if s.Linux.Resources == nil {
		s.Linux.Resources = &specs.LinuxResources{}
	}
	narrowDeviceRules(s.Linux.Resources, p, &t)
	addDefaultDevices(s, p, &t)
	return t.changes
}

// givenAnyway tells whether libcontainer makes the node by itself. A node of that name in the spec would take the place of
// its own and of the access rule that comes with it, and --privileged names all nodes but brings no rule for any.
func givenAnyway(d specs.LinuxDevice) bool {
	return slices.ContainsFunc(always[:], func(a profiles.Device) bool { return a.Path == d.Path })
}

// addDefaultDevices adds the profile's default devices that libcontainer does not give by itself.
func addDefaultDevices(s *specs.Spec, p Policy, t *tally) {
	for _, d := range p.Profile.Devices {
		here := func(o specs.LinuxDevice) bool { return o.Path == d.Path }
		if !d.Default || d.Minor < 0 || givenAnyway(specs.LinuxDevice{Path: d.Path}) || slices.ContainsFunc(s.Linux.Devices, here) || !devicePath(d.Path) {
			continue
		}
		s.Linux.Devices = append(s.Linux.Devices, specs.LinuxDevice{Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor})
		s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
			Allow: true, Type: d.Type, Major: &d.Major, Minor: &d.Minor, Access: d.Access,
		})
		t.narrow("linux.devices", "without "+d.Path, "with it", because("the profile gives it to every container", d.Reason))
	}
}

// devicePath tells whether a node may be at the path: below /dev, by its plain name, and not over what is mounted or
// linked there.
func devicePath(path string) bool {
	if filepath.Clean(path) != path || !strings.HasPrefix(path, "/dev/") {
		return false
	}
	switch first, _, _ := strings.Cut(strings.TrimPrefix(path, "/dev/"), "/"); first {
	case "pts", "ptmx", "console", "shm", "mqueue", "fd", "stdin", "stdout", "stderr":
		return false
	}
	return true
}

func deviceAllowed(d specs.LinuxDevice, p Policy) bool {
	if !devicePath(d.Path) || d.FileMode != nil && *d.FileMode&0o7000 != 0 {
		return false
	}
	match := func(a profiles.Device) bool {
		if a.Type != deviceType(d.Type) || a.Major != d.Major || terminal(a) {
			return false
		}
		if a.Minor == -1 {
			return strings.HasPrefix(d.Path, a.Path) && a.Path != ""
		}
		return a.Minor == d.Minor && a.Path == d.Path
	}
	return slices.ContainsFunc(always[:], match) || slices.ContainsFunc(p.Profile.Devices, match)
}

// deviceType is the type of a node as access rules have it: "u" is an unbuffered character device.
func deviceType(t string) string {
	if t == "u" {
		return "c"
	}
	return t
}

func showDevice(d specs.LinuxDevice) string {
	return fmt.Sprintf("%s (%s %d:%d)", quote(d.Path), d.Type, d.Major, d.Minor)
}

func showSome(list []string) string {
	if len(list) <= maxNamed {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:maxNamed], ", "), len(list)-maxNamed)
}

// narrowDeviceRules cuts access rules down to what the devices of the profile allow, drops those of which nothing is left,
// and puts the rule that denies everything in front when it is not there.
func narrowDeviceRules(r *specs.LinuxResources, p Policy, t *tally) {
	var dropped []string
	r.Devices = slices.DeleteFunc(r.Devices, func(d specs.LinuxDeviceCgroup) bool {
		if !d.Allow || ruleAllowed(d, p) || accessAllowed(d, p) != "" {
			return false
		}
		dropped = append(dropped, showDeviceRule(d))
		return true
	})
	if len(dropped) > 0 {
		t.narrow("linux.resources.devices", "with allow "+showSome(dropped), "without", "a device of the host's is a way to the host")
	}
	for i, d := range r.Devices {
		if d.Allow && !ruleAllowed(d, p) {
			r.Devices[i].Access = accessAllowed(d, p)
			t.narrow("linux.resources.devices", "allow "+showDeviceRule(d), "allow "+showDeviceRule(r.Devices[i]), "the profile allows no more of it")
		}
	}
	if len(r.Devices) == 0 || !deniesAll(r.Devices[0]) {
		r.Devices = append([]specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}, r.Devices...)
		t.narrow("linux.resources.devices", "without a rule that denies", "deny a *:* rwm first", "what no rule allows must be denied")
	}
}

// accessAllowed is the most that one device of the profile allows of the access that a rule gives: engines ask for "rwm"
// when their user names only the device.
func accessAllowed(d specs.LinuxDeviceCgroup, p Policy) string {
	most := ""
	if strings.Trim(d.Access, "rwm") != "" {
		return ""
	}
	for _, a := range p.Profile.Devices {
		if a.Type != deviceType(d.Type) || a.Major != deviceNumber(d.Major) || a.Minor != -1 && a.Minor != deviceNumber(d.Minor) {
			continue
		}
		both := strings.Map(func(c rune) rune {
			if strings.ContainsRune(a.Access, c) {
				return c
			}
			return -1
		}, d.Access)
		if len(both) > len(most) {
			most = both
		}
	}
	return most
}

func deniesAll(d specs.LinuxDeviceCgroup) bool {
	return !d.Allow && (d.Type == "" || d.Type == "a") && deviceNumber(d.Major) == -1 && deviceNumber(d.Minor) == -1 &&
		strings.Contains(d.Access, "r") && strings.Contains(d.Access, "w") && strings.Contains(d.Access, "m")
}

// deviceNumber is a major or minor number of an access rule: absent means every number.
func deviceNumber(n *int64) int64 {
	if n == nil || *n < 0 {
		return -1
	}
	return *n
}

func ruleAllowed(d specs.LinuxDeviceCgroup, p Policy) bool {
	match := func(a profiles.Device) bool {
		return a.Type == deviceType(d.Type) && a.Major == deviceNumber(d.Major) && (a.Minor == -1 || a.Minor == deviceNumber(d.Minor)) &&
			strings.Trim(d.Access, a.Access) == ""
	}
	return slices.ContainsFunc(always[:], match) || slices.ContainsFunc(terminals[:], match) || slices.ContainsFunc(p.Profile.Devices, match)
}

func showDeviceRule(d specs.LinuxDeviceCgroup) string {
	show := func(n *int64) string {
		if deviceNumber(n) == -1 {
			return "*"
		}
		return fmt.Sprint(*n)
	}
	kind := d.Type
	if kind == "" {
		kind = "a"
	}
	return fmt.Sprintf("%s %s:%s %s", kind, show(d.Major), show(d.Minor), d.Access)
}

func judgeDevices(s *specs.Spec, p Policy) []Violation {
	o := protest{rule: "devices"}
	for i, d := range s.Linux.Devices {
		if !deviceAllowed(d, p) {
			o.object(fmt.Sprintf("linux.devices[%d]", i), showDevice(d), "one of the default set or of the profile")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Linux.NetDevices)) {
		o.object("linux.netDevices["+quote(name)+"]", "a network device of the host's", "none")
	}
	if s.Linux.Resources == nil || len(s.Linux.Resources.Devices) == 0 || !deniesAll(s.Linux.Resources.Devices[0]) {
		o.object("linux.resources.devices[0]", "no rule that denies everything", "deny a *:* rwm first")
		return o.violations
	}
	for i, d := range s.Linux.Resources.Devices {
		if d.Allow && !ruleAllowed(d, p) {
			o.object(fmt.Sprintf("linux.resources.devices[%d]", i), "allow "+showDeviceRule(d), "one of the default set or of the profile")
		}
	}
	return o.violations
}
