package bundle

import (
	"fmt"
	"sort"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func checkLinux(l *specs.Linux) error {
	if l == nil {
		return nil
	}
	for _, err := range []error{
		checkNamespaces(l.Namespaces),
		checkMappings("linux.uidMappings", l.UIDMappings),
		checkMappings("linux.gidMappings", l.GIDMappings),
		checkDevices(l.Devices),
		checkTimeOffsets(l.TimeOffsets),
		checkLength("linux.cgroupsPath", l.CgroupsPath),
		checkCount("linux.maskedPaths", len(l.MaskedPaths), maxPaths),
		checkCount("linux.readonlyPaths", len(l.ReadonlyPaths), maxPaths),
		checkCount("linux.sysctl", len(l.Sysctl), maxPaths),
		checkResources("linux.resources.", l.Resources),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkNamespaces(namespaces []specs.LinuxNamespace) error {
	seen := map[specs.LinuxNamespaceType]bool{}
	for i, ns := range namespaces {
		if nsFileName(ns.Type) == "" {
			return fmt.Errorf("linux.namespaces[%d].type is %q, want one of cgroup, ipc, mount, network, pid, time, user, uts", i, cut(string(ns.Type)))
		}
		if seen[ns.Type] {
			return fmt.Errorf("linux.namespaces[%d].type is %q a second time", i, ns.Type)
		}
		seen[ns.Type] = true
		if ns.Path == "" {
			continue
		}
		if err := checkAbsolute(fmt.Sprintf("linux.namespaces[%d].path", i), ns.Path); err != nil {
			return err
		}
	}
	return nil
}

// checkMappings checks lines of uid_map: user_namespaces(7), "Defining user and group ID mappings".
func checkMappings(path string, maps []specs.LinuxIDMapping) error {
	if err := checkCount(path, len(maps), maxIDMappings); err != nil {
		return err
	}
	const end = 1<<32 - 1 // the highest value is (uid_t)-1, which is no ID
	for i, m := range maps {
		switch {
		case m.Size == 0:
			return fmt.Errorf("%s[%d].size is 0, want at least 1", path, i)
		case uint64(m.ContainerID)+uint64(m.Size) > end:
			return fmt.Errorf("%s[%d] ends at containerID %d, want at most %d", path, i, uint64(m.ContainerID)+uint64(m.Size)-1, end-1)
		case uint64(m.HostID)+uint64(m.Size) > end:
			return fmt.Errorf("%s[%d] ends at hostID %d, want at most %d", path, i, uint64(m.HostID)+uint64(m.Size)-1, end-1)
		}
	}
	return nil
}

func checkDevices(devices []specs.LinuxDevice) error {
	if err := checkCount("linux.devices", len(devices), maxDevices); err != nil {
		return err
	}
	for i, d := range devices {
		at := fmt.Sprintf("linux.devices[%d]", i)
		if err := checkAbsolute(at+".path", d.Path); err != nil {
			return err
		}
		switch d.Type {
		case "b", "c", "u", "p":
		default:
			return fmt.Errorf("%s.type is %q, want b, c, u or p", at, cut(d.Type))
		}
		if err := checkDeviceNumbers(at, d.Major, d.Minor, 0); err != nil {
			return err
		}
	}
	return nil
}

// checkDeviceNumbers checks that device numbers fit the kernel's 12 and 20 bits (makedev(3)).
func checkDeviceNumbers(path string, major, minor, least int64) error {
	if major < least || major >= 1<<12 {
		return fmt.Errorf("%s.major is %d, want %d to %d", path, major, least, 1<<12-1)
	}
	if minor < least || minor >= 1<<20 {
		return fmt.Errorf("%s.minor is %d, want %d to %d", path, minor, least, 1<<20-1)
	}
	return nil
}

func checkTimeOffsets(offsets map[string]specs.LinuxTimeOffset) error {
	clocks := make([]string, 0, len(offsets))
	for clock := range offsets {
		clocks = append(clocks, clock)
	}
	sort.Strings(clocks)
	for _, clock := range clocks {
		if clock != "monotonic" && clock != "boottime" {
			return fmt.Errorf("linux.timeOffsets has the clock %q, want monotonic or boottime", cut(clock))
		}
		if n := offsets[clock].Nanosecs; n >= 1e9 {
			return fmt.Errorf("linux.timeOffsets.%s.nanosecs is %d, want at most 999999999", clock, n)
		}
	}
	return nil
}
