package integration

import (
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/bulkhead-runtime/bulkhead/seccomp/recording"
)

// sameRuns is how many runs of each recorder are put together at most: which calls a threaded program makes depends on who is faster.
const sameRuns = 12

// sameSet runs a workload under both recorders until their recordings, put together, have the same permitted calls and arguments.
func sameSet(t *testing.T, record func(t *testing.T, recorder string) *recording.Recording) {
	t.Helper()
	var bpf, notified []*recording.Recording
	var onlyBPF, onlyNotified []string
	for range sameRuns {
		bpf = append(bpf, record(t, "bpf"))
		notified = append(notified, record(t, "notify"))
		a, b := permitted(bpf...), permitted(notified...)
		for _, r := range bpf {
			for _, c := range r.Calls {
				if c.Denied > 0 { // its values are those of denied calls, too
					for _, set := range []map[string]bool{a, b} {
						maps.DeleteFunc(set, func(k string, _ bool) bool { return strings.HasPrefix(k, c.Name+" ") })
					}
				}
			}
		}
		// write is let pass unseen in a container; whether it was made is not known.
		delete(a, "write")
		delete(b, "write")
		onlyBPF, onlyNotified = difference(a, b), difference(b, a)
		if len(onlyBPF)+len(onlyNotified) == 0 {
			t.Logf("%d runs each, %d calls and values", len(bpf), len(a))
			return
		}
	}
	t.Errorf("after %d runs each, only bpf has %q, only notify has %q", sameRuns, onlyBPF, onlyNotified)
}

// bundles has sameSet record a new bundle each time.
func bundles(make func(t *testing.T) *bundle) func(t *testing.T, recorder string) *recording.Recording {
	return func(t *testing.T, recorder string) *recording.Recording {
		t.Helper()
		rec, r := recordBundle(t, make(t), "--recorder", recorder)
		equal(t, "status: "+r.String(), r.code, 0)
		return rec
	}
}

// TestSeccompRecordersAgree compares the two recorders on workloads of several kinds.
func TestSeccompRecordersAgree(t *testing.T) {
	requireRoot(t)
	for _, mode := range []string{"calls", "children 20", "compat", "hostile"} {
		t.Run(strings.Fields(mode)[0], func(t *testing.T) {
			sameSet(t, bundles(func(t *testing.T) *bundle { return notifyBundle(t, strings.Fields(mode)...) }))
		})
	}
	t.Run("counts", func(t *testing.T) {
		a, _ := recordBundle(t, notifyBundle(t, "calls"), "--recorder", "bpf")
		b, _ := recordBundle(t, notifyBundle(t, "calls"), "--recorder", "notify")
		x, y := callCounts(a), callCounts(b)
		for _, name := range []string{"getppid startup", "clone startup", "exit startup", "listen serving", "getpgid serving", "execve startup", "setsockopt startup", "prctl startup"} {
			if x[name] != y[name] || x[name] == 0 {
				t.Errorf("%s: bpf has %d, notify %d", name, x[name], y[name])
			}
		}
	})
	t.Run("nginx", func(t *testing.T) {
		root := t.TempDir()
		must(t, run(t, exec.Command("tar", "-xf", imageTar(t, "services"), "-C", root, "--numeric-owner")))
		recordBundle(t, nginxBundle(t, root), "--recorder", "bpf") // the first run in a root makes directories
		sameSet(t, bundles(func(t *testing.T) *bundle { return nginxBundle(t, root) }))
	})
	t.Run("python3", func(t *testing.T) {
		requireProgram(t, "/usr/bin/python3")
		sameSet(t, func(t *testing.T, recorder string) *recording.Recording {
			const script = "import json, os, socket, subprocess\nsubprocess.run(['/bin/sh', '-c', 'ls / | wc -l'])\njson.dumps(os.listdir('/'))\nsocket.socketpair()"
			file := filepath.Join(t.TempDir(), "recording.json")
			r := run(t, ctl(t, "seccomp", "record", "--recorder", recorder, "-o", file, "--", "/usr/bin/python3", "-c", script))
			equal(t, "status: "+r.String(), r.code, 0)
			return mustRecording(t, file, r)
		})
	})
}

// nginxBundle serves a page, reloads and stops.
func nginxBundle(t *testing.T, root string) *bundle {
	t.Helper()
	const script = `nginx
for i in 1 2 3; do exec 3<>/dev/tcp/127.0.0.1/80; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3 | grep -c 'Welcome to nginx'; exec 3>&-; done
nginx -s reload
nginx -s quit
while [ -e /run/nginx.pid ]; do sleep 0.1; done`
	return newBundle(t, "bulkhead", args("bash", "-c", script), func(s *specs.Spec) {
		s.Root.Path = root
		s.Process.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	})
}
