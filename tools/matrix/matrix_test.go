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
{"Action":"pass","Test":"TestDocker/bulkhead"}
{"Action":"run","Test":"TestDocker/bulkhead/unfinished"}
{"Action":"pass","Test":"TestGuest/sid/TestDocker/bulkhead/run/output"}
{"Action":"pass","Test":"TestPodman/bulkhead"}
{"Action":"pass","Test":"TestImages/busybox"}
not JSON
`

const want = `
## Docker

* **20.10.24, this kernel**: Docker 20.10.24+dfsg1, runc 1.1.5; Linux 6.18; cgroup v1

| Scenario | guest sid | 20.10.24, this kernel |
|---|---|---|
| ` + "`compose/configs`" + ` | · / · | skipped / **no** |
| ` + "`grants/ignored`" + ` | · / · | yes / · |
| ` + "`run/output`" + ` | yes / · | yes / yes |

Gaps:

* ` + "`compose/configs`" + `, 20.10.24, this kernel, bulkhead: skipped: Compose 1 has none
* ` + "`compose/configs`" + `, 20.10.24, this kernel, runc: **no**: broken

## podman


| Scenario | this kernel |
|---|---|
| ` + "`all of it`" + ` | yes / · |

## Measured

| Engine | Runtime | Figures |
|---|---|---|
| 20.10.24, this kernel | runc | start 5ms |
`

func TestMarkdown(t *testing.T) {
	r := newResults()
	if err := r.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	if got := r.markdown(); got != want {
		t.Errorf("markdown is\n%s\nwant\n%s", got, want)
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
