package main

import (
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// nobody is the user and group of the sandbox where the profile refuses root.
const nobody = 65534

// spec is the sandbox as a bundle's config.json: what a careful engine would write. The rules do the rest.
func (s *sandbox) spec(id string, binds []specs.Mount) *specs.Spec {
	user, home := specs.User{}, "/root"
	if s.profile.User.NonRoot.On {
		user, home = specs.User{UID: nobody, GID: nobody}, "/home"
	}
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + home, "PS1=bulkhead# "}
	for _, name := range []string{"TERM", "LANG", "LC_ALL", "TZ"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	var capabilities []string
	for _, c := range s.profile.Capabilities {
		capabilities = append(capabilities, c.Name)
	}
	granted := capabilities
	if user.UID != 0 {
		granted = nil
	}
	spec := &specs.Spec{
		Version: specs.Version, Hostname: "bulkhead", Root: &specs.Root{Path: "rootfs", Readonly: !s.rw},
		Process: &specs.Process{
			Args: s.args, Env: env, Cwd: home, User: user, Terminal: s.terminal, NoNewPrivileges: s.profile.NoNewPrivileges.On,
			Capabilities: &specs.LinuxCapabilities{Bounding: capabilities, Effective: granted, Permitted: granted},
		},
		Mounts: append(kernelMounts(), binds...),
		Linux: &specs.Linux{
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.PIDNamespace}, {Type: specs.NetworkNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace},
				{Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
			},
			Seccomp:   s.filter,
			Resources: &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
		Annotations: map[string]string{"dev.bulkhead.try": id},
	}
	if s.memory > 0 {
		spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: &s.memory}
	}
	return spec
}

// kernelMounts are the file systems of the kernel that every container has, and the sandbox's own empty directories.
func kernelMounts() []specs.Mount {
	mount := func(at, kind string, options ...string) specs.Mount {
		return specs.Mount{Destination: at, Type: kind, Source: kind, Options: options}
	}
	list := []specs.Mount{
		mount("/proc", "proc", "nosuid", "noexec", "nodev"),
		mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
		mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
		mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=67108864"),
		mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
		mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
	}
	for _, dir := range scratchDirs {
		list = append(list, mount(dir, "tmpfs", "nosuid", "nodev", "mode=1777"))
	}
	return list
}
