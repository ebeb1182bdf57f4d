package main

import (
	"strings"
	"testing"
)

const events = `{"Action":"run","Test":"TestDocker"}
{"Action":"output","Test":"TestDocker/bulkhead","Output":"    x_test.go:5: engine: Docker 20.10.24+dfsg1, runc 1.1.5; Linux 6.18; cgroup v1\n"}
{"Action":"pass","Test":"TestDocker/bulkhead/run/output"}
{"Action":"pass","Test":"TestDocker/runc/run/output"}
{"Action":"pass","Test":"TestDocker/bulkhead/grants/ignored"}
{"Action":"pass","Test":"TestDocker/bulkhead/grants/ignored/--privileged"}
{"Action":"output","Test":"TestDocker/bulkhead/compose/configs","Output":"    y_test.go:9: Compose 1 has none\n"}
{"Action":"skip","Test":"TestDocker/bulkhead/compose/configs"}
{"Action":"output","Test":"TestDocker/runc/compose/configs","Output":"    y_test.go:9: broken\n"}
{"Action":"fail","Test":"TestDocker/runc/compose/configs"}
{"Action":"output","Test":"TestDocker/runc/images/large","Output":"    z_test.go:1: measured: start 5ms\n"}
{"Action":"pass","Test":"TestDocker/runc/images/large"}
{"Action":"pass","Test":"TestDocker/bulkhead"}
{"Action":"run","Test":"TestDocker/bulkhead/unfinished"}
{"Action":"output","Test":"TestGuest/sid-1/TestDocker/bulkhead","Output":"    g_test.go:7: in the guest:\n"}
{"Action":"output","Test":"TestGuest/sid-1/TestDocker/bulkhead","Output":"            x_test.go:5: engine: Docker 28.5.2+dfsg4; cgroup v2\n"}
{"Action":"run","Test":"TestGuest/sid-1/TestDocker/bulkhead/run/output"}
{"Action":"pass","Test":"TestGuest/sid-1/TestDocker/bulkhead/run/output"}
{"Action":"output","Test":"TestGuest/sid-2/TestDocker/bulkhead","Output":"    x_test.go:5: engine: Docker 28.5.2+dfsg4; cgroup v2\n"}
{"Action":"run","Test":"TestGuest/sid-2/TestDocker/bulkhead/run/output"}
{"Action":"output","Test":"TestGuest/sid-2/TestDocker/bulkhead/run/output","Output":"    g_test.go:7: in the guest:\n"}
{"Action":"output","Test":"TestGuest/sid-2/TestDocker/bulkhead/run/output","Output":"        y_test.go:9: worse\n"}
{"Action":"fail","Test":"TestGuest/sid-2/TestDocker/bulkhead/run/output"}
{"Action":"pass","Test":"TestGuest/sid-2/TestDocker/runc/run/output"}
{"Action":"output","Test":"TestGuest/sid-2/TestDocker/runc/run/stdin","Output":"    g_test.go:7: the guest has ended before it was tried\n"}
{"Action":"fail","Test":"TestGuest/sid-2/TestDocker/runc/run/stdin"}
{"Action":"output","Test":"TestPodman/bulkhead","Output":"    x_test.go:5: engine: podman 4.3.1; cgroup v1\n"}
{"Action":"pass","Test":"TestPodman/bulkhead"}
{"Action":"pass","Test":"TestLSM/apparmor/bulkhead"}
{"Action":"output","Test":"TestGuest/sid-rootless/TestRootlessPodman/systemd/bulkhead","Output":"    x_test.go:5: engine: podman 5.8.6; cgroup v2\n"}
{"Action":"pass","Test":"TestGuest/sid-rootless/TestRootlessPodman/systemd/bulkhead/limits/set"}
{"Action":"pass","Test":"TestGuest/sid-rootless/TestRootlessPodman/systemd/runc/limits/set"}
{"Action":"pass","Test":"TestGuest/sid-rootless/TestRootlessDocker/runc/limits/set"}
{"Action":"pass","Test":"TestImages/busybox"}
not JSON
`

