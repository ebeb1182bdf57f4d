package harden

import (
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/profiles"
	"github.com/bulkhead-runtime/bulkhead/runtime/bundle"
)

func prestart(paths ...string) func(*specs.Spec, *Policy) {
	return func(s *specs.Spec, p *Policy) {
		s.Hooks = &specs.Hooks{}
		for _, path := range paths {
			s.Hooks.CreateRuntime = append(s.Hooks.CreateRuntime, specs.Hook{Path: path, Args: []string{"x", "secret"}})
		}
		p.Profile.Hooks = profiles.Hooks{Caller: profiles.Switch{On: true, Reason: "Docker"}}
	}
}

func TestHooks(t *testing.T) {
	noted := func(path string) string {
		return `note hooks.createRuntime[0].path: "` + path + `" -> "` + path + `" (the caller has the runtime start this program: `
	}
	runRule(t, hooks, []ruleCase{
		{name: "none"},
		{name: "the caller's", edit: prestart("/proc/3335/exe"), changes: []string{noted("/proc/3335/exe") + "Docker)"}},
		{
			name:    "relative",
			edit:    prestart("hook"),
			changes: []string{noted("hook") + "Docker)"},
			refused: []string{`hooks.createRuntime[0].path is "hook", want an absolute path without ".." (rule hooks)`},
		},
		{
			name: "forbidden",
			edit: func(s *specs.Spec, p *Policy) {
				prestart("/bin/hook")(s, p)
				p.Profile.Hooks.Caller = profiles.Switch{Reason: "no engine here has hooks"}
			},
			changes: []string{noted("/bin/hook") + "no engine here has hooks)"},
			refused: []string{`hooks.createRuntime[0].path is "/bin/hook", want no hooks (rule hooks)`},
		},
		{
			name: "not listed",
			edit: func(s *specs.Spec, p *Policy) {
				prestart("/bin/hook")(s, p)
				p.Profile.Hooks.Allowed = []profiles.Entry{{Name: "/bin/setkey"}}
			},
			changes: []string{noted("/bin/hook") + "Docker)"},
			refused: []string{`hooks.createRuntime[0].path is "/bin/hook", want one of "/bin/setkey" (rule hooks)`},
		},
	})
}

func TestAnnotations(t *testing.T) {
	set := func(pairs ...string) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, _ *Policy) {
			s.Annotations = map[string]string{}
			for i := 0; i < len(pairs); i += 2 {
				s.Annotations[pairs[i]] = pairs[i+1]
			}
		}
	}
	const root = " -> absent (runtimes act on it as root on the host)"
	runRule(t, annotations, []ruleCase{
		{name: "kept", edit: set("io.kubernetes.cri.sandbox-id", "d431", "dev.bulkhead.profile", "restricted", "org.systemd.propert", "x")},
		{
			name: "dropped",
			edit: set("org.systemd.property.ExecStart", "'/x'", "org.criu.config", "/etc/x", "bundle", "/b", "run.oci.keep_original_groups", "1", "dev.bulkhead.range", "0+65536"),
			changes: []string{
				`annotations["bundle"]: "/b"` + root, `annotations["dev.bulkhead.range"]: "0+65536"` + root, `annotations["org.criu.config"]: "/etc/x"` + root,
				`annotations["org.systemd.property.ExecStart"]: "'/x'"` + root, `annotations["run.oci.keep_original_groups"]: "1"` + root,
			},
		},
	})
	s, p := testSpec(), testPolicy(t)
	set("bundle", "/b")(s, &p)
	want := `annotations["bundle"] is "/b", want absent (rule annotations)`
	if got := judgeAnnotations(s, p); len(got) != 1 || got[0].String() != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestSecrets(t *testing.T) {
	env := func(list ...string) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, _ *Policy) { s.Process.Env = list }
	}
	noted := func(name string) string {
		return `note process.env["` + name + `"]: set -> set (the name looks like a secret's, and an environment is easy to read: give it as a file)`
	}
	runRule(t, secrets, []ruleCase{
		{name: "kept", edit: env("PATH=/bin", "POSTGRES_PASSWORD_FILE=/run/secrets/p", "TOKEN=", "HOME=/my-secret")},
		{name: "noted", edit: env("POSTGRES_PASSWORD=hunter2", "github_token=x", "AWS_SECRET_ACCESS_KEY=x"), changes: []string{noted("POSTGRES_PASSWORD"), noted("github_token"), noted("AWS_SECRET_ACCESS_KEY")}},
		{
			name: "refused",
			edit: func(s *specs.Spec, p *Policy) {
				env("API_KEY=hunter2")(s, p)
				p.Profile.SecretsRefused.On = true
			},
			changes: []string{noted("API_KEY")},
			refused: []string{`process.env["API_KEY"] is set, want secrets in files, not in the environment (rule secrets)`},
		},
	})
}

func TestLSM(t *testing.T) {
	on := func(profile, label string) func(*specs.Spec, *Policy) {
		return func(s *specs.Spec, p *Policy) {
			p.Facts.Kernel = bundle.Kernel{AppArmor: true, SELinux: true}
			s.Process.ApparmorProfile, s.Process.SelinuxLabel = profile, label
		}
	}
	const label = "system_u:system_r:container_t:s0:c1,c2"
	runRule(t, lsm, []ruleCase{
		{name: "without an LSM", edit: func(s *specs.Spec, _ *Policy) { s.Process.ApparmorProfile = "unconfined" }},
		{name: "kept", edit: on("docker-default", label)},
		{
			name: "absent",
			edit: on("", ""),
			changes: []string{
				"note process.apparmorProfile: absent -> absent (AppArmor is active on this host and the caller names no profile)",
				"note process.selinuxLabel: absent -> absent (SELinux is active on this host and the caller names no label)",
			},
		},
		{name: "unconfined", edit: on("unconfined", label), refused: []string{`process.apparmorProfile is "unconfined", want a profile that confines, as Docker's --security-opt apparmor=docker-default gives, also beside --privileged (rule lsm)`}},
		{name: "unconfined in a stack", edit: on("docker-default//&unconfined", label), refused: []string{`process.apparmorProfile is "docker-default//&unconfined", want a profile that confines, as Docker's --security-opt apparmor=docker-default gives, also beside --privileged (rule lsm)`}},
		{
			name:    "a profile that is not loaded",
			edit:    func(s *specs.Spec, p *Policy) { on("mine", label)(s, p); p.Facts.Kernel.AppArmorMode = "missing" },
			refused: []string{`process.apparmorProfile is "mine", want a profile that this host's AppArmor has loaded (see aa-status(8)) (rule lsm)`},
		},
		{
			name:    "a profile that confines nothing",
			edit:    func(s *specs.Spec, p *Policy) { on("runc", label)(s, p); p.Facts.Kernel.AppArmorMode = "unconfined" },
			refused: []string{`process.apparmorProfile is "runc", want a profile that confines: this one is loaded with flags=(unconfined) (rule lsm)`},
		},
		{
			name:    "super privileged",
			edit:    on("docker-default", "system_u:system_r:spc_t:s0"),
			refused: []string{`process.selinuxLabel is "system_u:system_r:spc_t:s0", want user:role:type:level with a type that confines (rule lsm)`},
		},
		{
			name:    "a mount label with a quote",
			edit:    func(s *specs.Spec, _ *Policy) { s.Linux.MountLabel = `x",suid` },
			refused: []string{`linux.mountLabel is "x\",suid", want a label without quotes and control characters (rule lsm)`},
		},
	})
}
