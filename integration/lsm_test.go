package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// apparmor skips where the kernel has no AppArmor at work, with what the kernel says.
func apparmor(t testing.TB) {
	t.Helper()
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if !strings.HasPrefix(string(enabled), "Y") {
		t.Skipf("AppArmor is not active: /sys/module/apparmor/parameters/enabled: %q, %v", enabled, err)
	}
	requireProgram(t, "apparmor_parser")
}

// appArmorActive says whether the kernel has AppArmor at work.
func appArmorActive() bool {
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	return err == nil && strings.HasPrefix(string(enabled), "Y")
}

// loadAppArmor gives the kernel a profile, and takes it back when the test ends.
func loadAppArmor(t testing.TB, name, flags, rules string) {
	t.Helper()
	unload := addAppArmor(t, name, flags, rules)
	t.Cleanup(unload)
}

// addAppArmor gives the kernel a profile, and what takes it back.
func addAppArmor(t testing.TB, name, flags, rules string) (unload func()) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profile")
	text := "profile " + name + " flags=(" + flags + ") {\n" + rules + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, run(t, exec.Command("apparmor_parser", "-Kr", file)))
	return func() { must(t, run(t, exec.Command("apparmor_parser", "-KR", file))) }
}

const allowAll = "\tfile,\n\tcapability,\n\tnetwork,\n\tmount,\n\tpivot_root,\n\tsignal,\n\tunix,\n"

// TestLSM has security modules confine containers, and reads in the kernel that they do.
func TestLSM(t *testing.T) {
	requireRoot(t)
	t.Run("apparmor", func(t *testing.T) {
		apparmor(t)
		loadAppArmor(t, "bh-test", "attach_disconnected,mediate_deleted", allowAll+"\tdeny /data/seed r,\n")
		loadAppArmor(t, "bh-open", "unconfined", "")
		for _, runtime := range runtimes() {
			t.Run(runtime, func(t *testing.T) { testAppArmor(t, runtime) })
		}
		t.Run("unloaded before start", testUnloadedAppArmor)
	})
	t.Run("selinux", func(t *testing.T) {
		if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
			t.Skip("SELinux is active: this case is about a kernel where it is not")
		}
		for _, runtime := range runtimes() {
			// The label reaches the kernel's own side of the runtime, which has no place for it: it is not dropped silently.
			b := newBundle(t, runtime, func(s *specs.Spec) { s.Process.SelinuxLabel = "system_u:system_r:container_t:s0:c1,c2" })
			refused(t, b.create(t), "selinux label is specified in config, but selinux is disabled or not supported")
		}
	})
}

func confinedBy(profile string) func(*specs.Spec) {
	return func(s *specs.Spec) { s.Process.ApparmorProfile = profile }
}

func testAppArmor(t *testing.T, runtime string) {
	b := newBundle(t, runtime, confinedBy("bh-test"))
	pid := b.running(t)
	eventually(t, "its program", func() error { return execed(pid) })
	equal(t, "profile", appArmorOf(t, pid), "bh-test (enforce)")
	refused(t, b.try(t, "exec", b.id, "cat", "/data/seed"), "Permission denied")
	equal(t, "profile of an exec", b.do(t, "exec", b.id, "cat", "/proc/self/attr/current"), "bh-test (enforce)")
	if runtime != "bulkhead" {
		return
	}
	// Asked for more, an exec gets what the container has.
	equal(t, "profile of an exec that asks for none", b.do(t, "exec", "--apparmor", "unconfined", b.id, "cat", "/proc/self/attr/current"), "bh-test (enforce)")
	for profile, why := range map[string]string{
		"unconfined": `process.apparmorProfile is "unconfined", want a profile that confines, as Docker's --security-opt apparmor=docker-default gives, also beside --privileged (rule lsm)`,
		"bh-gone":    `process.apparmorProfile is "bh-gone", want a profile that this host's AppArmor has loaded (see aa-status(8)) (rule lsm)`,
		"bh-open":    `process.apparmorProfile is "bh-open", want a profile that confines: this one is loaded with flags=(unconfined) (rule lsm)`,
	} {
		r := newBundle(t, runtime, confinedBy(profile)).create(t)
		r.stderr = strings.ReplaceAll(r.stderr, `\"`, `"`) // the log's text form
		refused(t, r, why)
	}
}

// testUnloadedAppArmor takes the profile away between create and start: the kernel would run the program unconfined.
func testUnloadedAppArmor(t *testing.T) {
	unload := addAppArmor(t, "bh-fleeting", "attach_disconnected,mediate_deleted", allowAll)
	b := newBundle(t, "bulkhead", confinedBy("bh-fleeting"))
	r := b.create(t)
	unload()
	must(t, r)
	start := b.try(t, "start", b.id)
	start.stderr = strings.ReplaceAll(start.stderr, `\"`, `"`)
	refused(t, start, `AppArmor profile is "unconfined"`)
	equal(t, "status", b.status(t), "stopped")
	b.do(t, "delete", b.id)
}

func appArmorOf(t testing.TB, pid int) string {
	t.Helper()
	return trimmed(procFile(t, pid, "attr/apparmor/current"))
}
