package container

import (
	"fmt"
	"slices"

	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/seccomp"
	"github.com/opencontainers/runc/libcontainer/specconv"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/opencontainers/runtime-spec/specs-go/features"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

// Features is what a hardened container can have, in runtime-spec's format: what a rule always refuses or removes is
// not among it. Engines decide by it whether a Kubernetes pod may have hostUsers: false (user namespaces and idmapped
// mounts), so it claims only what works.
func (r *Runtime) Features(version, commit string) (*features.Features, error) {
	p, err := r.selectProfile("")
	if err != nil {
		return nil, err
	}
	yes, no := true, false
	f := &features.Features{
		OCIVersionMin: "1.0.0",
		OCIVersionMax: specs.Version,
		Hooks:         configs.KnownHookNames(),
		// Shared propagation is refused by the rule mounts.
		MountOptions: slices.DeleteFunc(specconv.KnownMountOptions(), func(o string) bool {
			return slices.Contains([]string{"shared", "rshared", "suid", "rsuid", "dev", "rdev"}, o)
		}),
		Annotations: map[string]string{
			"dev.bulkhead.version":                       version,
			"dev.bulkhead.commit":                        commit,
			"dev.bulkhead.profile":                       p.Name,
			"dev.bulkhead.annotations.read":              profileAnnotation, // what of a container's own annotations has an effect
			"org.opencontainers.runc.checkpoint.enabled": "false",
			"io.github.seccomp.libseccomp.version":       LibseccompVersion(),
		},
		Linux: &features.Linux{
			Namespaces:      specconv.KnownNamespaces(),
			Capabilities:    capabilityNames(p.Capabilities),
			Cgroup:          &features.Cgroup{V1: &yes, V2: &yes, Systemd: &yes, SystemdUser: &no, Rdma: &yes},
			Apparmor:        &features.Apparmor{Enabled: &yes},
			Selinux:         &features.Selinux{Enabled: &yes},
			IntelRdt:        &features.IntelRdt{Enabled: &no, Schemata: &no, Monitoring: &no},
			MemoryPolicy:    &features.MemoryPolicy{},
			MountExtensions: &features.MountExtensions{IDMap: &features.IDMap{Enabled: &yes}},
			NetDevices:      &features.NetDevices{Enabled: &no},
			Seccomp: &features.Seccomp{
				Enabled: &yes, Operators: seccomp.KnownOperators(), Archs: []string{bundle.NativeArch()},
				Actions: slices.DeleteFunc(seccomp.KnownActions(), func(a string) bool {
					return a == "SCMP_ACT_NOTIFY" && p.Seccomp.Agent == ""
				}),
				KnownFlags:     seccomp.KnownFlags(),
				SupportedFlags: slices.DeleteFunc(seccomp.SupportedFlags(), func(f string) bool { return f == "SECCOMP_FILTER_FLAG_SPEC_ALLOW" }),
			},
		},
		// What others take for dangerous in a config.json; the rule annotations removes them.
		PotentiallyUnsafeConfigAnnotations: []string{"bundle", "org.systemd.property.", "org.criu.config"},
	}
	return f, nil
}

// LibseccompVersion is the version of the library that compiles the filters.
func LibseccompVersion() string {
	major, minor, micro := seccomp.Version()
	return fmt.Sprintf("%d.%d.%d", major, minor, micro)
}

func capabilityNames(entries []profiles.Entry) []string {
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name)
	}
	slices.Sort(names)
	return names
}
