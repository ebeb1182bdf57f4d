package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClassicBuilder: Docker's own builder from before BuildKit (DOCKER_BUILDKIT=0) runs the steps of a Dockerfile with the daemon's
// default runtime. With `bulkheadctl install docker --default` the images are those of runc, layer by layer.
func TestClassicBuilder(t *testing.T) {
	requireRoot(t)
	requireProgram(t, "dockerd", "containerd", "busybox")
	images := map[string][]string{}
	for _, name := range runtimes() {
		t.Run(name, func(t *testing.T) {
			d := startDockerd(t, map[string]any{"runtimes": map[string]any{}})
			t.Cleanup(func() {
				if err := d.close(); err != nil {
					t.Error(err)
				}
			})
			if name == "bulkhead" {
				must(t, run(t, ctl(t, "install", "docker", "--config", d.dir+"/daemon.json", "--binary", bulkheadBin(t), "--default")))
				d.reload(t, "bulkhead")
			}
			images[name] = d.classicImage(t, name)
			classicFailures(t, d, name)
		})
	}
	ours, theirs := images["bulkhead"], images["runc"]
	if ours == nil || theirs == nil {
		return
	}
	sameLayers(t, ours, theirs)
}

const classicSteps = `
RUN mkdir /tools && echo one >/tools/one && chown -R 7:8 /tools && chmod 640 /tools/one
` + ownerSteps + `RUN cat /etc/hosts /etc/resolv.conf >/dev/null && rm -r /tools && mkdir /tools && echo two >/tools/two
`

// classicImage builds it, once more from the cache, and gives the layers.
func (d *dockerd) classicImage(t *testing.T, name string) []string {
	t.Helper()
	show := "RUN cat /proc/self/uid_map /proc/self/status\n"
	d.build(t, "shown", build{from: "busybox", lines: show})
	if name == "bulkhead" {
		r := d.try(t, "build", "--no-cache", "-t", "shown", d.contextOf(t, "busybox", show))
		checkConfined(t, "a step", parseStatus(r.stdout))
	}
	steps := build{from: "busybox", lines: classicSteps, files: map[string]string{"note": "from the context\n"}}
	d.build(t, "classic", steps)
	id := d.do(t, "inspect", "-f", "{{.Id}}", "classic")
	archive := filepath.Join(t.TempDir(), "image.tar")
	d.do(t, "save", "-o", archive, "classic")
	equal(t, "what a container of it sees", d.do(t, "run", "--rm", "classic", "sh", "-c", "cat /tools/two; stat -c %u:%g:%a /srv/app/note /srv/app/e/x /tmp/mine | tr '\\n' ' '"),
		"two\n12:34:755 1000:1001:755 1000:1000:644 ")
	d.build(t, "classic", steps)
	equal(t, "the image from the cache", d.do(t, "inspect", "-f", "{{.Id}}", "classic"), id)
	return savedLayers(t, archive)
}

// classicFailures: the status and the words of a step reach the user, and a step that asks for the host gets no more than a container.
func classicFailures(t *testing.T, d *dockerd, name string) {
	t.Helper()
	refused(t, d.try(t, "build", d.contextOf(t, "busybox", "RUN echo this is why >&2; exit 42\n")), "this is why", "returned a non-zero code: 42")
	if name == "bulkhead" {
		refused(t, d.try(t, "build", "--network=host", d.contextOf(t, "busybox", "RUN true\n")), "rule namespaces")
	}
	equal(t, "containers that builds have left", d.do(t, "ps", "-aq", "--filter", "status=running"), "")
}

// contextOf is a build context with a Dockerfile alone.
func (d *dockerd) contextOf(t *testing.T, from, lines string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/Dockerfile", []byte("FROM "+from+"\n"+lines), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// savedLayers lists the layers of an image that `docker save` wrote.
func savedLayers(t testing.TB, archive string) []string {
	t.Helper()
	files := archived(t, archive)
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil || len(manifest) != 1 {
		t.Fatalf("read manifest of %s: %v: %s", archive, err, files["manifest.json"])
	}
	var layers []string
	for _, name := range manifest[0].Layers {
		layers = append(layers, layerEntries(t, files[name]))
	}
	if text := strings.Join(layers, "\n"); !strings.Contains(text, "4755 1000/1001 ") || !strings.Contains(text, " data/.wh.seed ") {
		t.Errorf("no layer has what the steps made:\n%s", strings.Join(layers[1:], "\n"))
	}
	return layers
}
