package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
)

var denyAll = specs.LinuxDeviceCgroup{Allow: false, Access: "rwm"}

func allow(kind string, major, minor int64, access string) specs.LinuxDeviceCgroup {
	return specs.LinuxDeviceCgroup{Allow: true, Type: kind, Major: &major, Minor: &minor, Access: access}
}

// deviceRules gives the spec access rules, and nodes.
func deviceRules(rules []specs.LinuxDeviceCgroup, nodes ...specs.LinuxDevice) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) {
		s.Linux.Resources = &specs.LinuxResources{Devices: rules}
		s.Linux.Devices = nodes
	}
}

func TestDevices(t *testing.T) {
	const host = " (a device of the host's is a way to the host)"
	deny := []specs.LinuxDeviceCgroup{denyAll}
	node := func(path, kind string, major, minor int64) specs.LinuxDevice {
		return specs.LinuxDevice{Path: path, Type: kind, Major: major, Minor: minor}
	}
	fuse := func(nodes ...specs.LinuxDevice) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, p *Policy) {
			deviceRules([]specs.LinuxDeviceCgroup{denyAll, allow("c", 10, 229, "rwm")}, nodes...)(s, p)
			p.Profile.Devices = append(p.Profile.Devices, profiles.Device{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, Access: "rwm", Reason: "rootless builds"})
		}
	}
	var many []specs.LinuxDevice
	for i := range int64(7) {
		many = append(many, node("/dev/loop", "b", 7, i))
	}
	runRule(t, devices, []ruleCase{
		{name: "Docker's", edit: deviceRules([]specs.LinuxDeviceCgroup{denyAll, allow("c", 1, 3, "rwm"), allow("c", 5, 1, "rwm"), allow("c", 136, 3, "rw")})},
		{
			// A node of the spec would take the place of libcontainer's own and of the access rule that comes with it:
			// --privileged names them all and brings no rule for any.
			name:    "a default node",
			edit:    deviceRules(deny, node("/dev/null", "c", 1, 3), node("/dev/tty", "u", 5, 0)),
			changes: []string{`linux.devices: with "/dev/null" (c 1:3), "/dev/tty" (u 5:0) -> the default set (a device of the host's is a way to the host)`},
		},
		{name: "the profile's", edit: fuse(node("/dev/fuse", "c", 10, 229))},
		{
			name: "more access than the profile's",
			edit: func(s *specs.Spec, p *Policy) {
				fuse(node("/dev/fuse", "c", 10, 229))(s, p)
				p.Profile.Devices[len(p.Profile.Devices)-1].Access = "rw"
			},
			changes: []string{"linux.resources.devices: allow c 10:229 rwm -> allow c 10:229 rw (the profile allows no more of it)"},
		},
		{
			name:    "no rules",
			changes: []string{"linux.resources.devices: without a rule that denies -> deny a *:* rwm first (what no rule allows must be denied)"},
		},
		{
			name:    "every device",
			edit:    deviceRules([]specs.LinuxDeviceCgroup{denyAll, {Allow: true, Access: "rwm"}}),
			changes: []string{"linux.resources.devices: with allow a *:* rwm -> without" + host},
		},
		{
			name:    "more access than named",
			edit:    deviceRules([]specs.LinuxDeviceCgroup{denyAll, allow("b", 8, 0, "r"), allow("c", 136, -1, "rwx")}),
			changes: []string{"linux.resources.devices: with allow b 8:0 r, c 136:* rwx -> without" + host},
		},
		{
			name:    "a disk",
			edit:    deviceRules(deny, node("/dev/sda", "b", 8, 0)),
			changes: []string{`linux.devices: with "/dev/sda" (b 8:0) -> the default set` + host},
		},
		{
			name:    "a disk under the number of null",
			edit:    deviceRules(deny, node("/dev/sda", "c", 1, 3)),
			changes: []string{`linux.devices: with "/dev/sda" (c 1:3) -> the default set` + host},
		},
		{
			name:    "null with the number of a disk",
			edit:    deviceRules(deny, node("/dev/null", "b", 8, 0)),
			changes: []string{`linux.devices: with "/dev/null" (b 8:0) -> the default set` + host},
		},
		{
			name:    "outside /dev",
			edit:    fuse(node("/dev/../etc/fuse", "c", 10, 229)),
			changes: []string{`linux.devices: with "/dev/../etc/fuse" (c 10:229) -> the default set` + host},
		},
		{
			name:    "the host's console",
			edit:    deviceRules(deny, node("/dev/console", "c", 5, 1)),
			changes: []string{`linux.devices: with "/dev/console" (c 5:1) -> the default set` + host},
		},
		{
			name: "many",
			edit: deviceRules(deny, many...),
			changes: []string{
				`linux.devices: with "/dev/loop" (b 7:0), "/dev/loop" (b 7:1), "/dev/loop" (b 7:2), "/dev/loop" (b 7:3), "/dev/loop" (b 7:4) and 2 more -> the default set` + host,
			},
		},
		{
			name: "a default of the profile",
			edit: func(s *specs.Spec, p *Policy) {
				fuse()(s, p)
				p.Profile.Devices[len(p.Profile.Devices)-1].Default = true
			},
			changes: []string{"linux.devices: without /dev/fuse -> with it (the profile gives it to every container: rootless builds)"},
		},
		{
			name: "a network device",
			edit: func(s *specs.Spec, p *Policy) {
				deviceRules(deny)(s, p)
				s.Linux.NetDevices = map[string]specs.LinuxNetDevice{"eth1": {}, "eth0": {}}
			},
			refused: []string{
				`linux.netDevices["eth0"] is a network device of the host's, want none (rule devices)`,
				`linux.netDevices["eth1"] is a network device of the host's, want none (rule devices)`,
			},
		},
	})
}

// TestDevicesJudgeAlone has judge look at what narrow would have dropped.
func TestDevicesJudgeAlone(t *testing.T) {
	s, p := testSpec(), testPolicy(t)
	deviceRules([]specs.LinuxDeviceCgroup{denyAll, allow("a", -1, -1, "rwm")}, specs.LinuxDevice{Path: "/dev/sda", Type: "b", Major: 8})(s, &p)
	want := []string{
		`linux.devices[0] is "/dev/sda" (b 8:0), want one of the default set or of the profile (rule devices)`,
		`linux.resources.devices[1] is allow a *:* rwm, want one of the default set or of the profile (rule devices)`,
	}
	got := judgeDevices(s, p)
	if len(got) != 2 || got[0].String() != want[0] || got[1].String() != want[1] {
		t.Errorf("got %v, want %v", got, want)
	}
}
