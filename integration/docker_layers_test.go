package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"
)

var imageScenarios = []scenario{
	// With so many layers the engine names them relative to a directory: the mount options have room for one page.
	{"images/many-layers", false, func(t *testing.T, d *docker) {
		l := layered{100, 1, 1}
		name := d.layeredImage(t, l)
		out := d.run(t, name, "sh", "-c", "ls /layer | wc -l; cat /layer/0/0 /layer/99/0; stat -c %u:%g /layer/99/0; rm /layer/5/0 && echo x >/layer/0/0 && cat /layer/0/0")
		equal(t, "what a container sees", out, fmt.Sprintf("%d\nxx1000:2000\nx", l.layers))
		d.logStarts(t, name, fmt.Sprintf("%d layers", l.layers))
	}},
	{"images/large", false, func(t *testing.T, d *docker) {
		l := layered{4, 2500, 4096}
		if os.Getenv("BULKHEAD_TEST_MATRIX") == "1" {
			l = largeImage
		}
		name := d.layeredImage(t, l)
		equal(t, "files", d.run(t, name, "sh", "-c", "ls /layer/0 | wc -l; stat -c %u:%g:%s /layer/3/9"), fmt.Sprintf("%d\n1000:2000:%d", l.files, l.size))
		d.logStarts(t, name, fmt.Sprintf("%d files, %d MB", l.layers*l.files, l.layers*l.files*l.size/1000000))
	}},
}

// logStarts measures what it takes to start a container of an image and of a small one. It is written down, never asserted.
func (d *docker) logStarts(t *testing.T, name, what string) {
	t.Helper()
	var small, large []time.Duration
	for range 7 { // in turns, so that what else the machine does hits both
		small, large = append(small, d.startTime(t, "busybox")), append(large, d.startTime(t, name))
	}
	t.Logf("measured: run of true, median: small image %v, %s %v", median(small), what, median(large))
}

func (d *docker) startTime(t *testing.T, image string) time.Duration {
	t.Helper()
	begin := time.Now()
	d.run(t, image, "true")
	return time.Since(begin)
}

func median(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)/2].Round(time.Millisecond)
}

// A layered image is busybox and more layers, each with a directory of files of one size that belong to user 1000 and group 2000.
type layered struct{ layers, files, size int }

// largeImage has 4.3 GB.
var largeImage = layered{16, 2500, 107520}

func (l layered) String() string { return fmt.Sprintf("layers-%d-%d-%d", l.layers, l.files, l.size) }

// layeredImage loads such an image. A guest has the archive of a large one from the host: an emulated processor would take long to make it.
func (d *docker) layeredImage(t *testing.T, l layered) string {
	t.Helper()
	path := filepath.Join(os.Getenv("BULKHEAD_TEST_IMAGES"), l.String()+".tar")
	if _, err := os.Stat(path); os.Getenv("BULKHEAD_TEST_IMAGES") == "" || err != nil {
		path = filepath.Join(t.TempDir(), "image.tar")
		l.write(t, path)
		defer func() { _ = os.Remove(path) }()
	}
	d.do(t, "load", "-q", "-i", path)
	name := l.String() + ":latest"
	t.Cleanup(func() { d.do(t, "rmi", "-f", name) })
	return name
}

// write writes the image's archive.
func (l layered) write(t testing.TB, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, err := os.ReadFile(imageTar(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{w: tar.NewWriter(f)}
	a.layer(base)
	for i := range l.layers {
		a.layer(fileLayer(fmt.Sprintf("layer/%d/", i), l.files, l.size))
	}
	if err := a.close(l.String() + ":latest"); err != nil {
		t.Fatal(err)
	}
}

// An archive is an image as `docker save` writes it.
type archive struct {
	w     *tar.Writer
	err   error
	names []string
	sums  []string
}

func (a *archive) put(name string, data []byte) {
	if a.err == nil {
		a.err = a.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))})
	}
	if a.err == nil {
		_, a.err = io.Copy(a.w, bytes.NewReader(data))
	}
}

func (a *archive) layer(data []byte) {
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:]) + ".tar"
	a.put(name, data)
	a.names, a.sums = append(a.names, name), append(a.sums, "sha256:"+hex.EncodeToString(sum[:]))
}

func (a *archive) close(name string) error {
	config, err := json.Marshal(map[string]any{"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/bin"}}, "rootfs": map[string]any{"type": "layers", "diff_ids": a.sums}})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": []string{name}, "Layers": a.names}})
	if err != nil {
		return err
	}
	a.put("config.json", config)
	a.put("manifest.json", manifest)
	if a.err != nil {
		return a.err
	}
	return a.w.Close()
}

func fileLayer(dir string, files, size int) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	content := bytes.Repeat([]byte("x"), size)
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755})
	for i := range files { // a bytes.Buffer takes everything
		_ = w.WriteHeader(&tar.Header{Name: fmt.Sprint(dir, i), Mode: 0o644, Size: int64(size), Uid: 1000, Gid: 2000})
		_, _ = w.Write(content)
	}
	_ = w.Close()
	return buf.Bytes()
}
