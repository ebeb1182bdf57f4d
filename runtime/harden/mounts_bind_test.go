package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
	"github.com/bulkhead-runtime/bulkhead/userns"
)

func TestMountsOptionsOfBinds(t *testing.T) {
	const volume = "a volume must not bring setuid programs or devices"
	busy := onDisk("/srv/shop")
	busy.Submounts = []bundle.Submount{{Path: "/x", FSType: "ext4", FSDev: "8:2", FSPath: "/"}}
	runRule(t, mounts, []ruleCase{
		{
			name:    "nosuid and nodev",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "suid", "dev"),
			changes: []string{`mounts[0].options: "rbind,suid,dev" -> "rbind,nosuid,nodev" (for "/v": ` + volume + ")"},
		},
		{
			name:    "read-only",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "ro", "nosuid", "nodev"),
			changes: []string{`mounts[0].options: "rbind,ro,nosuid,nodev" -> "rbind,rro,nosuid,nodev" (for "/v": read-only holds for the mounts below too)`},
		},
		{
			name:    "read-only with a way back",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "ro", "rrw", "nosuid", "nodev"),
			changes: []string{`mounts[0].options: "rbind,ro,rrw,nosuid,nodev" -> "rbind,rro,nosuid,nodev" (for "/v": the host's mount decides; read-only holds for the mounts below too)`},
		},
		{
			name:    "mounts below",
			edit:    bindOf(busy, finished...),
			changes: []string{`mounts[0].options: "rbind,rprivate,nosuid,nodev" -> "rbind,rprivate,nosuid,nodev,rnosuid,rnodev" (for "/v": ` + volume + ")"},
		},
		{
			name:    "the type alone",
			edit:    bindOf(onDisk("/srv/shop"), "nosuid", "nodev"),
			changes: []string{`mounts[0].options: "nosuid,nodev" -> "nosuid,nodev,bind" (for "/v": a mount of type bind has the option)`},
		},
		{
			name: "the recursive type alone",
			edit: func(s *specs.Spec, p *Policy) {
				bindOf(busy, "nosuid", "nodev")(s, p)
				s.Mounts[0].Type = "rbind"
			},
			changes: []string{`mounts[0].options: "nosuid,nodev" -> "nosuid,nodev,rbind,rnosuid,rnodev" (for "/v": a mount of type rbind has the option; ` + volume + ")"},
		},
		{
			name: "noexec",
			edit: func(s *specs.Spec, p *Policy) {
				bindOf(onDisk("/srv/shop"), finished...)(s, p)
				p.Profile.Mounts.Noexec = profiles.Switch{On: true, Reason: "restricted"}
			},
			changes: []string{`mounts[0].options: "rbind,rprivate,nosuid,nodev" -> "rbind,rprivate,nosuid,nodev,noexec" (for "/v": volumes hold data: restricted)`},
		},
		{
			name: "an engine's init stays a program",
			edit: func(s *specs.Spec, p *Policy) {
				src := onDisk("/usr/bin/docker-init")
				src.Kind = "file"
				bindTo("/sbin/docker-init", src, "bind", "rro", "nosuid", "nodev")(s, p)
				p.Profile.Mounts.Noexec = profiles.Switch{On: true, Reason: "restricted"}
			},
		},
		{
			name: "ID mappings",
			edit: func(s *specs.Spec, p *Policy) {
				bindOf(onDisk("/srv/shop"), "rbind", "idmap", "nosuid", "nodev")(s, p)
				s.Mounts[0].UIDMappings = []specs.LinuxIDMapping{{Size: 65536}}
			},
			changes: []string{
				`mounts[0].uidMappings: 0:0+65536 -> absent (the runtime maps IDs to the container's range)`,
				`mounts[0].options: "rbind,idmap,nosuid,nodev" -> "rbind,nosuid,nodev" (for "/v": the runtime maps IDs to the container's range)`,
			},
		},
		{
			name: "ID mappings of a caller with a user namespace of its own",
			edit: func(s *specs.Spec, p *Policy) {
				bindOf(onDisk("/srv/shop"), "rbind", "idmap", "nosuid", "nodev")(s, p)
				p.Range = userns.Range{}
				m := []specs.LinuxIDMapping{{HostID: 131072, Size: 65536}}
				s.Linux.UIDMappings, s.Linux.GIDMappings = m, m
				s.Mounts[0].UIDMappings, s.Mounts[0].GIDMappings = m, m
			},
		},
		{
			name:    "slave",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "rslave", "nosuid", "nodev"),
			changes: []string{`mounts[0].options: "rbind,rslave,nosuid,nodev" -> "rbind,nosuid,nodev" (for "/v": what the host mounts there later was judged by no rule)`},
		},
		{
			name:    "shared",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "rshared", "nosuid", "nodev"),
			refused: []string{`mounts[0].options is "rshared", want private propagation (rule mounts)`},
		},
		{
			name:    "remount",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "remount", "nosuid", "nodev"),
			refused: []string{`mounts[0].options is "remount", want options of a first mount (rule mounts)`},
		},
		{
			name:    "unknown",
			edit:    bindOf(onDisk("/srv/shop"), "rbind", "nosuid", "nodev", "upperdir=/etc"),
			refused: []string{`mounts[0].options is "upperdir=/etc", want options that a bind has (rule mounts)`},
		},
	})
}
