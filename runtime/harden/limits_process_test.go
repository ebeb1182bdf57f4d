package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

func TestLimitsProcess(t *testing.T) {
	rlimit := func(list ...specs.POSIXRlimit) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, _ *Policy) {
			s.Process.Rlimits = append(list, specs.POSIXRlimit{Type: "RLIMIT_CORE", Hard: 1, Soft: 1})
		}
	}
	const why = " (above the ceiling, or without the effect that was meant)"
	nofile := specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}
	runRule(t, limits, []ruleCase{
		limitCase("narrowed", rlimit(specs.POSIXRlimit{Type: "RLIMIT_NOFILE", Hard: ^uint64(0), Soft: 4096}, specs.POSIXRlimit{Type: "RLIMIT_RTPRIO", Hard: 99, Soft: 99},
			specs.POSIXRlimit{Type: "RLIMIT_NICE", Hard: 40, Soft: 40}, specs.POSIXRlimit{Type: "RLIMIT_STACK", Hard: ^uint64(0), Soft: 8 << 20}), []string{
			"process.rlimits[RLIMIT_NOFILE]: soft 4096, hard unlimited -> 4096" + why,
			"process.rlimits[RLIMIT_RTPRIO]: 99 -> 0 (above the ceiling, or without the effect that was meant: real-time priorities starve the host)",
			"process.rlimits[RLIMIT_NICE]: 40 -> 20 (above the ceiling, or without the effect that was meant: 20 allows the nice value 0 and none below)",
		}, nil),
		limitCase("core 0 does not stop a pipe", func(s *specs.Spec, _ *Policy) { s.Process.Rlimits[1].Soft, s.Process.Rlimits[1].Hard = 0, 0 },
			[]string{"process.rlimits[RLIMIT_CORE]: 0 -> 1" + why}, nil),
		limitCase("the host's own hard limit", func(_ *specs.Spec, p *Policy) { p.Facts.Kernel.HardLimits = map[string]uint64{"RLIMIT_NOFILE": 512} },
			[]string{"process.rlimits[RLIMIT_NOFILE]: soft 1024, hard 2048 -> 512" + why}, nil),
		limitCase("refused", rlimit(nofile, nofile, specs.POSIXRlimit{Type: "RLIMIT_LUCK"}, specs.POSIXRlimit{Type: "RLIMIT_AS", Soft: 2, Hard: 1}), nil, []string{
			`process.rlimits[1].type is "RLIMIT_NOFILE", want each resource once (rule limits)`,
			`process.rlimits[2].type is "RLIMIT_LUCK", want a resource of getrlimit(2) (rule limits)`,
			"process.rlimits[3].soft is 2, want at most the hard limit 1 (rule limits)",
		}),
		limitCase("oom score", func(s *specs.Spec, _ *Policy) { *s.Process.OOMScoreAdj = -500 },
			[]string{"process.oomScoreAdj: -500 -> 0 (the host's own work is spared first)"}, nil),
		limitCase("oom score of the host", func(_ *specs.Spec, p *Policy) { p.Facts.Kernel.OOMScoreAdjMin = new(200) },
			[]string{"process.oomScoreAdj: 100 -> 200 (the host's own work is spared first)"}, nil),
		limitCase("oom score out of range", func(s *specs.Spec, _ *Policy) { *s.Process.OOMScoreAdj = 1001 }, nil,
			[]string{"process.oomScoreAdj is 1001, want 0 to 1000 (rule limits)"}),
	})
}

func TestCgroupsPath(t *testing.T) {
	const below, own, name = `a path below the caller's own cgroup, without ".."`, "a cgroup of the container's own, below its engine's",
		"the name of a scope of the container's own after the last colon"
	for path, want := range map[string]string{
		"": "", "/docker/0123abcd": "", "docker/0123abcd": "", "/web1": "", "/default/web1": "", "/buildkit/x": "", "/libpod_parent/libpod-1": "",
		"/kubepods/besteffort/pod0b7f/91d9": "", "/kubepods/pod0b7f/91d9": "", "/kubepods/guaranteed-like/x": "",
		"/system.slice/docker-1.scope": "", "/kubepods.slice/kubepods-besteffort.slice/cri-1.scope": "",
		"system.slice:docker:0123": "", "machine.slice:libpod:1": "", ":bulkhead:1": "", "kubepods-besteffort-pod0b7f_1.slice:cri-containerd:91d9": "",
		"/": own, "//": own, "/.": own, "/system.slice": own, "/user.slice/user-0.slice": own, "/docker": own, "docker": own, "/init.scope": own,
		"/kubepods/besteffort": own, "/kubepods": own, "/kubepods/besteffort/pod0b7f": own, "/kubepods/pod0b7f": own, "/system.slice/sshd.service": own,
		"/user.slice/user-0.slice/session-1.scope": own, "/kubelet/kubepods/burstable": own, "/kubelet/kubepods/pod1": own,
		"/docker/../system.slice/x": below, "..": below, "../x": below, "/a\x00b": below, "/a\nb": below, "a:..:b": below,
		"system.slice:docker": "slice:prefix:name", "a:b:c:d": "slice:prefix:name",
		"system:docker:1": "the name of a slice before the first colon", "-evil.slice:d:1": "the name of a slice before the first colon",
		"system.slice:a/b:1":   "a plain prefix between the colons",
		"system.slice:docker:": name, "system.slice::user.slice": name, "system.slice:docker:a/b": name, "-.slice::init.scope": name, "user-0.slice:session:1": name,
	} {
		o := protest{rule: "limits"}
		o.cgroupsPath(path)
		var got string
		if len(o.violations) > 0 {
			got = o.violations[0].Want
		}
		if got != want || len(o.violations) > 1 {
			t.Errorf("%q: got %v, want %q", path, o.violations, want)
		}
	}
}
