package bundle

import (
	"fmt"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// checkResources checks limits; prefix is their path with a dot at the end, or empty. -1 means no limit where the
// runtime-spec or the kernel says so; anything lower means nothing.
func checkResources(prefix string, r *specs.LinuxResources) error {
	if r == nil {
		return nil
	}
	for _, err := range []error{
		checkDeviceRules(prefix+"devices", r.Devices),
		checkMemory(prefix+"memory.", r.Memory),
		checkCPU(prefix+"cpu.", r.CPU),
		checkPids(prefix+"pids.", r.Pids),
		checkBlockIO(prefix+"blockIO.", r.BlockIO),
		checkCount(prefix+"hugepageLimits", len(r.HugepageLimits), maxOptions),
		checkCount(prefix+"unified", len(r.Unified), maxOptions),
		checkCount(prefix+"rdma", len(r.Rdma), maxOptions),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkDeviceRules(path string, rules []specs.LinuxDeviceCgroup) error {
	if err := checkCount(path, len(rules), maxDevices); err != nil {
		return err
	}
	for i, r := range rules {
		at := fmt.Sprintf("%s[%d]", path, i)
		switch r.Type {
		case "", "a", "b", "c":
		default:
			return fmt.Errorf("%s.type is %q, want a, b or c", at, cut(r.Type))
		}
		if strings.Trim(r.Access, "rwm") != "" {
			return fmt.Errorf("%s.access is %q, want letters of rwm", at, cut(r.Access))
		}
		major, minor := int64(-1), int64(-1)
		if r.Major != nil {
			major = *r.Major
		}
		if r.Minor != nil {
			minor = *r.Minor
		}
		if err := checkDeviceNumbers(at, major, minor, -1); err != nil {
			return err
		}
	}
	return nil
}

func checkMemory(prefix string, m *specs.LinuxMemory) error {
	if m == nil {
		return nil
	}
	for _, err := range []error{
		checkLeast(prefix+"limit", m.Limit),
		checkLeast(prefix+"reservation", m.Reservation),
		checkLeast(prefix+"swap", m.Swap),
		checkLeast(prefix+"kernel", m.Kernel), //nolint:staticcheck // deprecated, and still written by engines
		checkLeast(prefix+"kernelTCP", m.KernelTCP),
	} {
		if err != nil {
			return err
		}
	}
	if m.Swappiness != nil && *m.Swappiness > 200 {
		return fmt.Errorf("%sswappiness is %d, want at most 200", prefix, *m.Swappiness)
	}
	return nil
}

func checkCPU(prefix string, c *specs.LinuxCPU) error {
	if c == nil {
		return nil
	}
	for _, err := range []error{
		checkLeast(prefix+"quota", c.Quota),
		checkLeast(prefix+"realtimeRuntime", c.RealtimeRuntime),
		checkLength(prefix+"cpus", c.Cpus),
		checkLength(prefix+"mems", c.Mems),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkPids(prefix string, p *specs.LinuxPids) error {
	if p == nil {
		return nil
	}
	return checkLeast(prefix+"limit", p.Limit)
}

func checkBlockIO(prefix string, b *specs.LinuxBlockIO) error {
	if b == nil {
		return nil
	}
	for i, d := range b.WeightDevice {
		if err := checkDeviceNumbers(fmt.Sprintf("%sweightDevice[%d]", prefix, i), d.Major, d.Minor, 0); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		name    string
		devices []specs.LinuxThrottleDevice
	}{
		{"throttleReadBpsDevice", b.ThrottleReadBpsDevice},
		{"throttleWriteBpsDevice", b.ThrottleWriteBpsDevice},
		{"throttleReadIOPSDevice", b.ThrottleReadIOPSDevice},
		{"throttleWriteIOPSDevice", b.ThrottleWriteIOPSDevice},
	} {
		for i, d := range list.devices {
			if err := checkDeviceNumbers(fmt.Sprintf("%s%s[%d]", prefix, list.name, i), d.Major, d.Minor, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkLeast(path string, value *int64) error {
	if value != nil && *value < -1 {
		return fmt.Errorf("%s is %d, want at least -1", path, *value)
	}
	return nil
}
