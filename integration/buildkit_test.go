package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestBuildKit points a builder at the runtime: buildkitd calls `run --keep` for each step of a Dockerfile. The image must be
// that of runc, layer by layer.
func TestBuildKit(t *testing.T) {
	requireRoot(t)
	images := map[string][]string{}
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			d := startBuildKit(t, name)
			t.Run("image", func(t *testing.T) { images[name] = d.image(t) })
			t.Run("failing step", d.failingStep)
			t.Run("cancelled", d.cancelled)
			t.Run("networks", d.networks)
			t.Run("entitlements", d.entitlements)
			t.Run("nothing left", d.nothingLeft)
		})
	}
	ours, theirs := images["bulkhead"], images["runc"]
	if ours == nil || theirs == nil {
		return
	}
	sameLayers(t, ours, theirs)
}

// sameLayers compares an image that was built under bulkhead with that of runc.
func sameLayers(t testing.TB, ours, theirs []string) {
	t.Helper()
	equal(t, "number of layers", len(ours), len(theirs))
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			t.Errorf("layer %d is\n%s\nwant, as under runc,\n%s", i, ours[i], theirs[i])
		}
	}
}

// dockerfileDir is a build context: a Dockerfile, a root to begin with, and a file.
func dockerfileDir(t testing.TB, dockerfile string) string {
	t.Helper()
	dir := t.TempDir()
	root, err := os.ReadFile(imageTar(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"Dockerfile": buildkitBase + dockerfile, "root.tar": string(root), "note": "from the context\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const buildkitBase = `FROM scratch AS base
ADD root.tar /
ENV PATH=/bin
`

// ownerSteps make files of all kinds and owners, and change, move and remove some of the layers below.
const ownerSteps = `WORKDIR /srv/app
RUN id >id && mkdir d && touch d/x && chown 1000:1001 d/x && chmod 4755 d/x
RUN ln d/x hard; ln -s d/x soft; mkfifo pipe; mkdir -m 1777 sticky; chown 65534:65534 sticky
RUN rm /data/seed && rm -r /home/app && mkdir /home/app && echo new >/home/app/file
RUN chown -R 1000 /srv/app/d && echo changed >>/srv/app/id && mv /srv/app/d /srv/app/e
COPY --chown=12:34 note /srv/app/
USER 1000:1000
RUN id >/tmp/id; touch /tmp/mine; ! touch /srv/app/denied
USER root
`

const buildkitSteps = `
FROM base AS tools
RUN mkdir /tools && echo one >/tools/one && chown -R 7:8 /tools
RUN echo two >/tools/two && chmod 640 /tools/two

FROM base
` + ownerSteps + `RUN grep -c . /proc/self/status >/dev/null && cat /etc/hosts /etc/resolv.conf >/dev/null && hostname >/srv/app/host
RUN --mount=type=cache,target=/cache ls -ldn /cache | awk '{print $1, $3, $4}' >/srv/app/cache-owner; echo kept >/cache/k; chown 5:6 /cache/k
RUN --mount=type=cache,target=/cache stat -c '%u:%g' /cache/k >/srv/app/cached && cat /cache/k >>/srv/app/cached
RUN --mount=type=tmpfs,target=/scratch echo x >/scratch/x && grep ' /scratch tmpfs' /proc/mounts | wc -l >/srv/app/tmpfs
RUN --mount=type=secret,id=key,uid=1000,mode=0440 ls -ln /run/secrets/key | awk '{print $1, $3, $4}' >/srv/app/secret; wc -c </run/secrets/key >>/srv/app/secret
RUN --mount=type=secret,id=key,env=KEY echo ${#KEY} >>/srv/app/secret
RUN --mount=type=bind,target=/context cat /context/note >/srv/app/context; ! touch /context/denied
RUN --mount=type=bind,target=/context,rw touch /context/thrown-away; ls /context >/srv/app/names
RUN --mount=type=bind,target=/context,rw chown 1:2 /context/note; cp -a /context/note /srv/app/owned; stat -c %u:%g /context/root.tar >/srv/app/owner
RUN --mount=type=bind,source=note,target=/n cat /n >/srv/app/single; stat -c %u:%g /n >>/srv/app/single; ! echo x >/n
RUN --mount=type=bind,from=tools,source=/tools/two,target=/two stat -c %u:%g:%a /two >>/srv/app/single
RUN --mount=type=bind,from=tools,source=/tools,target=/tools ls -ln /tools | awk '{print $1, $3, $4, $9}' >/srv/app/tools; ! touch /tools/denied
RUN --mount=type=bind,from=tools,target=/stage ls -ln /stage/tools | awk '{print $1, $3, $4, $9}' >/srv/app/stage; stat -c %u:%g /stage /stage/data/seed >>/srv/app/stage; ! touch /stage/tools/denied
RUN --mount=type=cache,id=owned,target=/owned,uid=1000,gid=1001,mode=0750 ls -ldn /owned | awk '{print $1, $3, $4}' >/srv/app/cache-owner; echo kept >/owned/k; chown 5:6 /owned/k
RUN --mount=type=cache,id=owned,target=/owned,uid=1000,gid=1001,mode=0750 stat -c '%u:%g' /owned/k >>/srv/app/cache-owner
RUN --network=none ls /sys/class/net >/srv/app/net
`

// image builds what Dockerfiles commonly do, and gives the layers.
func (d *buildkit) image(t *testing.T) []string {
	dir := dockerfileDir(t, buildkitSteps)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("confidential"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	must(t, run(t, d.build(dir, "--secret", "id=key,src="+key, "--output", "type=oci,compression=uncompressed,force-compression=true,dest="+archive)))
	layers := layersOf(t, archive)
	for _, want := range []string{" srv/app/d/x 4755 1000/1001 ", " srv/app/note 600 12/34 ", " tmp/mine 644 1000/1000 ", " data/.wh.seed "} {
		if !strings.Contains(strings.Join(layers, "\n"), want) {
			t.Errorf("no layer has %q", want)
		}
	}
	return layers
}

// failingStep: the status and the words of a step reach the user.
func (d *buildkit) failingStep(t *testing.T) {
	refused(t, run(t, d.build(dockerfileDir(t, "RUN echo this is why >&2; exit 42\n"))), "this is why", "exit code: 42")
	refused(t, run(t, d.build(dockerfileDir(t, "RUN [\"/bin/absent\"]\n"))), "/bin/absent", "no such file or directory")
	refused(t, run(t, d.build(dockerfileDir(t, "RUN sh -c 'kill -9 $$'; exit $?\n"))), "exit code: 137")
}

// cancelled: a build that its user interrupts ends with all that it started.
func (d *buildkit) cancelled(t *testing.T) {
	cmd := d.build(dockerfileDir(t, "RUN sleep 1000 & trap '' TERM; sleep 1000; wait\n"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	procs := func() (pids []string) {
		for _, dir := range cgroupDirs(d.cgroup) {
			files, _ := filepath.Glob(dir + "/buildkit/*/cgroup.procs")
			for _, f := range files {
				text, _ := os.ReadFile(f)
				pids = append(pids, strings.Fields(string(text))...)
			}
		}
		return pids
	}
	eventually(t, "the step", func() error {
		for _, pid := range procs() {
			if line, _ := os.ReadFile("/proc/" + pid + "/cmdline"); strings.HasPrefix(string(line), "sleep\x001000") {
				return nil
			}
		}
		return errors.New("no process of it")
	})
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err == nil {
		t.Error("the interrupted build succeeded")
	}
	d.nothingLeft(t)
}

// nothingLeft waits until the daemon holds nothing of its containers. It lets go of their mounts on its own time.
func (d *buildkit) nothingLeft(t *testing.T) {
	eventually(t, "the end of all containers", func() error {
		if left := d.left(t); len(left) > 0 {
			return fmt.Errorf("left: %s", strings.Join(left, ", "))
		}
		return nil
	})
}

// networks: a step has the network that it asks for, and the host's is refused.
func (d *buildkit) networks(t *testing.T) {
	for _, c := range []struct{ mode, devices string }{{"default", "2 devices\n"}, {"none", "1 devices\n"}} {
		r := run(t, d.build(dockerfileDir(t, "RUN --network="+c.mode+" echo $(ls /sys/class/net | wc -l) devices\n")))
		if must(t, r); !strings.Contains(r.stderr, " "+c.devices) {
			t.Errorf("--network=%s: want %q: %s", c.mode, c.devices, r)
		}
	}
	if d.runtime == "bulkhead" {
		refused(t, run(t, d.build(dockerfileDir(t, "RUN --network=host true\n"), "--allow", "network.host")), "rule namespaces")
	}
}

// entitlements: who may ask for an insecure step gets an ordinary hardened one.
func (d *buildkit) entitlements(t *testing.T) {
	if d.runtime != "bulkhead" {
		return
	}
	r := run(t, d.build(dockerfileDir(t, "RUN --security=insecure cat /proc/self/status\n"), "--allow", "security.insecure"))
	must(t, r)
	checkConfined(t, "an insecure step", parseStatus(regexp.MustCompile(`(?m)^#\d+ [\d.]+ `).ReplaceAllString(r.stderr, "")))
}
