package integration

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// ociArchive writes the busybox root as an image, tagged busybox:1.
func ociArchive(t testing.TB) string {
	t.Helper()
	layer, err := os.ReadFile(imageTar(t, "busybox"))
	if err != nil {
		t.Fatal(err)
	}
	return ociImage(t, "docker.io/library/busybox:1", layer, map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}})
}

// ociImage writes an image of one layer in the OCI image layout (image-spec, image-layout.md).
func ociImage(t testing.TB, name string, layer []byte, settings map[string]any) string {
	t.Helper()
	blobs := map[string][]byte{}
	put := func(media string, data []byte) map[string]any {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		blobs["blobs/sha256/"+digest] = data
		return map[string]any{"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	root := put("application/vnd.oci.image.layer.v1.tar", layer)
	config := put("application/vnd.oci.image.config.v1+json", encode(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": settings,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []any{root["digest"]}},
	}))
	manifest := put("application/vnd.oci.image.manifest.v1+json", encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": []any{root},
	}))
	_, tag, _ := strings.Cut(name, ":")
	manifest["annotations"] = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": tag}
	blobs["index.json"] = encode(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	blobs["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	return writeTar(t, filepath.Join(t.TempDir(), "image.tar"), blobs)
}

func writeTar(t testing.TB, path string, files map[string][]byte) string {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, data := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data))})
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(data))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := w.Close()
	if err == nil {
		err = os.WriteFile(path, buf.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