const want = `
## Docker

* **20.10.24, this kernel**: Docker 20.10.24+dfsg1, runc 1.1.5; Linux 6.18; cgroup v1
* **28.5.2, guest sid**: Docker 28.5.2+dfsg4; cgroup v2

| Scenario | 20.10.24, this kernel | 28.5.2, guest sid |
|---|---|---|
| ` + "`compose/configs`" + ` | skipped / **no** | · / · |
| ` + "`grants/ignored`" + ` | yes / · | · / · |
| ` + "`images/large`" + ` | · / yes | · / · |
| ` + "`run/output`" + ` | yes / yes | **no** / yes |

Gaps:

* ` + "`compose/configs`" + `, 20.10.24, this kernel, bulkhead: skipped: Compose 1 has none
* ` + "`compose/configs`" + `, 20.10.24, this kernel, runc: **no**: broken
* ` + "`run/output`" + `, 28.5.2, guest sid, bulkhead: **no**: worse

## podman


| Scenario | 4.3, this kernel |
|---|---|
| ` + "`TestPodman`" + ` | yes / · |

## Rootless engines

* **Podman systemd, guest sid**: podman 5.8.6; cgroup v2

| Scenario | Docker, guest sid | Podman systemd, guest sid |
|---|---|---|
| ` + "`limits/set`" + ` | · / yes | yes / yes |

## AppArmor and SELinux profiles


| Scenario | apparmor, this kernel |
|---|---|
| ` + "`all of it`" + ` | yes / · |

## Measured

| Engine | Runtime | Figures |
|---|---|---|
| 20.10.24, this kernel | runc | start 5ms |
`

func reportOf(t *testing.T, events string) *report {
	t.Helper()
	r := newResults()
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	return r.report()
}

func TestMarkdown(t *testing.T) {
	if got := reportOf(t, events).markdown(); got != want {
		t.Errorf("markdown is\n%s\nwant\n%s", got, want)
	}
	if got := parsePage(want).markdown(); got != want {
		t.Errorf("a page read and written is\n%s\nwant\n%s", got, want)
	}
}

// later are the results of pieces: one scenario of one Docker, one of podman, and a figure.
const later = `{"Action":"output","Test":"TestDocker/bulkhead","Output":"    x_test.go:5: engine: Docker 20.10.24+dfsg1; newer\n"}
{"Action":"pass","Test":"TestDocker/runc/compose/configs"}
{"Action":"pass","Test":"TestPodmanEngines/4.3/bulkhead/pods_of_two"}
{"Action":"output","Test":"TestDocker/runc/images/large","Output":"    z_test.go:1: measured: start 1.2s\n"}
{"Action":"pass","Test":"TestDocker/runc/images/large"}
`

func TestKeep(t *testing.T) {
	r := reportOf(t, later)
	r.keep(parsePage(want))
	changed := strings.NewReplacer(
		"Docker 20.10.24+dfsg1, runc 1.1.5; Linux 6.18; cgroup v1", "Docker 20.10.24+dfsg1; newer", "skipped / **no**", "skipped / yes",
		"* `compose/configs`, 20.10.24, this kernel, runc: **no**: broken\n", "", "| `TestPodman` | yes / · |\n", "| `TestPodman` | yes / · |\n| `pods of two` | yes / · |\n",
		"start 5ms", "start 1.2s",
	).Replace(want)
	if got := r.markdown(); got != changed {
		t.Errorf("markdown is\n%s\nwant\n%s", got, changed)
	}
}

func TestReplace(t *testing.T) {
	got, err := replace("a\n"+begin+"old\n"+end+"b\n", "new\n")
	if want := "a\n" + begin + "new\n" + end + "b\n"; got != want || err != nil {
		t.Errorf("replace = %q, %v, want %q", got, err, want)
	}
	for _, page := range []string{"", "a\n" + begin, "a\n" + end} {
		if _, err := replace(page, "new\n"); err == nil {
			t.Errorf("replace(%q) has no error", page)
		}
	}
}
