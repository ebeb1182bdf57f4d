package harden

import (
	"maps"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

func sysctls(pairs ...string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, _ *Policy) {
		s.Linux.Sysctl = map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			s.Linux.Sysctl[pairs[i]] = pairs[i+1]
		}
	}
}

func wantSysctls(pairs ...string) func(*testing.T, *specs.Spec) {
	return func(t *testing.T, s *specs.Spec) {
		t.Helper()
		want := testSpec()
		sysctls(pairs...)(want, nil)
		if !maps.Equal(s.Linux.Sysctl, want.Linux.Sysctl) {
			t.Errorf("got %q, want %q", s.Linux.Sysctl, want.Linux.Sysctl)
		}
	}
}

func TestSysctl(t *testing.T) {
	runRule(t, sysctl, []ruleCase{
		{name: "kept", edit: sysctls("net.ipv4.ip_unprivileged_port_start", "0", "kernel.shmmax", "1", "fs.mqueue.msg_max", "9", "net.ipv4.tcp_rmem", "1\t2 3")},
		{
			name:    "ping_group_range",
			edit:    sysctls("net.ipv4.ping_group_range", "0 2147483647"),
			changes: []string{`linux.sysctl[net.ipv4.ping_group_range]: "0 2147483647" -> "0 65535" (the container has no group IDs beyond its range)`},
			check:   wantSysctls("net.ipv4.ping_group_range", "0 65535"),
		},
		{
			name:    "ping_group_range outside",
			edit:    sysctls("net.ipv4.ping_group_range", "70000 80000"),
			changes: []string{`linux.sysctl[net.ipv4.ping_group_range]: "70000 80000" -> "1 0" (the container has no group IDs beyond its range)`},
		},
		{name: "ping_group_range for root", edit: sysctls("net.ipv4.ping_group_range", "0 0")},
		{
			name:    "ping_group_range that is none",
			edit:    sysctls("net.ipv4.ping_group_range", "all"),
			refused: []string{`linux.sysctl[net.ipv4.ping_group_range] is "all", want two group IDs below 65536 (rule sysctl)`},
		},
		{
			name:    "Docker's --domainname",
			edit:    sysctls("kernel.domainname", "example.org"),
			changes: []string{`linux.sysctl[kernel.domainname]: "example.org" -> the property domainname (the file is not the container's to write, the name is)`},
			check:   wantSysctls(),
		},
		{
			name: "two domain names",
			edit: func(s *specs.Spec, p *Policy) {
				sysctls("kernel.domainname", "example.org")(s, p)
				s.Domainname = "example.net"
			},
			refused: []string{`linux.sysctl[kernel.domainname] is "example.org", want absent: domainname is the property for it (rule sysctl)`},
		},
		{
			name:    "slashes",
			edit:    sysctls("net/ipv4/conf/eth0.1/rp_filter", "1"),
			changes: []string{`linux.sysctl: "net/ipv4/conf/eth0.1/rp_filter" -> "net.ipv4.conf.eth0/1.rp_filter" (a name must have one spelling)`},
			check:   wantSysctls("net.ipv4.conf.eth0/1.rp_filter", "1"),
		},
		{
			name:    "two spellings, two values",
			edit:    sysctls("net/ipv4/ip_forward", "1", "net.ipv4.ip_forward", "0"),
			refused: []string{`linux.sysctl[net/ipv4/ip_forward] is no plain name, or given twice, want one name with dots (rule sysctl)`},
		},
		{
			name: "not in this kernel",
			edit: func(s *specs.Spec, p *Policy) {
				sysctls("net.ipv4.gone", "1")(s, p)
				p.Facts.Kernel.MissingSysctls = []string{"net.ipv4.gone"}
			},
			changes: []string{`linux.sysctl[net.ipv4.gone]: "1" -> absent (this kernel does not have it for a new namespace)`},
			check:   wantSysctls(),
		},
	})
}

func TestSysctlRefused(t *testing.T) {
	runRule(t, sysctl, []ruleCase{
		{
			name: "the host's",
			edit: sysctls("kernel.core_pattern", "|/x", "kernel.hostname", "h", "vm.overcommit_memory", "1"),
			refused: []string{
				`linux.sysctl[kernel.core_pattern] is "|/x", want absent: the profile does not name it (rule sysctl)`,
				`linux.sysctl[kernel.hostname] is "h", want absent: the profile does not name it (rule sysctl)`,
				`linux.sysctl[vm.overcommit_memory] is "1", want absent: the profile does not name it (rule sysctl)`,
			},
		},
		{
			name: "path tricks",
			edit: sysctls("net.ipv4../../kernel/core_pattern", "|/x", "net.ipv4.x\n", "1"),
			refused: []string{
				`linux.sysctl[net.ipv4../../kernel/core_pattern] is no plain name, or given twice, want one name with dots (rule sysctl)`,
				`linux.sysctl[net.ipv4.x\n] is no plain name, or given twice, want one name with dots (rule sysctl)`,
			},
		},
		{
			name:    "two lines",
			edit:    sysctls("kernel.shmmax", "1\n2"),
			refused: []string{`linux.sysctl[kernel.shmmax] is "1\n2", want one line of at most 1024 printable characters (rule sysctl)`},
		},
	})
}

func TestSysctlNamespaces(t *testing.T) {
	join := func(f bundle.Namespace) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, p *Policy) {
			sysctls("net.ipv4.ip_forward", "1")(s, p)
			s.Linux.Namespaces = []specs.LinuxNamespace{{Type: "network", Path: f.Path}}
			p.Facts.Namespaces = []bundle.Namespace{f}
		}
	}
	refused := []string{`linux.sysctl[net.ipv4.ip_forward] is "1", want absent: the network namespace is not the container's own (rule sysctl)`}
	runRule(t, sysctl, []ruleCase{
		{name: "a pod's", edit: join(bundle.Namespace{Path: "/run/netns/p", Inode: 7, Kind: "network", OwnerIsHost: true})},
		{name: "that of a pod with a user namespace of its own", edit: func(s *specs.Spec, p *Policy) {
			joinPodUser := join(bundle.Namespace{Path: "/run/netns/p", Inode: 7, Kind: "network", Owner: 9})
			joinPodUser(s, p)
			s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user", Path: "/run/userns/p"})
			p.Facts.Namespaces = append(p.Facts.Namespaces, bundle.Namespace{Path: "/run/userns/p", Inode: 9, Kind: "user"})
		}},
		{name: "one that another user namespace owns", edit: join(bundle.Namespace{Path: "/run/netns/p", Inode: 7, Kind: "network", Owner: 9}), refused: refused},
		{name: "the host's", edit: join(bundle.Namespace{Path: "/proc/1/ns/net", Inode: 1, Kind: "network", Host: true, OwnerIsHost: true}), refused: refused},
		{name: "a sibling's", edit: join(bundle.Namespace{Path: "/proc/9/ns/net", Inode: 9, Kind: "network", Sibling: "db"}), refused: refused},
		{name: "unresolved", edit: join(bundle.Namespace{Path: "/x", Err: "x"}), refused: refused},
		{name: "none", edit: func(s *specs.Spec, p *Policy) {
			sysctls("net.ipv4.ip_forward", "1")(s, p)
			s.Linux.Namespaces = nil
		}, refused: refused},
	})
}
