package integration

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// logEngine writes one line into the test's output that says what was tried: the versions, the kernel and the cgroup
// mode. docs/compatibility.md is made from these lines.
func (d *dockerd) logEngine(t testing.TB) {
	t.Helper()
	logDocker(t, func(args ...string) string { return d.do(t, args...) })
}

// logDocker writes such a line of the Docker whose client do runs.
func logDocker(t testing.TB, do func(...string) string) {
	t.Helper()
	var version struct {
		Server struct {
			Components []struct{ Name, Version string }
		}
	}
	if err := json.Unmarshal([]byte(do("version", "-f", "{{json .}}")), &version); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, c := range version.Server.Components {
		switch c.Name {
		case "Engine":
			parts = append(parts, "Docker "+c.Version)
		case "containerd", "runc":
			parts = append(parts, c.Name+" "+c.Version)
		}
	}
	format := "cgroup v{{.CgroupVersion}}, {{.CgroupDriver}}, {{.Driver}}{{range .SecurityOptions}}, {{.}}{{end}}"
	logEngine(t, strings.Join(parts, ", "), do("info", "-f", format))
}

// logPodman writes such a line of the podman that do runs.
func logPodman(t testing.TB, do func(...string) string) {
	t.Helper()
	logEngine(t, "podman "+do("version", "-f", "{{.Client.Version}}"), do("info", "-f",
		"cgroup {{.Host.CgroupsVersion}}, {{.Host.CgroupManager}}, {{.Host.NetworkBackend}}, AppArmor {{.Host.Security.AppArmorEnabled}}"))
}

// logEngine writes such a line: an engine with its version, and how it runs.
func logEngine(t testing.TB, engine, mode string) {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	release := strings.SplitN(unix.ByteSliceToString(name.Release[:]), ".", 3)
	t.Logf("engine: %s; Linux %s; %s", engine, strings.Join(release[:2], "."), mode)
}
